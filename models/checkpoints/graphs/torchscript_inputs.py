"""What the ``forward`` of a TorchScript archive takes and returns: ids or values, how many outputs, which last function."""

from __future__ import annotations

import ast
from contextlib import suppress
from typing import Any

import torch
from torch import nn

from models.checkpoints.graphs.graph_module import GraphInput, GraphModule, refuse_setting
from models.checkpoints.graphs.torchscript_archive import ScriptCode, ScriptObject
from models.checkpoints.graphs.torchscript_interpreter import Stored
from models.checkpoints.graphs.torchscript_names import dotted
from models.checkpoints.parsing.errors import CheckpointError

PASSED_ON = ("torch.transpose", "torch.t", "torch.permute", "torch.to", "torch.contiguous", "torch.unsqueeze",
             "torch.squeeze", "torch.view", "torch.reshape", "torch.slice", "torch.clamp", "unchecked_cast")  # fmt: skip
FUNCTIONS = {
    "log_softmax": "log_softmax",
    "softmax": "softmax",
    "sigmoid": "sigmoid",
    "linear": "linear",
    "addmm": "linear",
}
MAX_PROBED = 12
"""Numbers of features that are tried for an input whose size the code does not state."""


def describe_arguments(
    module: GraphModule, tree: ScriptObject, code: ScriptCode
) -> tuple[tuple[str, ...], tuple[GraphInput, ...]]:
    """Return the types of the arguments of ``forward``, and descriptions of those that have no default value.

    Raises:
        CheckpointError: one of those is not a tensor or a number.
    """
    function = tree.type.methods["forward"]
    arguments = function.args.args[1:]
    kinds = tuple("Tensor" if each.annotation is None else ast.unparse(each.annotation) for each in arguments)
    required = len(arguments) - len(function.args.defaults)
    inputs: list[GraphInput] = []
    for each, kind in list(zip(arguments, kinds, strict=True))[:required]:
        if kind not in ("Tensor", "int", "float", "bool"):
            refuse_setting(each.arg, "type", kind)
        rows = id_rows(tree, code, function, each.arg) if kind == "Tensor" else None
        ids = rows is not None
        shape: tuple[int | None, ...] = (None, None) if ids else () if kind != "Tensor" else (None, None, None)
        inputs.append(GraphInput(each.arg, "ids" if ids else "values", shape, rows or None))
    module.inputs = tuple(inputs)
    if len(inputs) == 1 and inputs[0].kind == "values" and kinds[0] == "Tensor":
        inputs = [GraphInput(inputs[0].name, "values", _shape(module, kinds), None)]
    return kinds, tuple(inputs)


def _shape(module: Any, kinds: tuple[str, ...]) -> tuple[int | None, ...]:
    """Return the shape of the only input: of three axes with the number of features that the network accepts, if any."""
    sizes = [part.input_size for part in module.modules() if isinstance(part, nn.RNNBase | nn.RNNCellBase)]
    sizes += [each.shape[1] for each in module.parameters() if each.dim() > 1]
    module.argument_kinds = kinds
    for size in list(dict.fromkeys(sizes))[:MAX_PROBED]:
        with suppress(CheckpointError, RuntimeError, ValueError, IndexError), torch.inference_mode():
            module(torch.zeros(1, 5, size))
            return (None, None, size)
    return (None, None, None)


def id_rows(
    owner: ScriptObject | None, code: ScriptCode, function: ast.FunctionDef, name: str, depth: int = 0
) -> int | None:
    """Return how many ids an argument can be; 0 where that is not known, None where it is not looked up in an embedding."""
    if depth > 10:
        return None
    names = {name}
    parts: dict[str, ScriptObject] = {}
    for node in (each for statement in function.body for each in ast.walk(statement)):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            target, value = node.targets[0].id, node.value
            part = _part(owner, parts, value)
            if part is not None:
                parts[target] = part
            elif isinstance(value, ast.Name) and value.id in names:
                names.add(target)
            elif isinstance(value, ast.Call) and dotted(value.func) in PASSED_ON:
                given = value.args[1 if dotted(value.func) == "unchecked_cast" else 0]
                if isinstance(given, ast.Name) and given.id in names:
                    names.add(target)
        if not isinstance(node, ast.Call):
            continue
        called = (dotted(node.func) or "").rpartition(".")[2]
        places = [place for place, each in enumerate(node.args) if isinstance(each, ast.Name) and each.id in names]
        if not places:
            continue
        if called in ("embedding", "one_hot"):
            return _rows(owner)
        part = _part(owner, parts, node.func.value) if isinstance(node.func, ast.Attribute) else None
        method = part.type.methods.get(called) if part is not None else None
        if part is not None and method is not None:
            arguments = [each.arg for each in method.args.args[1:]]
            if part.type.name.rpartition(".")[2] == "Embedding" and "weight" in part.values:
                return _rows(part)
            for place in places:
                found = id_rows(part, code, method, arguments[place], depth + 1) if place < len(arguments) else None
                if found is not None:
                    return found
    return None


def _rows(owner: ScriptObject | None) -> int:
    """Return the number of rows of a module's matrix, 0 if it is not known."""
    number = owner.values.get("num_embeddings") if owner is not None else None
    if isinstance(number, int):
        return number
    weight = owner.values.get("weight") if owner is not None else None
    return weight.shape[0] if isinstance(weight, Stored) and weight.shape else 0


def _part(owner: ScriptObject | None, parts: dict[str, ScriptObject], node: ast.AST) -> ScriptObject | None:
    """Return the module that an expression is."""
    match node:
        case ast.Name(id="self"):
            return owner
        case ast.Name(id=name):
            return parts.get(name)
        case ast.Attribute():
            holder = _part(owner, parts, node.value)
            return None if holder is None else holder.parts.get(node.attr)
        case ast.Call(func=ast.Name(id="getattr"), args=[inner, ast.Constant(value=name)]):
            holder = _part(owner, parts, inner)
            return None if holder is None else holder.parts.get(str(name))
    return None


def output_count(function: ast.FunctionDef) -> int:
    """Return how many tensors a function returns, as its annotation says."""

    def count(node: ast.AST | None) -> int:
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id == "Tuple":
            inner = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
            return sum(map(count, inner))
        return 1

    return count(function.returns)


def end_function(tree: ScriptObject, code: ScriptCode) -> str | None:
    """Return the function that the output of ``forward`` ends in, along its last axis; None if it is not known."""
    return _end(tree, code, tree.type.methods["forward"], 0)


def _end(owner: ScriptObject | None, code: ScriptCode, function: ast.FunctionDef, depth: int) -> str | None:
    assigned = [
        (node.targets[0].id, node.value)
        for statement in function.body
        for node in [statement]
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    ]
    parts: dict[str, ScriptObject] = {}
    for name, value in assigned:
        part = _part(owner, parts, value)
        if part is not None:
            parts[name] = part
    last = function.body[-1] if function.body else None
    node = last.value if isinstance(last, ast.Return) else None
    values = dict(assigned)
    for _ in range(20):
        if isinstance(node, ast.Name) and node.id in values:
            node = values.pop(node.id)
            continue
        break
    if not isinstance(node, ast.Call) or depth > 10:
        return None
    name = dotted(node.func) or ""
    own = name.rpartition(".")[2]
    if name.startswith("torch.") and own in FUNCTIONS:
        axis = node.args[1] if "softmax" in own and len(node.args) > 1 else None
        along = axis is None or (isinstance(axis, ast.UnaryOp) and ast.unparse(axis) == "-1")
        return FUNCTIONS[own] if along else None
    part = _part(owner, parts, node.func.value) if isinstance(node.func, ast.Attribute) else None
    method = part.type.methods.get(own) if part is not None else None
    if part is None or method is None:
        return None
    if part.type.name.rpartition(".")[2] == "Linear" and "torch.nn.modules" in part.type.name:
        return "linear"
    return _end(part, code, method, depth + 1)
