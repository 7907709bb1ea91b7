"""The sums that gates of a written-out recurrent cell go through: products of constant matrices with values, and biases."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from models.checkpoints.graphs.onnx_edges import Edges
from models.checkpoints.parsing.contents import StoredTensor
from models.checkpoints.parsing.onnx_model import Node

MAX_TERMS = 64
"""Nodes of one sum."""
MAX_VALUES = 256
"""Values visited for one sum; a value used twice counts twice."""

Selection = tuple[str, int, int]
"""``("block", k, n)``: block k of n of a value's last axis; ``("range", start, end)``: those places of it."""
Pick = tuple[Node, int]
"""A node that takes a part of a value, not along its last axis, and which of its outputs is meant."""


@dataclass(frozen=True)
class Operand:
    """The factor of a matrix: a value, or a part of it, such as one step of a sequence.

    Attributes:
        value: the value's name.
        picks: the nodes that take the part, the last one first. In the file they come after the product.
    """

    value: str
    picks: tuple[Pick, ...] = ()


@dataclass(frozen=True)
class Product:
    """The product of some rows of a constant matrix with a value.

    Attributes:
        operand: what is multiplied.
        matrix: the name of the constant.
        turned: whether the matrix is stored as (inputs, rows).
        rows: (first, last + 1) of the matrix's rows.
        part: 0 or 1 where the value is one of two that are concatenated before: the first columns are for 0, the last for 1.
        node: the output of the node that computes it.
    """

    operand: Operand
    matrix: str
    turned: bool
    rows: tuple[int, int]
    part: int | None
    node: str


@dataclass(frozen=True)
class Bias:
    """A constant that is added.

    Attributes:
        constant: its name.
        rows: (first, last + 1) of its elements; of a single element, any.
        beside: the ``node`` of the product whose node adds it, or "".
    """

    constant: str
    rows: tuple[int, int]
    beside: str = ""


@dataclass(frozen=True)
class Terms:
    """A sum.

    Attributes:
        products, biases: what is added.
        nodes: the nodes that compute it.
        rank: how many axes it must have for this to be true; None if any will do.
    """

    products: tuple[Product, ...] = ()
    biases: tuple[Bias, ...] = ()
    nodes: tuple[Node, ...] = ()
    rank: int | None = None

    @property
    def operands(self) -> tuple[Operand, ...]:
        """The factors of all products, each once."""
        return tuple(dict.fromkeys(each.operand for each in self.products))


def added(*parts: Terms | None, limit: bool = True) -> Terms | None:
    """Return the sum of sums; None if one is none, or they cannot have as many axes, or too many nodes."""
    total = Terms()
    for part in parts:
        if part is None or (None not in (part.rank, total.rank) and part.rank != total.rank):
            return None
        total = Terms(
            total.products + part.products,
            total.biases + part.biases,
            total.nodes + part.nodes,
            part.rank if total.rank is None else total.rank,
        )
    return None if limit and len(total.nodes) > MAX_TERMS else total


def terms_of(
    edges: Edges,
    name: str,
    selections: tuple[Selection, ...] = (),
    picks: tuple[Pick, ...] = (),
    left: list[int] | None = None,
) -> Terms | None:
    """Return the sum that a value is; None if it is none of constant matrices and biases.

    Args:
        edges: of the graph that computes the value.
        name: the value.
        selections: which places of its last axis are meant, the outermost first.
        picks: which part of it is meant, the last one first.
        left: the number of values that may still be visited, in one element that all calls for one sum share.
    """
    left = [MAX_VALUES] if left is None else left
    left[0] -= 1
    if left[0] < 0:
        return None
    node = edges.maker(name)
    found = None if node is None else _from_node(edges, node, name, selections, picks, left)
    if found is None or not found.products:
        return _bias(edges, name, selections)
    return found


def _bias(edges: Edges, name: str, selections: tuple[Selection, ...]) -> Terms | None:
    stored = edges.constants.stored(name)
    if stored is None or not stored.is_float:
        return None
    width = stored.shape[-1] if stored.shape else 1
    rows = _rows(width, selections)
    return Terms(biases=(Bias(name, rows),)) if rows and stored.size == width else None


def _from_node(
    edges: Edges, node: Node, name: str, selections: tuple[Selection, ...], picks: tuple[Pick, ...], left: list[int]
) -> Terms | None:
    if node.op in ("MatMul", "Gemm"):
        return _product(edges, node, selections, picks, left)
    if node.op == "Add":
        both = (terms_of(edges, each, selections, picks, left) for each in node.inputs)
        return _with(node, added(*both))
    if node.op == "Identity":
        return _with(node, terms_of(edges, node.input(0), selections, picks, left))
    if node.op in ("Split", "Slice"):
        axis = _axis(edges, node)
        if axis is not None and (axis == 0 or _is_squeezed(edges, picks, axis)):  # a part, not some rows
            return _picked(edges, node, name, selections, picks, left, 0)
        selection = _selection(edges, node, name)
        if axis is None or selection is None:
            return None
        inner = terms_of(edges, node.input(0), (*selections, selection), picks, left)
        return _with(node, inner if axis == -1 else added(inner, Terms(rank=axis + 1)))
    if node.op == "Squeeze":
        axes = node.attributes.get("axes") or edges.constant_integers(node.input(1))
        return _picked(edges, node, name, selections, picks, left, len(axes)) if axes else None
    if node.op == "Gather":
        index = edges.constants.get(node.input(1))
        return None if index is None else _picked(edges, node, name, selections, picks, left, 1 - index.dim())
    return None


def _with(node: Node, terms: Terms | None) -> Terms | None:
    return None if terms is None else replace(terms, nodes=(node, *terms.nodes))


def _picked(
    edges: Edges,
    node: Node,
    name: str,
    selections: tuple[Selection, ...],
    picks: tuple[Pick, ...],
    left: list[int],
    fewer: int,
) -> Terms | None:
    """Return the sum of which a node takes a part that has ``fewer`` axes."""
    inner = terms_of(edges, node.input(0), selections, (*picks, (node, node.outputs.index(name))), left)
    if inner is None:
        return None
    return _with(node, replace(inner, rank=None if inner.rank is None else inner.rank - fewer))


def picked_axes(edges: Edges, node: Node) -> list[int]:
    """The axes along which a node takes a part of its input."""
    if node.op == "Squeeze":
        return list(node.attributes.get("axes") or edges.constant_integers(node.input(1)) or [])
    if node.op == "Gather":
        return [node.attributes.get("axis", 0)]
    axis = _axis(edges, node)
    return [] if axis is None else [axis]


def _is_squeezed(edges: Edges, picks: tuple[Pick, ...], axis: int) -> bool:
    """Return whether the axis is removed next."""
    return bool(picks) and picks[-1][0].op == "Squeeze" and picked_axes(edges, picks[-1][0]) == [axis]


def _product(
    edges: Edges, node: Node, selections: tuple[Selection, ...], picks: tuple[Pick, ...], left: list[int]
) -> Terms | None:
    stored = edges.constants.stored(node.input(1))
    if stored is None or not stored.is_float or len(stored.shape) != 2:
        return None
    plain = {"alpha": 1.0, "beta": 1.0, "transA": 0}
    if any(node.attributes.get(name, value) != value for name, value in plain.items()):
        return None
    turned = not node.attributes.get("transB", 0)
    rows = _rows(stored.shape[1 if turned else 0], selections)
    if not rows:
        return None
    own = node.output(0)
    product = Product(Operand(node.input(0), picks), node.input(1), turned, rows, None, own)
    products: tuple[Product, ...] = (product,)
    nodes: tuple[Node, ...] = (node,)
    joined = edges.maker(node.input(0), "Concat")
    if joined is not None and len(joined.inputs) == 2:
        products = tuple(
            replace(product, operand=Operand(each, picks), part=part) for part, each in enumerate(joined.inputs)
        )
        nodes = (node, joined)
    found = Terms(products, nodes=nodes, rank=2 if node.op == "Gemm" else None)
    if node.op == "Gemm" and node.input(2):
        more = terms_of(edges, node.input(2), selections, picks, left)
        if more is None:
            return None
        biases = tuple(replace(each, beside=each.beside or own) for each in more.biases)
        return added(found, replace(more, biases=biases))
    return found


def _rows(width: int, selections: tuple[Selection, ...]) -> tuple[int, int] | None:
    """Return (first, last + 1) of what ``selections`` leave of ``width`` places; None for nothing, or no whole blocks."""
    start, end = 0, width
    if width == 1:  # a single number is added everywhere
        return 0, 1
    for kind, first, second in reversed(selections):
        size = end - start
        if kind == "block":
            if size % second:
                return None
            start, end = start + first * (size // second), start + (first + 1) * (size // second)
        else:
            low, high, _ = slice(first, second).indices(size)
            start, end = start + low, start + max(low, high)
    return (start, end) if end > start else None


def _axis(edges: Edges, node: Node) -> int | None:
    """Return the axis of a Split or Slice: -1, or counted from 0; None for another one or several."""
    if node.op == "Split":
        axes = [node.attributes.get("axis", 0)]
    else:
        axes = list(node.attributes.get("axes", ())) or edges.constant_integers(node.input(3)) or []
    return axes[0] if len(axes) == 1 and axes[0] >= -1 else None


def _selection(edges: Edges, node: Node, name: str) -> Selection | None:
    """Return the places of the last axis that a Split or Slice takes."""
    if node.op == "Split":
        place = node.outputs.index(name)
        sizes = list(node.attributes.get("split", ())) or edges.constant_integers(node.input(1))
        if not sizes:
            counted = "block", place, node.attributes.get("num_outputs", len(node.outputs))
            return None if node.input(1) else counted
        return "range", sum(sizes[:place]), sum(sizes[: place + 1])
    if "starts" in node.attributes:
        starts, ends = (list(node.attributes.get(each, ())) for each in ("starts", "ends"))
    else:
        starts, ends = (edges.constant_integers(node.input(place)) or [] for place in (1, 2))
        if node.input(4) and edges.constant_integers(node.input(4)) != [1]:
            return None
    return ("range", starts[0], ends[0]) if len(starts) == len(ends) == 1 else None


def matrix_of(stored: StoredTensor, product: Product, columns: tuple[int, int]) -> StoredTensor:
    """Return the part of a constant that a product multiplies with, (rows, columns), not decoded yet."""
    first, last = product.rows

    def read() -> np.ndarray:
        values = stored.read().T if product.turned else stored.read()
        return values[first:last, columns[0] : columns[1]]

    return StoredTensor((last - first, columns[1] - columns[0]), stored.dtype, read)


def width_of(stored: StoredTensor, product: Product) -> int:
    """Return the number of columns of a product's matrix."""
    return stored.shape[0 if product.turned else 1]
