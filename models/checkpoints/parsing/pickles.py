"""Parse a pickle as data: nothing in it is imported, called or constructed.

A pickle is a program for a small stack machine, and Python's own machine calls whatever the program names. This one only
records a call as an ``OpaqueCall`` with its arguments. Names other than those of tensors and plain containers (about the same
as ``torch.load(..., weights_only=True)`` accepts) are listed as unknown; a file that would start programs is refused.
"""

from __future__ import annotations

import pickletools
from dataclasses import dataclass
from typing import Any, BinaryIO

from models.checkpoints.parsing.errors import CheckpointError
from models.checkpoints.parsing.work_budget import spend


@dataclass(frozen=True)
class GlobalName:
    """A global that the pickle names, such as ``torch.FloatStorage``."""

    path: str


@dataclass(eq=False)
class OpaqueCall:
    """A call in the pickle, recorded but not executed: name, arguments, and the state and items set on its result."""

    name: str
    args: tuple
    state: Any = None
    items: dict | list | None = None


@dataclass(frozen=True, eq=False)
class PersistentId:
    """A reference to an object outside the pickle: a storage."""

    key: Any


KNOWN_GLOBALS = {
    "builtins": {"set", "frozenset", "list", "tuple", "dict", "int", "float", "bool", "str", "bytes", "bytearray",
                 "complex", "slice", "range"},
    "collections": {"OrderedDict", "defaultdict", "Counter"},
    "torch": {"Size", "device", "Tensor", "ScriptObject"},
    "torch._utils": {"_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3", "_rebuild_parameter",
                     "_rebuild_parameter_with_state", "_rebuild_qtensor", "_rebuild_sparse_tensor",
                     "_rebuild_meta_tensor_no_storage"},
    "torch._tensor": {"_rebuild_from_type_v2"},
    "torch.nn.parameter": {"Parameter", "Buffer"},
    "torch.serialization": {"_get_layout"},
    "torch.storage": {"UntypedStorage", "TypedStorage"},
    "argparse": {"Namespace"},
    "pathlib": {"Path", "PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath"},
    "datetime": {"datetime", "date", "timedelta"},
    "_codecs": {"encode"},
    "copyreg": {"_reconstructor"},
    "copy_reg": {"_reconstructor"},
    "numpy": {"dtype", "ndarray"},
    "numpy.core.multiarray": {"scalar", "_reconstruct"},
    "numpy._core.multiarray": {"scalar", "_reconstruct"},
    "numpy.core.numeric": {"_frombuffer"},
    "numpy._core.numeric": {"_frombuffer"},
    "lightning.fabric.utilities.data": {"AttributeDict"},
    "pytorch_lightning.utilities.parsing": {"AttributeDict"},
    "lightning.pytorch.utilities.parsing": {"AttributeDict"},
}  # fmt: skip
KNOWN_GLOBALS["__builtin__"] = KNOWN_GLOBALS["builtins"] | {"unicode", "long"}
TORCH_TYPE_PREFIXES = (
    "float", "double", "half", "bfloat", "int", "long", "short", "char", "byte", "bool", "uint", "complex", "cfloat",
    "q", "per_tensor", "per_channel", "strided", "sparse",
)  # fmt: skip


HOSTILE_MODULES = {
    "os", "posix", "nt", "subprocess", "sys", "shutil", "socket", "pty", "runpy", "importlib", "ctypes", "webbrowser", "code",
    "commands", "popen2", "pickle", "_pickle", "cPickle", "pip", "pdb", "bdb", "urllib", "urllib2", "requests", "ftplib",
    "smtplib",
}  # fmt: skip
HOSTILE_BUILTINS = {"eval", "exec", "execfile", "compile", "open", "file", "__import__", "input", "breakpoint"}
"""Modules and builtins that a pickle names only to start programs, or to load or send data."""


def is_known_global(module: str, name: str) -> bool:
    """Return whether a global is the name of a tensor type or of a plain container."""
    if module in ("torch", "torch.cuda") and (name.endswith("Storage") or name.startswith(TORCH_TYPE_PREFIXES)):
        return name.replace("_", "").isalnum()
    return name in KNOWN_GLOBALS.get(module, ())


def is_hostile_global(module: str, name: str) -> bool:
    """Return whether a pickle that names this global would start programs, or load or send data."""
    if module in ("builtins", "__builtin__"):
        return name in HOSTILE_BUILTINS
    return module.split(".")[0] in HOSTILE_MODULES


KEY_TYPES = (str, int, float, bool, bytes, type(None), GlobalName)


MAX_KEY_BITS = 1024
"""Bits of an integer that is a key: the hash of a longer one is computed anew at every use."""

MAX_UNKNOWN = 100
"""Unknown names of a file that are listed."""


def load_pickle(file: BinaryIO, limit: int = 1_000_000, unknown: dict[str, None] | None = None) -> Any:
    """Parse the pickle at the file's position into plain values, ``GlobalName``, ``OpaqueCall`` and ``PersistentId``.

    Args:
        file: a binary file, which is read up to the pickle's end.
        limit: the maximum number of opcodes.
        unknown: receives the names of the classes and functions that are not torch's, nor those of plain containers.

    Raises:
        CheckpointError: the pickle is damaged, too long, or would start a program.
    """
    try:
        return _PickleMachine(limit, {} if unknown is None else unknown).run(file)
    except (CheckpointError, MemoryError):
        raise
    except Exception as error:
        raise CheckpointError("The tensor list of this file is truncated or damaged. Copy the file again.") from error


class _PickleMachine:
    """The stack machine that executes a pickle's opcodes without importing or calling anything."""

    def __init__(self, limit: int, unknown: dict[str, None]) -> None:
        self.limit, self.unknown = limit, unknown
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def run(self, file: BinaryIO) -> Any:
        stack, memo = self.stack, self.memo
        for count in range(self.limit + 1):
            op, read = OPCODES[file.read(1)]
            arg = None if read is None else read(file)
            if not count % 1024:
                spend(1024)
            if op in LITERAL_OPS:
                stack.append(arg)
            elif op in PUT_OPS:
                memo[len(memo) if arg is None else arg] = stack[-1]
            elif op == "STOP":
                return stack[-1]
            else:
                self.step(op, arg)
        raise CheckpointError("The tensor list of this file is too long. Save only the weights, or raise the limit.")

    def pop_to_mark(self) -> list[Any]:
        start = self.marks.pop()
        items = self.stack[start:]
        del self.stack[start:]
        return items

    def name(self, module: str, name: str) -> GlobalName:
        if not isinstance(module, str) or not isinstance(name, str):
            raise TypeError("not a name")
        path = f"{module}.{name}"
        if is_hostile_global(module, name):
            raise CheckpointError(
                (
                    "Opening this file would run {name}, so it was not opened. Save only tensors, with "
                    "torch.save(model.state_dict(), ...)."
                ),
                name=path[:120],
            )
        is_plain = is_known_global(module, name) or module.split(".")[0] in ("torch", "__torch__")
        if not is_plain and len(self.unknown) < MAX_UNKNOWN:
            self.unknown[path[:120]] = None
        return GlobalName(path)

    def call(self, callee: Any, args: Any) -> Any:
        if not isinstance(args, tuple):
            raise TypeError("not arguments")
        if isinstance(callee, OpaqueCall):  # what an unknown function returned
            return OpaqueCall(callee.name, args)
        if not isinstance(callee, GlobalName):
            raise TypeError("not a call")
        if callee.path == "collections.OrderedDict" or callee.path.endswith((".AttributeDict", "tins.dict")):
            pairs = args[0] if args else []
            return _fill_dict({}, [value for pair in pairs for value in pair])
        if callee.path == "collections.defaultdict":
            return {}
        if callee.path == "_codecs.encode" and args and isinstance(args[0], str):  # bytes, in protocol 2
            return args[0].encode("latin-1")
        if callee.path.endswith("builtin__.bytes") and not args:
            return b""
        if callee.path.endswith("._reconstructor") and args and isinstance(args[0], GlobalName):
            return OpaqueCall(args[0].path, ())
        return OpaqueCall(callee.path, args)

    def persistent(self, key: Any) -> Any:
        if isinstance(key, tuple) and key[:1] == ("module",) and isinstance(key[1], GlobalName):
            return key[1]  # a class, with its source code
        return PersistentId(key)

    def build(self, state: Any) -> None:
        target = self.stack[-1]
        if isinstance(target, OpaqueCall):
            target.state = state
        elif not isinstance(target, dict | list | set | GlobalName):  # attributes of a container are not needed
            raise TypeError("not an object")

    def extend(self, values: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, OpaqueCall):
            if not isinstance(target.items, list):
                target.items = []
            target = target.items  # extended in place: a copy at every item would take hours
        _as_list(target).extend(values)

    def step(self, op: str, arg: Any) -> None:
        stack = self.stack
        match op:
            case "PROTO" | "FRAME":
                pass
            case "MARK":
                self.marks.append(len(stack))
            case "POP":
                stack.pop()
            case "POP_MARK":
                self.pop_to_mark()
            case "DUP":
                stack.append(stack[-1])
            case "NONE":
                stack.append(None)
            case "NEWTRUE" | "NEWFALSE":
                stack.append(op == "NEWTRUE")
            case "EMPTY_DICT":
                stack.append({})
            case "EMPTY_LIST":
                stack.append([])
            case "EMPTY_SET":
                stack.append(set())
            case "EMPTY_TUPLE":
                stack.append(())
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                count = int(op[-1])
                items = tuple(stack[-count:])
                if len(items) < count:
                    raise ValueError("empty stack")
                stack[-count:] = [items]
            case "TUPLE":
                stack.append(tuple(self.pop_to_mark()))
            case "LIST":
                stack.append(self.pop_to_mark())
            case "DICT":
                stack.append(_fill_dict({}, self.pop_to_mark()))
            case "FROZENSET":
                stack.append(frozenset(_as_keys(self.pop_to_mark())))
            case "APPEND":
                value = stack.pop()
                self.extend([value])
            case "APPENDS":
                self.extend(self.pop_to_mark())
            case "SETITEM":
                pair = stack[-2:]
                del stack[-2:]
                self.fill(pair)
            case "SETITEMS":
                self.fill(self.pop_to_mark())
            case "ADDITEMS":
                added = _as_keys(self.pop_to_mark())
                if isinstance(stack[-1], set):
                    stack[-1].update(added)
            case "GLOBAL" | "INST":
                module, name = arg.split(" ", 1)
                found = self.name(module, name)
                stack.append(found if op == "GLOBAL" else self.call(found, tuple(self.pop_to_mark())))
            case "STACK_GLOBAL":
                module, name = stack[-2:]
                stack[-2:] = [self.name(module, name)]
            case "REDUCE" | "NEWOBJ":
                callee, args = stack[-2:]
                stack[-2:] = [self.call(callee, args)]
            case "NEWOBJ_EX":
                callee, args, _named = stack[-3:]
                stack[-3:] = [self.call(callee, args)]
            case "OBJ":
                callee, *given = self.pop_to_mark()
                stack.append(self.call(callee, tuple(given)))
            case "BUILD":
                state = stack.pop()
                self.build(state)
            case "BINPERSID":
                stack.append(self.persistent(stack.pop()))
            case "GET" | "BINGET" | "LONG_BINGET":
                stack.append(self.memo[arg])
            case _:
                raise ValueError(op)

    def fill(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, dict):
            _fill_dict(target, items)
        elif isinstance(target, OpaqueCall):
            target.items = _fill_dict(target.items if isinstance(target.items, dict) else {}, items)
        else:
            raise TypeError("not a mapping")


OPCODES = {
    each.code.encode("latin-1"): (each.name, None if each.arg is None else each.arg.reader)
    for each in pickletools.opcodes
}
"""The name of each opcode, and what reads its argument."""
PUT_OPS = {"MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT"}
LITERAL_OPS = {
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "STRING", "BINSTRING",
    "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES",
    "BINBYTES8", "BYTEARRAY8",
}  # fmt: skip


def _as_list(value: Any) -> list:
    if not isinstance(value, list):
        raise TypeError("not a list")
    return value


def _as_keys(values: list[Any]) -> list[Any]:
    """Return the values that may be elements of a set, without those whose hash may take long, such as nested tuples."""
    return [
        value
        for value in values
        if isinstance(value, KEY_TYPES) and not (type(value) is int and value.bit_length() > MAX_KEY_BITS)
    ]


def _fill_dict(target: dict, items: list[Any]) -> dict:
    keys = items[::2]
    for key, value in zip(keys, items[1::2], strict=True):
        plain = isinstance(key, KEY_TYPES) and not (type(key) is int and key.bit_length() > MAX_KEY_BITS)
        target[key if plain else f"<{type(key).__name__} {len(target)}>"] = value
    return target
