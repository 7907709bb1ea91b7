"""The interpreter of TorchScript's code: statements and expressions of its syntax trees, and operators from fixed tables.

Python's own ``eval``, ``exec`` and ``import`` are not used. Every name is a local variable, an attribute of one of the
archive's modules, a function or class of the archive's own code, or an entry of a table here. Steps, depth and sizes are
bounded. Source: torch/csrc/jit/serialization/python_print.cpp.
"""

from __future__ import annotations

import ast
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from models.checkpoints.graphs.aten_operators import IN_PLACE, run_operator
from models.checkpoints.graphs.aten_recurrent import RECURRENT, bound_arguments, parameters_in_order, run_recurrent
from models.checkpoints.graphs.graph_module import refuse, refuse_setting
from models.checkpoints.graphs.graph_parts import Place
from models.checkpoints.graphs.graph_run import MAX_LIVE, MAX_STEPS, TimeLimit, named_failures
from models.checkpoints.graphs.torchscript_archive import ScriptClass, ScriptCode, ScriptObject
from models.checkpoints.graphs.torchscript_names import GRADIENTS, TYPES, dotted, operator_of, scalar_type
from models.checkpoints.graphs.torchscript_normed_cells import run_normed_cell
from models.checkpoints.graphs.torchscript_scalars import CREATES, OF_TENSORS, PRIM, SCALARS, bounded_value, has_tensor
from models.checkpoints.parsing.errors import CheckpointError

MAX_CALLS = 100
"""Calls inside calls."""
LIST_OPERATORS = ("len", "slice", "copy", "reverse", "clear", "__getitem__", "add", "mul")
CONVERSIONS: dict[str, Any] = {"int": int, "float": float, "bool": bool, "str": lambda value: str(value)[:1000]}


@dataclass(eq=False)
class Stored:
    """A tensor attribute: where it is kept in the network, and its shape."""

    place: Place
    shape: tuple[int, ...] = ()


@dataclass(eq=False)
class Instance:
    """An object that the code makes while it runs, such as the context manager ``no_grad``."""

    type: ScriptClass
    values: dict[str, Any] = field(default_factory=dict)


class _Return(Exception):
    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value


@dataclass(eq=False)
class Interpreter:
    """One call of a network.

    Attributes:
        root: the network.
        code: the archive's code.
        constants: tensors that the code names ``CONSTANTS.c0``.
        recurrent: paths of the recurrent modules.
        changed: attributes that the code has set, by module and name.
        normed_cells: the modules that run cells of the archive, by the cells' paths.
    """

    root: nn.Module
    code: ScriptCode
    constants: Sequence[Stored]
    recurrent: Sequence[str]
    changed: dict[tuple[str, str], Any]
    normed_cells: Mapping[str, Any] = field(default_factory=dict)
    steps: int = 0
    depth: int = 0
    live: list[int] = field(default_factory=lambda: [0])
    time: TimeLimit = field(default_factory=TimeLimit)

    def __post_init__(self) -> None:
        self.labels: list[str] = []
        self.modules = {id(self._weights(path)[0]): path for path in self.recurrent}
        self.owned = {each.untyped_storage().data_ptr() for each in (*self.root.parameters(), *self.root.buffers())}

    def _weights(self, path: str) -> list[Tensor]:
        return parameters_in_order(self.root.get_submodule(path))

    @property
    def label(self) -> str:
        """The path of the module that is running."""
        return next((each for each in reversed(self.labels) if each), "forward")

    def call(self, function: ast.FunctionDef, owner: Any, args: Sequence[Any], named: Mapping[str, Any]) -> Any:
        """Return what a function returns.

        Raises:
            CheckpointError: an operation fails, or there are too many steps or calls.
        """
        if isinstance(owner, ScriptObject) and owner.path in self.normed_cells and function.name == "forward":
            inputs = [each.arg for each in function.args.args[1:]]
            by_name = dict(zip(inputs, args, strict=False)) | dict(named)
            return run_normed_cell(self.normed_cells[owner.path], *(by_name[name] for name in inputs))
        self.depth += 1
        if self.depth > MAX_CALLS:
            refuse_setting(self.label, "calls", self.depth)
        if isinstance(owner, ScriptObject):
            self.labels.append(owner.path)
        scope: dict[str, Any] = {}
        names = [each.arg for each in function.args.args]
        given = ([owner] if owner is not None else []) + list(args)
        if len(given) > len(names):
            raise CheckpointError(
                "This TorchScript archive is damaged: its code is incomplete. Save the network again."
            )
        defaults = dict(zip(reversed(names), reversed(function.args.defaults), strict=False))
        scope |= dict(zip(names, given, strict=False)) | dict(named)
        for name in names:
            if name not in scope:
                if name not in defaults:
                    raise TypeError(f"The input {name} is missing.")
                scope[name] = self.value(defaults[name], scope)
        try:
            self.run(function.body, scope)
            return None
        except _Return as returned:
            return returned.value
        finally:
            self.depth -= 1
            if isinstance(owner, ScriptObject):
                self.labels.pop()

    def run(self, body: Sequence[ast.stmt], scope: dict[str, Any]) -> None:
        """Run statements."""
        for node in body:
            self.count()
            match node:
                case ast.Assign(targets=[target]):
                    self.assign(target, self.value(node.value, scope), scope)
                case ast.AnnAssign(target=ast.Name(id=name)) if node.value is not None:
                    scope[name] = self.value(node.value, scope)
                case ast.Expr():
                    self.value(node.value, scope)
                case ast.Return():
                    raise _Return(None if node.value is None else self.value(node.value, scope))
                case ast.If():
                    self.run(node.body if bool(self.value(node.test, scope)) else node.orelse, scope)
                case ast.For(target=ast.Name(id=name), iter=ast.Call(func=ast.Name(id="range"), args=[length])):
                    for index in range(int(self.value(length, scope))):
                        self.count()
                        scope[name] = index
                        self.run(node.body, scope)
                case ast.While():
                    while bool(self.value(node.test, scope)):
                        self.count()
                        self.run(node.body, scope)
                case ast.With(items=[item]):
                    self.enter(node, item, scope)
                case ast.Pass():
                    pass
                case _:
                    refuse(self.label, type(node).__name__)

    def enter(self, node: ast.With, item: ast.withitem, scope: dict[str, Any]) -> None:
        """Run the body of a context manager of the archive's own code."""
        manager = self.value(item.context_expr, scope)
        methods = manager.type.methods if isinstance(manager, Instance) else {}
        gradients = torch.is_grad_enabled()
        try:
            if "__enter__" in methods:
                self.call(methods["__enter__"], manager, (), {})
            self.run(node.body, scope)
            if "__exit__" in methods:
                self.call(methods["__exit__"], manager, (None, None, None), {})
        finally:
            torch.set_grad_enabled(gradients)

    def count(self) -> None:
        """Count one step."""
        self.time.check(self.label)
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise CheckpointError(
                "{layer} is run too often in a loop of this file. Use a shorter input.", layer=self.label[:200]
            )

    def assign(self, target: ast.expr, value: Any, scope: dict[str, Any]) -> None:
        """Set a variable, several, or an attribute."""
        match target:
            case ast.Name(id=name):
                scope[name] = value
            case ast.Tuple(elts=parts):
                given = list(value.values.values()) if isinstance(value, Instance) else value
                for part, each in zip(parts, given, strict=True):
                    self.assign(part, each, scope)
            case ast.Attribute(value=owner, attr=name):
                holder = self.value(owner, scope)
                if isinstance(holder, ScriptObject):
                    self.changed[holder.path, name] = value
                elif isinstance(holder, Instance):
                    holder.values[name] = value
                else:
                    refuse(self.label, "SetAttr")
            case _:
                refuse(self.label, type(target).__name__)

    def value(self, node: ast.expr, scope: dict[str, Any]) -> Any:  # noqa: RET503
        """Return the value of an expression."""
        match node:
            case ast.Constant():
                return node.value
            case ast.Name(id=name):
                if name not in scope and name in ("inf", "nan"):
                    return float(name)
                return scope[name]
            case ast.Attribute():
                return self.attribute(node, scope)
            case ast.Call():
                return self.called(node, scope)
            case ast.Tuple():
                return tuple(self.value(each, scope) for each in node.elts)
            case ast.List():
                return [self.value(each, scope) for each in node.elts]
            case ast.Dict():
                keys = [self.value(each, scope) for each in node.keys if each is not None]
                return dict(zip(keys, [self.value(each, scope) for each in node.values], strict=True))
            case ast.Subscript():
                holder = self.value(node.value, scope)
                return (list(holder.values.values()) if isinstance(holder, Instance) else holder)[
                    self.value(node.slice, scope)
                ]
            case ast.UnaryOp(op=ast.USub()):
                return -self.value(node.operand, scope)
            case ast.IfExp():
                return self.value(node.body if bool(self.value(node.test, scope)) else node.orelse, scope)
            case ast.BoolOp():
                chosen = all if isinstance(node.op, ast.And) else any
                return chosen(bool(self.value(each, scope)) for each in node.values)
            case _:
                refuse(self.label, type(node).__name__)

    def attribute(self, node: ast.Attribute, scope: dict[str, Any]) -> Any:
        """Return an attribute of a module, a constant, or a function or class of the archive's own code."""
        name = dotted(node)
        if name is not None and name.startswith("CONSTANTS.c"):
            return self.stored(self.constants[int(name.removeprefix("CONSTANTS.c"))])
        if name is not None and name.startswith("__torch__."):
            return self.code.find(name)
        return self.own(self.value(node.value, scope), node.attr)

    def own(self, holder: Any, name: str) -> Any:
        """Return an attribute of a module or an instance."""
        if isinstance(holder, ScriptObject):
            if (holder.path, name) in self.changed:
                return self.changed[holder.path, name]
            if name in holder.parts:
                return holder.parts[name]
            return self.stored(holder.values[name])
        if not isinstance(holder, Instance):
            refuse(self.label, f"GetAttr {name}")
        return holder.values[name] if name in holder.values else holder.type.constants[name]

    def stored(self, value: Any) -> Any:
        """Return a value of the archive, with its tensors."""
        if isinstance(value, Stored):
            return getattr(self.root.get_submodule(value.place[0]), value.place[1])
        if isinstance(value, list):
            return [self.stored(each) for each in value]
        if isinstance(value, tuple):
            return tuple(self.stored(each) for each in value)
        return {key: self.stored(each) for key, each in value.items()} if isinstance(value, dict) else value

    def called(self, node: ast.Call, scope: dict[str, Any]) -> Any:
        """Return what a call returns."""
        self.count()
        name = dotted(node.func) or ""
        match name:
            case "annotate" | "unchecked_cast":
                return self.value(node.args[1], scope)
            case "uninitialized":
                return None
            case "isinstance":
                form = node.args[1].value if isinstance(node.args[1], ast.Subscript) else node.args[1]
                return isinstance(self.value(node.args[0], scope), TYPES[ast.unparse(form)])
            case "getattr":
                return self.own(self.value(node.args[0], scope), str(self.value(node.args[1], scope)))
        if name.endswith(".__new__") and name.startswith("__torch__."):
            return Instance(self.code.script_class(name.removesuffix(".__new__")))
        args = [self.value(each, scope) for each in node.args]
        named = {each.arg: self.value(each.value, scope) for each in node.keywords if each.arg is not None}
        if name.partition(".")[0] in ("torch", "ops") and name.partition(".")[0] not in scope:
            return self.operate(name, args, named)
        if name in CONVERSIONS and name not in scope:
            return bounded_value(CONVERSIONS[name](*args))
        if isinstance(node.func, ast.Attribute) and not name.startswith("__torch__."):
            owner = self.value(node.func.value, scope)
            if isinstance(owner, ScriptObject | Instance):
                method = owner.type.methods.get(node.func.attr)
                if method is None and node.func.attr == "__init__":
                    return None
                if method is not None:
                    return self.call(method, owner, args, named)
            refuse(self.label, node.func.attr)
        function = self.value(node.func, scope)
        if isinstance(function, ScriptClass) and not function.methods:  # a tuple with names
            return Instance(function, dict(zip(function.fields, args, strict=False)) | named)
        if not isinstance(function, ast.FunctionDef):
            refuse(self.label, name)
        return self.call(function, None, args, named)

    def operate(self, name: str, args: list[Any], named: dict[str, Any]) -> Any:
        """Return what one of torch's operators returns.

        Raises:
            CheckpointError: it cannot be run, or it fails on these arguments.
        """
        with named_failures(self.label):
            made = self._operate(name, args, named)
        for each in made if isinstance(made, tuple | list) else (made,):
            if isinstance(each, Tensor) and not any(each is given for given in args):
                self.keep(each)
        return made

    def keep(self, made: Tensor) -> None:
        """Count the values of a tensor until it is dropped."""
        count, live = made.numel(), self.live
        live[0] += count
        if live[0] > MAX_LIVE:
            raise CheckpointError(
                "{layer} has an output of {count} values, but at most {most} are allowed. Use a shorter input.",
                layer=self.label[:200], count=f"{count:,}", most=f"{max(0, MAX_LIVE - live[0] + count):,}",
            )  # fmt: skip

        def dropped() -> None:
            live[0] -= count

        weakref.finalize(made, dropped).atexit = False

    def _operate(self, name: str, args: list[Any], named: dict[str, Any]) -> Any:
        kind, own = operator_of(name)
        if kind == "prim":
            if own == "RaiseException":
                raise ValueError(str(args[0]) or str(args[1]))
            return bounded_value(PRIM[own](*args)) if own in PRIM else refuse(self.label, name)
        if own == "device":
            return torch.device("cpu")
        if own in GRADIENTS:
            return torch.is_grad_enabled() if own == GRADIENTS[0] else (torch.set_grad_enabled(bool(args[0])), None)[1]
        if own in CREATES:
            made = CREATES[own](*args)
            return made if named.get("dtype") is None else made.to(scalar_type(named["dtype"]))
        if own in RECURRENT:
            given = bound_arguments(own, args, named)
            path = self.modules.get(id(given["weights"][0]))
            if path is None or [id(each) for each in given["weights"]] != [id(each) for each in self._weights(path)]:
                refuse(self.label, f"aten.{own}")
            return run_recurrent(path, self.root.get_submodule(path), given)
        if own == "add_" and isinstance(args[0], list):
            args[0].extend(args[1])
            return bounded_value(args[0])
        tensors = has_tensor((*args, *named.values()))
        of_list = bool(args) and isinstance(args[0], list)
        if tensors and own in OF_TENSORS and not (own == "len" and of_list):
            return bounded_value(OF_TENSORS[own](*args))
        if own in SCALARS and (not tensors or (own in LIST_OPERATORS and of_list and not isinstance(args[-1], Tensor))):
            return bounded_value(SCALARS[own](*args))
        changes = own in IN_PLACE and bool(args) and isinstance(args[0], Tensor) and args[0].numel()
        if changes and args[0].untyped_storage().data_ptr() in self.owned:
            refuse_setting(self.label, "in-place", own)
        return run_operator(self.label, own, None, args, {key: each for key, each in named.items() if key != "device"})
