"""What a TorchScript archive's ``forward`` reaches: the first operator that cannot be run, and attributes that are set."""

from __future__ import annotations

import ast
from typing import Any

from models.checkpoints.graphs.graph_module import MAX_NODES, refuse, refuse_setting
from models.checkpoints.graphs.torchscript_archive import ScriptClass, ScriptCode, ScriptObject
from models.checkpoints.graphs.torchscript_names import can_operate, dotted


def reached_calls(tree: ScriptObject, code: ScriptCode) -> tuple[tuple[str, ...], frozenset[str]]:
    """Check every operator that the network's ``forward`` may reach.

    Returns:
        The names of the attributes that it sets, and the paths of the modules whose methods it may call.

    Raises:
        CheckpointError: one of them cannot be run; the sentence names its module.
    """
    reach = _Reach(code)
    reach.visit(tree.type.methods["forward"], tree)
    return tuple(reach.changed), frozenset(path for _, path in reach.seen)


class _Reach:
    """A walk through functions, each visited once for each module."""

    def __init__(self, code: ScriptCode) -> None:
        self.code, self.changed = code, dict[str, None]()
        self.seen: set[tuple[int, str]] = set()
        self.label = "forward"

    def visit(self, function: ast.FunctionDef, owner: ScriptObject | None) -> None:
        key = id(function), owner.path if owner is not None else ""
        if key in self.seen:
            return
        self.seen.add(key)
        if len(self.seen) > MAX_NODES:
            refuse_setting("TorchScript", "calls", len(self.seen))
        before = self.label
        if owner is not None and owner.path:
            self.label = owner.path
        names: dict[str, Any] = {function.args.args[0].arg: owner} if owner is not None and function.args.args else {}
        for node in _in_order(function.body):
            if isinstance(node, ast.Assign):
                target = node.targets[0]
                if isinstance(target, ast.Name):
                    found = self.part(node.value, names)
                    names = names | {target.id: found} if found is not None else names
                elif isinstance(target, ast.Attribute):
                    holder = self.part(target.value, names)
                    if isinstance(holder, ScriptObject):
                        self.changed[f"{holder.path}.{target.attr}" if holder.path else target.attr] = None
            elif isinstance(node, ast.Call):
                self.call(node, names)
        self.label = before

    def part(self, node: ast.AST, names: dict[str, Any]) -> Any:
        """Return the module or function that an expression is, None if it is neither."""
        match node:
            case ast.Name(id=name):
                return names.get(name)
            case ast.Call(func=ast.Name(id="getattr"), args=[holder, ast.Constant(value=name)]):
                found = self.part(holder, names)
                return found.parts.get(str(name)) if isinstance(found, ScriptObject) else None
            case ast.Attribute():
                name = dotted(node) or ""
                if name.startswith("__torch__."):
                    return self.code.find(name) if not name.endswith("__new__") else None
                found = self.part(node.value, names)
                return found.parts.get(node.attr) if isinstance(found, ScriptObject) else None
        return None

    def call(self, node: ast.Call, names: dict[str, Any]) -> None:
        name = dotted(node.func) or ""
        if name.partition(".")[0] in ("torch", "ops") and name.partition(".")[0] not in names:
            if not can_operate(name):
                refuse(self.label, name.replace("torch.", "aten.", 1).removeprefix("ops."))
            return
        found = self.part(node.func, names)
        if isinstance(found, ast.FunctionDef):
            self.visit(found, None)
        elif isinstance(node.func, ast.Attribute) and not isinstance(found, ScriptClass):
            holder = self.part(node.func.value, names)
            method = holder.type.methods.get(node.func.attr) if isinstance(holder, ScriptObject) else None
            if method is not None:
                self.visit(method, holder)


def _in_order(body: list[ast.stmt]) -> list[ast.AST]:
    """Return calls and assignments as they run: the calls of an expression from the inside, before it is assigned."""
    found: list[ast.AST] = []

    def walk(node: ast.AST) -> None:
        for child in ast.iter_child_nodes(node):
            walk(child)
        if isinstance(node, ast.Call | ast.Assign):
            found.append(node)

    for node in body:
        walk(node)
    return found
