"""The edges of an ONNX graph: which node makes a value, which nodes use it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from heapq import heapify, heappop, heappush

from models.checkpoints.graphs.graph_module import MAX_DEPTH, MAX_NODES
from models.checkpoints.graphs.onnx_constants import Budget, Constants
from models.checkpoints.layers.onnx_nodes import kind_of
from models.checkpoints.parsing.errors import CheckpointError
from models.checkpoints.parsing.onnx_model import Graph, Node, OnnxModel
from models.checkpoints.parsing.work_budget import spend


def names_read(node: Node) -> frozenset[str]:
    """The names of all values that a node uses, those that its inner graphs take from around them included."""
    spend(1 + len(node.inputs))
    names = {name for name in node.inputs if name}
    for graph in node.graphs():
        names |= free_names(graph)
    return frozenset(names)


def free_names(graph: Graph) -> frozenset[str]:
    """The names of the values that a graph uses without defining them."""
    spend(1 + len(graph.nodes) + len(graph.inputs) + len(graph.outputs) + len(graph.constants))
    own = {each.name for each in graph.inputs} | set(graph.constants)
    used = {each.name for each in graph.outputs}
    for node in graph.nodes:
        own |= set(node.outputs)
        used |= names_read(node)
    return frozenset(used - own)


@dataclass(frozen=True, eq=False)
class Edges:
    """A graph with its edges.

    Attributes:
        graph: the graph, without the nodes that its outputs do not depend on.
        source: the graph as the file has it.
        constants: what its nodes can use as constants.
        outer: the edges of the graph around it, or None.
        owner: the node whose attribute it is, or None.
    """

    graph: Graph
    source: Graph
    constants: Constants
    outer: Edges | None = None
    owner: Node | None = None

    @cached_property
    def makers(self) -> dict[str, Node]:
        """The node that makes each value."""
        return {name: node for node in self.graph.nodes for name in node.outputs if name}

    @cached_property
    def users(self) -> dict[str, list[Node]]:
        """The nodes that use each value, one entry for each use."""
        found: dict[str, list[Node]] = {}
        for node in self.graph.nodes:
            inner = names_read(node) - set(node.inputs)
            for name in (*node.inputs, *inner):
                if name:
                    found.setdefault(name, []).append(node)
        return found

    @cached_property
    def returned(self) -> frozenset[str]:
        """The names of the graph's outputs."""
        return frozenset(each.name for each in self.graph.outputs)

    def only_user(self, name: str) -> Node | None:
        """The node that uses a value, if that is its only use and it is not an output of the graph."""
        users = self.users.get(name, [])
        return users[0] if len(users) == 1 and name not in self.returned else None

    def maker(self, name: str, *ops: str) -> Node | None:
        """The node that makes a value, if its operator is one of ``ops`` (any where none is given)."""
        node = self.makers.get(name)
        return node if node is not None and node.domain == "" and (not ops or node.op in ops) else None

    def constant_integers(self, name: str) -> list[int] | None:
        """The values of a constant that holds sizes, axes or positions; None if it is none."""
        values = self.constants.get(name) if name else None
        return (
            None
            if values is None or values.is_floating_point()
            else [int(each) for each in values.reshape(-1).tolist()]
        )


def all_edges(model: OnnxModel, most: int = MAX_NODES) -> list[Edges]:
    """The edges of a model's graph and of all graphs inside it, each after the one around it.

    Args:
        model: the model.
        most: nodes that it may have.

    Raises:
        CheckpointError: there are too many nodes, or graphs are nested too deeply.
    """
    return list(_walk(model, model.graph, None, None, 0, Budget(), [most]))


def _walk(
    model: OnnxModel, graph: Graph, outer: Edges | None, owner: Node | None, depth: int, budget: Budget, left: list[int]
) -> Iterator[Edges]:
    left[0] -= len(graph.nodes)
    if left[0] < 0 or depth > MAX_DEPTH:
        raise CheckpointError(
            "This ONNX file contains too many nodes. Export only the recurrent part, or raise the limit."
        )
    constants = Constants(graph, model.opsets, outer.constants if outer else None, budget)
    nodes = tuple(_without_zero_states(node, constants) for node in graph.nodes)
    own = replace(graph, nodes=used_nodes(nodes, graph))
    edges = Edges(own, graph, Constants(own, model.opsets, constants.outer, budget), outer, owner)
    yield edges
    for node in own.nodes:
        for inner in node.graphs():
            yield from _walk(model, inner, edges, node, depth + 1, budget, left)


def used_nodes(nodes: Sequence[Node], graph: Graph) -> tuple[Node, ...]:
    """Return those of a graph's nodes that its outputs depend on, in the same order."""
    used = {each.name for each in graph.outputs}
    found = []
    for node in reversed(nodes):
        if used & set(node.outputs):
            found.append(node)
            used |= names_read(node)
    return tuple(reversed(found))


def _without_zero_states(node: Node, constants: Constants) -> Node:
    """Return a recurrent node without initial states that are zeros, which it has anyway."""
    if kind_of(node) is None or not any(node.inputs[5:7]):
        return node
    states = ["" if name and constants.is_zero(name) else name for name in node.inputs[5:7]]
    return replace(node, inputs=(*node.inputs[:5], *states, *node.inputs[7:]))


def ordered(items: Sequence[tuple[frozenset[str], frozenset[str]]]) -> list[int] | None:
    """Return an order of items, given by the names that they use and make, in which they can run; None if there is none.

    It is the order given where that can run.
    """
    maker = {name: index for index, (_, made) in enumerate(items) for name in made}
    waiting = [{maker[name] for name in used if name in maker} - {index} for index, (used, _) in enumerate(items)]
    after: dict[int, list[int]] = {}
    for index, needed in enumerate(waiting):
        for each in needed:
            after.setdefault(each, []).append(index)
    left = [len(needed) for needed in waiting]
    ready = [index for index, count in enumerate(left) if not count]
    heapify(ready)
    found = []
    while ready:
        index = heappop(ready)
        found.append(index)
        for each in after.get(index, ()):
            left[each] -= 1
            if not left[each]:
                heappush(ready, each)
    return found if len(found) == len(items) else None


def can_run_together(graph: Graph, groups: Sequence[Sequence[Node]]) -> bool:
    """Return whether the nodes of each group can run as one step, without waiting for a node that waits for them."""
    group_of = {id(node): index for index, group in enumerate(groups) for node in group}
    items: dict[int, tuple[set[str], set[str]]] = {}
    for index, node in enumerate(graph.nodes):
        used, made = items.setdefault(group_of.get(id(node), len(groups) + index), (set(), set()))
        used |= names_read(node)
        made |= {name for name in node.outputs if name}
    return ordered([(frozenset(used - made), frozenset(made)) for used, made in items.values()]) is not None
