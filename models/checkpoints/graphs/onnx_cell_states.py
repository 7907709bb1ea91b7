"""Which value of a written-out recurrent cell is its hidden state: proved by the graph's edges."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from models.checkpoints.graphs.graph_module import MAX_NODES
from models.checkpoints.graphs.onnx_edges import Edges
from models.checkpoints.graphs.onnx_terms import Operand, Product, Terms, width_of
from models.checkpoints.parsing.onnx_model import Node

PASSED = frozenset(
    ("Identity", "Squeeze", "Unsqueeze", "Reshape", "Gather", "Slice", "Split", "Transpose", "Cast", "Expand")
)
"""Operators whose output is a part of their first input."""
Origin = tuple[int, str]
"""A graph, by its ``id``, and the name of one of its values."""


@dataclass(eq=False)
class CellMatch:
    """One place of a graph where a cell is computed.

    Attributes:
        kind: ``"RNN"``, ``"LSTM"`` or ``"GRU"``.
        edges: of the graph.
        gates: the sum of each gate, in PyTorch's order.
        options: of the cell's equations.
        output: the name of its hidden state, ``cell`` that of an LSTM's new cell state ("" for others).
        cell_prev: the name of an LSTM's cell state before, "" for others.
        nodes: the nodes that compute it.
        hidden_prev: the name of the hidden state before, where it is proved already; else "".
        rank: how many axes the values must have; None if any will do.
    """

    kind: str
    edges: Edges
    gates: dict[str, Terms]
    options: dict[str, object]
    output: str
    nodes: tuple[Node, ...]
    cell: str = ""
    cell_prev: str = ""
    hidden_prev: str = ""
    rank: int | None = None

    @property
    def products(self) -> tuple[Product, ...]:
        """The products of all gates."""
        return tuple(each for terms in self.gates.values() for each in terms.products)

    @property
    def operands(self) -> tuple[Operand, ...]:
        """The values that its matrices are multiplied with, each once."""
        return tuple(dict.fromkeys(each.operand for each in self.products))

    @property
    def input(self) -> Operand:
        """The input x."""
        return next(each for each in self.operands if each.picks or each.value != self.hidden_prev)

    def key(self) -> tuple:
        """Return what places that compute the same layer have in common: its constants."""
        constants = self.edges.constants
        found: list[tuple] = [(self.kind, tuple(sorted(self.options.items())))]
        for name, terms in self.gates.items():
            matrices = sorted(
                (id(constants.owner(each.matrix)), each.matrix, each.rows, each.turned, each.part or 0)
                for each in terms.products
            )
            found.append((name, *matrices))
        return tuple(found)


def prove_states(places: Sequence[CellMatch]) -> list[CellMatch]:
    """Return the places of one cell whose hidden state is proved, with ``hidden_prev`` set.

    A value is the hidden state if a loop feeds the cell's output back to it, if it is the output of another place, if only
    its matrices have as many columns as the cell has units, or if it comes from the same value as the cell state and the
    other one does not. An RNN, which could be another network's dense layers, needs one of the first two.
    """
    outputs = {(id(each.edges.graph), each.output) for each in places}
    for place in places:
        if not place.hidden_prev:
            place.hidden_prev = _only(place, partial(_is_recurrent, place, outputs))
        if not place.hidden_prev and place.kind != "RNN":
            place.hidden_prev = _only(place, partial(_has_width, place)) or _from_state(place)
    known = next((each for each in places if each.hidden_prev), None)
    if known is None:
        return []
    recurrent = _matrices(known, known.hidden_prev)
    for place in places:
        if not place.hidden_prev:  # the first step of several: the same matrix multiplies the state that it begins with
            place.hidden_prev = _only(place, partial(_is_multiplied_by, place, recurrent))
    return [each for each in places if each.hidden_prev and _fits(each, recurrent)]


def _is_recurrent(place: CellMatch, outputs: set[Origin], name: str) -> bool:
    return _is_fed_back(place, name) or root_of(place.edges, name) in outputs


def _is_multiplied_by(place: CellMatch, matrices: list[tuple], name: str) -> bool:
    return _matrices(place, name) == matrices


def _only(place: CellMatch, holds: Callable[[str], bool]) -> str:
    """Return the one value of a place for which ``holds`` is true, "" if there is not exactly one."""
    found = [each.value for each in place.operands if not each.picks and holds(each.value)]
    return found[0] if len(found) == 1 else ""


def _products(place: CellMatch, name: str) -> list[Product]:
    return [each for each in place.products if each.operand == Operand(name)]


def _matrices(place: CellMatch, name: str) -> list[tuple]:
    return [(each.matrix, each.rows, each.part) for each in _products(place, name)]


def _units(place: CellMatch) -> int:
    first, last = place.products[0].rows
    return last - first


def _width(place: CellMatch, name: str) -> int | None:
    """Return how many columns the matrices of a value have; None for one of two that are concatenated."""
    widths = set()
    for each in _products(place, name):
        stored = place.edges.constants.stored(each.matrix)
        widths.add(None if stored is None or each.part is not None else width_of(stored, each))
    return widths.pop() if len(widths) == 1 else None


def _has_width(place: CellMatch, name: str) -> bool:
    return _width(place, name) == _units(place)


def _fits(place: CellMatch, recurrent: list[tuple]) -> bool:
    """Return whether a place's hidden state has the cell's size and is multiplied by the cell's recurrent matrix."""
    name = place.hidden_prev
    return _width(place, name) in (None, _units(place)) and _matrices(place, name) == recurrent


def _from_state(place: CellMatch) -> str:
    """Return the value that comes from the same value as the cell state, "" if not exactly one does."""
    if not place.cell_prev:
        return ""
    state = root_of(place.edges, place.cell_prev)
    return _only(place, lambda name: root_of(place.edges, name) == state)


def root_of(edges: Edges, name: str) -> Origin:
    """Return the value that ``name`` is a part of, as far back as nodes only select or rearrange."""
    at: Edges = edges
    for _ in range(MAX_NODES):
        node = at.makers.get(name)
        if node is not None and node.domain == "" and node.op in PASSED:
            name = node.input(0)
        elif node is None and at.outer is not None and name not in {each.name for each in at.graph.inputs}:
            at = at.outer
        else:
            break
    return id(at.graph), name


def _is_fed_back(place: CellMatch, name: str) -> bool:
    """Return whether a loop's body takes ``name`` as a state and returns the cell's output as the next one."""
    edges, owner = place.edges, place.edges.owner
    if owner is None or owner.domain or owner.op not in ("Loop", "Scan"):
        return False
    before, after, count = _states(owner)
    graph, value = root_of(edges, name)
    places = [index for index, each in enumerate(edges.graph.inputs[before : before + count]) if each.name == value]
    returned = [each.name for each in edges.graph.outputs[after : after + count]]
    return graph == id(edges.graph) and any(
        index < len(returned) and root_of(edges, returned[index]) == (graph, place.output) for index in places
    )


def _states(owner: Node) -> tuple[int, int, int]:
    """Return where a loop's states are among its body's inputs and outputs, and how many there are."""
    if owner.op == "Loop":
        return 2, 1, len(owner.inputs) - 2
    return 0, 0, len(owner.inputs) - int(owner.attributes.get("num_scan_inputs", 0))
