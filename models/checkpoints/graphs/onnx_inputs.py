"""What an ONNX graph takes as input: ids for an embedding, or values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from models.checkpoints.graphs.graph_module import GraphInput
from models.checkpoints.graphs.onnx_edges import Edges
from models.checkpoints.parsing.onnx_model import Node, ValueInfo

PASSED_ON = frozenset((
    "Cast", "Identity", "Reshape", "Squeeze", "Unsqueeze", "Transpose", "Flatten", "Expand", "Slice", "Gather", "Split",
    "Clip", "Concat",
))  # fmt: skip
"""Operators whose output holds the ids of their first input."""


def describe_inputs(graphs: Sequence[Edges], inputs: Iterable[ValueInfo]) -> tuple[GraphInput, ...]:
    """Describe each input of a model: ids where a Gather looks them up in a constant matrix, or a OneHot spreads them out."""
    found = []
    for each in inputs:
        rows = _vocabulary(graphs, each.name)
        shape = each.shape or ()
        found.append(GraphInput(each.name, "values" if rows is None else "ids", shape, rows or None))
    return tuple(found)


def _vocabulary(graphs: Sequence[Edges], name: str) -> int | None:
    """Return how many ids an input can be; 0 where that is not known, None where it does not hold ids."""
    names = {name}
    for edges in graphs:
        for node in edges.graph.nodes:
            rows = _rows(edges, node, names)
            if rows is not None:
                return rows
            if node.domain == "" and node.op in PASSED_ON and node.input(0) in names:
                names |= set(filter(None, node.outputs))
    return None


def _rows(edges: Edges, node: Node, names: set[str]) -> int | None:
    """Return how many rows a node looks ids of ``names`` up in, None if it does not."""
    if node.domain or len(node.inputs) < 2:
        return None
    if node.op == "Gather" and node.inputs[1] in names and not node.attributes.get("axis", 0):
        table = edges.constants.stored(node.inputs[0])
        return table.shape[0] if table is not None and table.is_float and len(table.shape) == 2 else None
    if node.op == "OneHot" and node.inputs[0] in names:
        depth = edges.constant_integers(node.inputs[1])
        return depth[0] if depth else 0
    return None
