"""Which function an ONNX graph's outputs end in."""

from __future__ import annotations

from models.checkpoints.graphs.onnx_edges import Edges

FUNCTIONS = {"Sigmoid": "sigmoid", "Gemm": "linear", "MatMul": "linear"}
SAME_AXIS = ("Identity", "Cast")
"""Operators that keep all axes."""
MOVED_AXES = ("Transpose", "Squeeze", "Unsqueeze", "Reshape", "Flatten")
"""Operators that keep the values, but not the axes."""


def onnx_output_function(edges: Edges, name: str, opset: int) -> str | None:
    """Return the function of an output, such as ``"softmax"`` (along its last axis); None if it is not known.

    Args:
        edges: the graph's edges.
        name: the output's name.
        opset: the version of the operators; before 13 a Softmax was along axis 1.
    """
    moved = False
    for _ in edges.graph.nodes:
        node = edges.makers.get(name)
        if node is None or node.domain:
            return None
        if node.op in ("Softmax", "LogSoftmax"):
            last = node.attributes.get("axis", -1 if opset >= 13 else 1) == -1 and not moved
            return {"Softmax": "softmax", "LogSoftmax": "log_softmax"}[node.op] if last else None
        if node.op in FUNCTIONS:
            return FUNCTIONS[node.op]
        if node.op == "Add":  # a bias
            makers = [edges.makers.get(each) for each in node.inputs if edges.constants.get(each) is None]
            return (
                "linear" if len(makers) == 1 and makers[0] is not None and makers[0].op in ("Gemm", "MatMul") else None
            )
        if node.op not in SAME_AXIS + MOVED_AXES:
            return None
        moved |= node.op in MOVED_AXES
        name = node.input(0)
    return None
