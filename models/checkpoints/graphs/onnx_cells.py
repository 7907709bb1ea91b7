"""Recurrent cells that an ONNX graph writes out as products, sums and activations.

A cell is found by the graph's edges alone, never by names: from the output backwards to the constant matrices.

    LSTM   c = f * c_prev + i * g,   h = o * tanh(c),   each gate an activation of W x + R h_prev + b
    GRU    h = (1 - z) * n + z * h_prev   or   h = n + z * (h_prev - n),   n = tanh(W x + b + r * (R h_prev + b))
    RNN    h = tanh(W x + R h_prev + b), where h is fed back: in a loop, or to another cell with the same weights

Which of the two values that are multiplied is the hidden state is proved by a loop's own state, by another cell whose output
it is, by the sizes of the matrices, or by a state that comes from the same value as the cell state. Else there is no cell.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from models.checkpoints.graphs.onnx_cell_states import PASSED, CellMatch, prove_states, root_of
from models.checkpoints.graphs.onnx_edges import Edges
from models.checkpoints.graphs.onnx_terms import Operand, Terms, added, terms_of
from models.checkpoints.layers.activation_names import activations_from_onnx
from models.checkpoints.parsing.onnx_model import Node
from models.core.activations import ACTIVATIONS

MAX_NODES_BEFORE = 64
"""Nodes before a cell among which a simplified step is looked for."""
ACTIVATED = frozenset(("Sigmoid", "Tanh", "Relu", "Softsign", "HardSigmoid", "Elu"))


def find_cells(graphs: Iterable[Edges]) -> list[list[CellMatch]]:
    """Return the cells that are written out, in the file's order: for each the places where it is computed.

    Places whose hidden state is not proved are left out.
    """
    groups: dict[tuple, list[CellMatch]] = {}
    for edges in graphs:
        for node in edges.graph.nodes:
            match = (
                next((each for each in _matches(edges, node) if each is not None), None) if node.domain == "" else None
            )
            if match is not None:
                groups.setdefault(match.key(), []).append(match)
    return [places for places in map(prove_states, groups.values()) if places]


def _matches(edges: Edges, node: Node) -> Iterator[CellMatch | None]:
    if node.op == "Mul":
        yield _lstm(edges, node)
    elif node.op == "Add":
        yield _gru(edges, node)
    elif node.op in ("Tanh", "Relu"):
        yield _rnn(edges, node)


def node_activation(node: Node | None) -> str | None:
    """The activation that a node is, by its name in ``models.core.activations``; None if it is none."""
    if node is None or node.op not in ACTIVATED:
        return None
    alpha, beta = ([node.attributes[name]] if name in node.attributes else [] for name in ("alpha", "beta"))
    name = next(activations_from_onnx([node.op], alpha, beta))
    return name if name in ACTIVATIONS else None


def _gate(edges: Edges, name: str) -> tuple[str, Terms, Node] | None:
    """Return activation, sum and node of a gate; None if the value is none."""
    node = edges.maker(name)
    activation = node_activation(node)
    if node is None or activation is None:
        return None
    terms = terms_of(edges, node.input(0))
    return None if terms is None or not terms.products else (activation, terms, node)


def _swapped(node: Node | None) -> list[tuple[str, str]]:
    """The two inputs of a node in both orders."""
    return (
        []
        if node is None or len(node.inputs) != 2
        else [(node.inputs[0], node.inputs[1]), (node.inputs[1], node.inputs[0])]
    )


def _lstm(edges: Edges, last: Node) -> CellMatch | None:
    for open_name, shaped_name in _swapped(last):
        shaped = edges.maker(shaped_name)
        through, out = node_activation(shaped), _gate(edges, open_name)
        total = edges.maker(shaped.input(0), "Add") if shaped is not None and through else None
        if out is None or shaped is None:
            continue
        for kept_name, written_name in _swapped(total):
            kept, written = edges.maker(kept_name, "Mul"), edges.maker(written_name, "Mul")
            for forget_name, cell_prev in _swapped(kept):
                for input_name, candidate_name in _swapped(written):
                    forget, into, candidate = (_gate(edges, name) for name in (forget_name, input_name, candidate_name))
                    if (
                        forget is None
                        or into is None
                        or candidate is None
                        or kept is None
                        or written is None
                        or total is None
                    ):
                        continue
                    if not forget[0] == into[0] == out[0] or candidate[0] != through:
                        continue
                    gates = {"input_gate": into, "forget_gate": forget, "candidate": candidate, "output_gate": out}
                    own = (last, shaped, total, kept, written)
                    options = {"activation": through, "recurrent_activation": out[0]}
                    match = _checked("LSTM", edges, gates, options, last.output(0), own)
                    if match is not None:
                        match.cell, match.cell_prev = total.output(0), cell_prev
                        return match
    return None


def _checked(
    kind: str,
    edges: Edges,
    gates: dict[str, tuple[str, Terms, Node]],
    options: dict,
    output: str,
    own: tuple[Node, ...],
) -> CellMatch | None:
    """Return the match if its gates are sums of the same two values, for the same number of units."""
    nodes = [
        *own,
        *(node for _, _, node in gates.values()),
        *(each for _, terms, _ in gates.values() for each in terms.nodes),
    ]
    match = CellMatch(
        kind,
        edges,
        {name: terms for name, (_, terms, _) in gates.items()},
        options,
        output,
        tuple(dict.fromkeys(nodes)),
    )
    sizes = {each.rows[1] - each.rows[0] for each in match.products}
    biases = {each.rows[1] - each.rows[0] for terms in match.gates.values() for each in terms.biases}
    total = added(*match.gates.values(), limit=False)
    if len(sizes) != 1 or not biases <= sizes | {1} or len(match.operands) != 2 or total is None:
        return None
    match.rank = total.rank
    alike = all(len(terms.products) == 2 and len(terms.operands) == 2 for terms in match.gates.values())
    return match if alike else None


def _gru(edges: Edges, last: Node) -> CellMatch | None:
    for first, second in _swapped(last):
        for update_name, candidate_name, hidden, own in _interpolations(edges, first, second):
            update, through = _gate(edges, update_name), node_activation(edges.maker(candidate_name))
            if update is None or through is None:
                continue
            match = _gru_candidate(edges, update, candidate_name, through, hidden, (last, *own))
            if match is not None:
                return match
    return None


def _interpolations(edges: Edges, first: str, second: str) -> Iterator[tuple[str, str, str, tuple[Node, ...]]]:
    """Generate (z, n, h_prev, nodes) of every way in which ``first + second`` is between n and h_prev."""
    kept, other = edges.maker(first, "Mul"), edges.maker(second, "Mul")
    for update, hidden in _swapped(kept):
        for rest, candidate in _swapped(other):  # z * h_prev + (1 - z) * n
            left = edges.maker(rest, "Sub")
            if left is not None and left.input(1) == update and _is_one(edges, left.input(0)):
                assert kept is not None and other is not None
                yield update, candidate, hidden, (kept, other, left)
        difference = edges.maker(hidden, "Sub")  # n + z * (h_prev - n)
        if difference is not None and difference.input(1) == second:
            assert kept is not None
            yield update, second, difference.input(0), (kept, difference)


def _is_one(edges: Edges, name: str) -> bool:
    values = edges.constants.get(name)
    return values is not None and values.numel() > 0 and bool((values == 1).all())


def _gru_candidate(
    edges: Edges, update: tuple[str, Terms, Node], name: str, through: str, hidden: str, own: tuple[Node, ...]
) -> CellMatch | None:
    node = edges.maker(name)
    assert node is not None
    total = edges.maker(node.input(0), "Add")
    for read_name, gated_name in _swapped(total):  # reset after the product
        gated, read = edges.maker(gated_name, "Mul"), terms_of(edges, read_name)
        for reset_name, product_name in _swapped(gated):
            reset, product = _gate(edges, reset_name), terms_of(edges, product_name)
            if reset is None or product is None or read is None or product.operands != (Operand(hidden),):
                continue
            assert total is not None and gated is not None
            inside = product.products[0].node  # of what is reset, the biases too
            product = replace(product, biases=tuple(replace(each, beside=inside) for each in product.biases))
            both = added(read, product)
            if both is None:
                continue
            gates = {"reset_gate": reset, "update_gate": update, "candidate": (through, both, node)}
            match = _finished_gru(edges, gates, hidden, True, name, (*own, total, gated))
            if match is not None:
                return match
    terms = terms_of(edges, node.input(0))
    for value in (each.value for each in terms.operands if not each.picks) if terms is not None else ():
        gated = edges.maker(value, "Mul")
        for reset_name, other in _swapped(gated):
            reset = _gate(edges, reset_name)
            if reset is None or other != hidden or terms is None or gated is None:
                continue
            gates = {"reset_gate": reset, "update_gate": update, "candidate": (through, terms, node)}
            match = _finished_gru(edges, gates, hidden, False, value, (*own, gated))
            if match is not None:
                return match
    return None


def _finished_gru(
    edges: Edges,
    gates: dict[str, tuple[str, Terms, Node]],
    hidden: str,
    reset_after: bool,
    value: str,
    own: tuple[Node, ...],
) -> CellMatch | None:
    """Return the match of a GRU; with ``reset_after`` false its candidate multiplies ``value``, r * h_prev, not h_prev."""
    if gates["reset_gate"][0] != gates["update_gate"][0]:
        return None
    options = {
        "activation": gates["candidate"][0], "recurrent_activation": gates["update_gate"][0], "reset_after": reset_after,
    }  # fmt: skip
    through, terms, node = gates["candidate"]
    same = terms if reset_after else _renamed(terms, value, hidden)
    match = _checked("GRU", edges, gates | {"candidate": (through, same, node)}, options, own[0].output(0), own)
    if match is None or Operand(hidden) not in match.operands:
        return None
    match.hidden_prev = hidden
    return match


def _renamed(terms: Terms, old: str, new: str) -> Terms:
    products = tuple(
        replace(each, operand=Operand(new)) if each.operand == Operand(old) else each for each in terms.products
    )
    return replace(terms, products=products)


def _rnn(edges: Edges, last: Node) -> CellMatch | None:
    gate = _gate(edges, last.output(0))
    if gate is None or len(gate[1].operands) != 2:
        return None
    return _checked("RNN", edges, {"preactivation": gate}, {"nonlinearity": gate[0]}, last.output(0), (last,))


def is_complete(places: Sequence[CellMatch]) -> bool:
    """Return whether the places of a cell are all its steps.

    They are not where an exporter has simplified the first step: its states of zeros times a matrix are gone, so that it does
    not look like the cell, but the cell's input matrix is still used.
    """
    outputs = {(id(each.edges.graph), each.output) for each in places}
    firsts = [each for each in places if root_of(each.edges, each.hidden_prev) not in outputs]
    return not any(map(_follows_a_step, firsts))


def _follows_a_step(place: CellMatch) -> bool:
    """Return whether the hidden state before a place is computed with the place's own input matrix."""
    edges = place.edges
    own = {(each.matrix, each.rows) for each in place.products if each.operand == place.input}
    pending, seen = [place.hidden_prev], 0
    while pending and seen < MAX_NODES_BEFORE:
        name = pending.pop()
        seen += 1
        terms = terms_of(edges, name)
        if terms is not None and terms.products:
            if any((each.matrix, each.rows) in own for each in terms.products):
                return True
            continue
        node = edges.maker(name, "Mul", "Add", "Sub", *ACTIVATED, *PASSED)
        if node is not None:
            pending += node.inputs if node.op in ("Mul", "Add", "Sub") else node.inputs[:1]
    return False
