"""How an ONNX graph uses its constant matrices: as dense layers with their biases, as embeddings. Read from its edges."""

from __future__ import annotations

from collections.abc import Iterable

from models.checkpoints.graphs.onnx_edges import Edges
from models.checkpoints.graphs.onnx_parts import is_operator, other_input
from models.checkpoints.parsing.contents import MatrixUse
from models.checkpoints.parsing.onnx_model import Node


def matrix_uses(graphs: Iterable[Edges]) -> dict[str, tuple[MatrixUse, ...]]:
    """Return the uses of each constant matrix of a model, by its name."""
    found: dict[str, tuple[MatrixUse, ...]] = {}
    for edges in graphs:
        for node in edges.graph.nodes:
            for name, use in _use(edges, node):
                if use not in found.get(name, ()):
                    found[name] = (*found.get(name, ()), use)
    return found


def _use(edges: Edges, node: Node) -> list[tuple[str, MatrixUse]]:
    if is_operator(node, "Gather") and not node.attributes.get("axis", 0):
        name, turned = _constant(edges, node.input(0))
        return [(name, MatrixUse("embedding"))] if name and not turned else []
    if is_operator(node, "Gemm", "MatMul"):
        name, turned = _constant(edges, node.input(1))
        stored = edges.constants.stored(node.input(1)) if name else None
        if stored is None or node.attributes.get("transA", 0):
            return []
        upright = bool(node.attributes.get("transB", 0))
        outputs = stored.shape[0 if upright else 1]
        return [(name, MatrixUse("dense", _bias(edges, node, outputs), upright == turned))]
    return []


def _bias(edges: Edges, node: Node, size: int) -> str | None:
    """Return the name of the vector that is added to a product, None if there is none."""
    if node.op == "Gemm":
        given = node.input(2)
    else:
        add = edges.only_user(node.output(0))
        given = other_input(add, node) if add is not None and is_operator(add, "Add") else ""
    stored = edges.constants.stored(given) if given else None
    sources = edges.constants.sources(given) if stored is not None else ()
    return sources[0] if stored is not None and stored.shape == (size,) and len(sources) == 1 else None


def _constant(edges: Edges, name: str) -> tuple[str, bool]:
    """Return the name of the constant matrix that a value is, "" if it is none, and whether it is transposed."""
    turned = False
    for _ in range(8):
        node = edges.makers.get(name)
        if node is None or is_operator(node, "Constant"):
            break
        if is_operator(node, "Transpose") and tuple(node.attributes.get("perm", (1, 0))) == (1, 0):
            turned = not turned
        elif not is_operator(node, "Identity"):
            return "", False
        name = node.input(0)
    stored = edges.constants.stored(name)
    return (name, turned) if stored is not None and stored.is_float and len(stored.shape) == 2 else ("", False)
