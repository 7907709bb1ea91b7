"""What a torch.export graph's inputs are looked up in, and which function its outputs end in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

PASSED_ON = frozenset({
    "view", "reshape", "squeeze", "unsqueeze", "transpose", "permute", "flatten", "expand", "slice", "select", "clone",
    "contiguous", "to", "_to_copy", "clamp", "t", "unbind", "split", "chunk", "type_as", "detach", "alias",
    "split_with_sizes", "index_select", "narrow",
})  # fmt: skip
"""Operators whose output holds the ids of their first input."""
SAME_AXES = frozenset({"clone", "contiguous", "to", "_to_copy", "detach", "alias", "dropout"})
"""Operators that keep all axes."""
MOVED_AXES = frozenset({
    "view", "reshape", "squeeze", "unsqueeze", "transpose", "permute", "flatten", "select", "slice", "t"
})  # fmt: skip
"""Operators that keep the values, but not the axes."""
FUNCTIONS = {
    "sigmoid": "sigmoid", "linear": "linear", "addmm": "linear", "mm": "linear", "softmax": "softmax",
    "_softmax": "softmax", "log_softmax": "log_softmax", "_log_softmax": "log_softmax",
}  # fmt: skip
Nodes = Sequence[Mapping[str, Any]]


def _op(node: Mapping[str, Any]) -> str:
    target = node["target"]
    return target.split(".")[3] if target.startswith("torch.ops.aten.") else ""


def _first(node: Mapping[str, Any], place: int = 0) -> str | None:
    """Return the name of the tensor at a place of a node's arguments."""
    inputs = node["inputs"]
    argument = inputs[place]["arg"] if place < len(inputs) else {}
    return argument["as_tensor"]["name"] if "as_tensor" in argument else None


def _made(node: Mapping[str, Any]) -> list[str]:
    found = []
    for each in node["outputs"]:
        found += [each["as_tensor"]["name"]] if "as_tensor" in each else []
        found += [inner["name"] for inner in each.get("as_tensors", ())]
    return found


def id_table(nodes: Nodes, name: str, values: Mapping[str, Any]) -> int | None:
    """Return how many ids an input can be; 0 where that is not known, None where it does not hold ids.

    Args:
        nodes: the graph's.
        name: the input's.
        values: shapes of all tensors, by name.
    """
    names = {name}
    for node in nodes:
        op = _op(node)
        if op == "embedding" and _first(node, 1) in names:
            size = values[str(_first(node))]["sizes"][0]
            return size.get("as_int", 0)
        if op == "one_hot" and _first(node) in names:
            count = node["inputs"][1]["arg"].get("as_int", 0) if len(node["inputs"]) > 1 else 0
            return max(0, count)
        if op in PASSED_ON and _first(node) in names:
            names |= set(_made(node))
    return None


def output_function(nodes: Nodes, name: str, values: Mapping[str, Any]) -> str | None:
    """Return the function of an output, such as ``"softmax"`` (along its last axis); None if it is not known."""
    makers = {made: node for node in nodes for made in _made(node)}
    moved = False
    for _ in nodes:
        node = makers.get(name)
        op = "" if node is None else _op(node)
        if node is None or not op:
            return None
        if op in FUNCTIONS:
            if "softmax" not in op:
                return FUNCTIONS[op]
            axis, rank = node["inputs"][1]["arg"].get("as_int"), len(values[name]["sizes"])
            return FUNCTIONS[op] if axis in (-1, rank - 1) and not moved else None
        if op not in SAME_AXES | MOVED_AXES:
            return None
        moved |= op in MOVED_AXES
        source = _first(node)
        if source is None:
            return None
        name = source
    return None
