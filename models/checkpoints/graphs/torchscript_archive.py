"""A TorchScript archive's modules, their attributes, and the syntax trees of their methods. Nothing of it is executed.

code = ScriptCode(source.read_small_member, root)      # classes and functions, parsed when they are first used
tree = read_objects(described, decode)                  # the modules by their path
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from models.checkpoints.graphs.graph_module import MAX_DEPTH, MAX_NODES, refuse_setting
from models.checkpoints.parsing.errors import CheckpointError
from models.checkpoints.parsing.pickles import OpaqueCall

MAX_SOURCE, MAX_FILE = 1 << 20, 1 << 19
"""Characters of all code that is parsed, and of one file of it."""


@dataclass(frozen=True, eq=False)
class ScriptClass:
    """A class of the archive's code.

    Attributes:
        name: such as ``"__torch__.torch.nn.modules.rnn.LSTM"``.
        methods: their syntax trees by name.
        constants: attributes that the code itself gives a value.
        parameters: the names of attributes that are trained.
        fields: the names of all attributes, in order.
    """

    name: str
    methods: Mapping[str, ast.FunctionDef]
    constants: Mapping[str, Any]
    parameters: frozenset[str]
    fields: tuple[str, ...] = ()


class ScriptCode:
    """The classes and functions of an archive."""

    def __init__(self, read: Callable[[str], bytes | None]) -> None:
        """Look up files of code by ``read(path)``, which returns None if there is none."""
        self.read = read
        self.size = 0
        self._files: dict[str, dict[str, ScriptClass | ast.FunctionDef]] = {}

    def find(self, name: str) -> ScriptClass | ast.FunctionDef:
        """Return a class or function by its full name.

        Raises:
            CheckpointError: there is none.
        """
        path, _, own = name.rpartition(".")
        if path not in self._files:
            self._files[path] = self._parse(path)
        found = self._files[path].get(own)
        if found is None:
            raise CheckpointError(
                "This TorchScript archive is damaged: its code is incomplete. Save the network again."
            )
        return found

    def has(self, name: str) -> bool:
        """Return whether there is a class or function of this full name."""
        try:
            return self.find(name) is not None
        except CheckpointError:
            return False

    def script_class(self, name: str) -> ScriptClass:
        """Return a class by its full name."""
        found = self.find(name)
        if not isinstance(found, ScriptClass):
            raise CheckpointError(
                "This TorchScript archive is damaged: its code is incomplete. Save the network again."
            )
        return found

    def _parse(self, path: str) -> dict[str, ScriptClass | ast.FunctionDef]:
        data = self.read(f"code/{path.replace('.', '/')}.py")
        if data is None:
            return {}
        self.size += len(data)
        if self.size > MAX_SOURCE or len(data) > MAX_FILE:
            refuse_setting("TorchScript", "code", self.size)
        try:
            body = ast.parse(data.decode("utf-8")).body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise CheckpointError(
                "This TorchScript archive is damaged: its code is incomplete. Save the network again."
            ) from error
        found: dict[str, ScriptClass | ast.FunctionDef] = {}
        for node in body:
            if isinstance(node, ast.ClassDef):
                found[node.name] = _class(f"{path}.{node.name}", node)
            elif isinstance(node, ast.FunctionDef):
                found[node.name] = node
        return found


def _class(name: str, node: ast.ClassDef) -> ScriptClass:
    methods = {each.name: each for each in node.body if isinstance(each, ast.FunctionDef)}
    constants: dict[str, Any] = {}
    parameters: list[str] = []
    for each in node.body:
        if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name) and each.value is not None:
            constants[each.target.id] = literal(each.value)
        elif isinstance(each, ast.Assign) and ast.unparse(each.targets[0]) == "__parameters__":
            parameters = list(literal(each.value))
    annotated = [each.target for each in node.body if isinstance(each, ast.AnnAssign)]
    fields = tuple(each.id for each in annotated if isinstance(each, ast.Name))
    return ScriptClass(name, methods, constants, frozenset(parameters), fields)


def literal(node: ast.AST) -> Any:
    """Return the value of an expression of constants; None for another one."""
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None


@dataclass(eq=False)
class ScriptObject:
    """A module of the archive.

    Attributes:
        path: from the network, such as ``"encoder.rnn"``; "" for the network.
        type: its class.
        values: its attributes by name: numbers, lists, tensors.
        parts: the modules in it, by name.
    """

    path: str
    type: ScriptClass
    values: dict[str, Any] = field(default_factory=dict)
    parts: dict[str, ScriptObject] = field(default_factory=dict)

    def modules(self) -> list[ScriptObject]:
        """Return it and all modules in it."""
        return [self, *(each for part in self.parts.values() for each in part.modules())]


@dataclass(eq=False)
class ObjectReader:
    """The reader of the modules that a parsed pickle describes.

    Attributes:
        code: the archive's code.
        decode: returns the tensor that a call in the pickle describes, None if it describes none.
    """

    code: ScriptCode
    decode: Callable[[OpaqueCall], Tensor | None]
    count: int = 0

    def read_object(self, described: OpaqueCall, path: str = "", depth: int = 0) -> ScriptObject:
        """Return a module.

        Raises:
            CheckpointError: it is nested too deeply, or its class is unknown.
        """
        self.count += 1
        if depth > 2 * MAX_DEPTH or self.count > MAX_NODES:
            refuse_setting("TorchScript", "modules", self.count)
        found = ScriptObject(path, self.code.script_class(described.name))
        found.values |= found.type.constants
        for name, value in (described.state or {}).items():
            own = f"{path}.{name}" if path else str(name)
            if isinstance(value, OpaqueCall) and value.name.startswith("__torch__."):
                if isinstance(value.state, dict):
                    found.parts[name] = self.read_object(value, own, depth + 1)
            else:
                found.values[name] = self.read_value(value, 0)
        if "training" in found.values:
            found.values["training"] = False
        return found

    def read_value(self, value: Any, depth: int) -> Any:
        """Return an attribute's value."""
        if depth > MAX_DEPTH:
            refuse_setting("TorchScript", "attributes", depth)
        if isinstance(value, OpaqueCall):
            if value.name.startswith("torch.jit._pickle.") and value.args:
                return self.read_value(value.args[0], depth + 1)
            if value.name == "torch.device":
                return "cpu"
            return self.decode(value)
        if isinstance(value, list):
            return [self.read_value(each, depth + 1) for each in value]
        if isinstance(value, tuple):
            return tuple(self.read_value(each, depth + 1) for each in value)
        if isinstance(value, dict):
            return {key: self.read_value(each, depth + 1) for key, each in value.items()}
        return value
