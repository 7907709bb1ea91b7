"""The recurrent nodes of an ONNX model, those that are levels of one stacked layer together, with their names.

Two nodes are levels of one layer if the graph's edges prove it: all that the second one takes as input is the first one's
output, laid out for it, and nothing else uses that output.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from models.checkpoints.graphs.graph_module import part_path
from models.checkpoints.graphs.onnx_edges import Edges, can_run_together
from models.checkpoints.graphs.onnx_recurrent import can_be_stacked
from models.checkpoints.layers.onnx_nodes import WEIGHT_INPUTS, NodeLayer, kind_of, read_node_layers
from models.checkpoints.parsing.onnx_model import Node

UNNAMED = re.compile(r"(node|n)?_*(\d+)?|node_\w*(rnn|lstm|gru)(_+\d+)*", re.IGNORECASE)
"""Names that exporters give to nodes without a module: they do not distinguish layers."""


@dataclass(frozen=True, eq=False)
class RecurrentGroup:
    """One recurrent layer of a graph: a node, or several stacked ones.

    Attributes:
        path: the layer's name, without a level: ``"encoder.rnn"``; "" for a model that is the layer itself.
        edges: of the graph that its nodes are in.
        nodes: its recurrent nodes, from the lowest to the highest.
        between: the nodes that rearrange the output of one for the next.
        levels: the layers of each node.
    """

    path: str
    edges: Edges
    nodes: tuple[Node, ...]
    between: tuple[Node, ...]
    levels: tuple[list[NodeLayer], ...]

    def names(self) -> list[tuple[str, NodeLayer]]:
        """The name of each layer: ``"rnn.l1_reverse"`` for the second level's backward direction."""
        before = f"{self.path}." if self.path else ""
        return [
            (f"{before}l{number}" + ("_reverse" if each.reverse else ""), each)
            for number, level in enumerate(self.levels)
            for each in level
        ]


def find_recurrent_groups(graphs: Sequence[Edges], taken: set[str]) -> list[RecurrentGroup]:
    """Return the recurrent layers of a model in the file's order, with names that are not among those ``taken``.

    Raises:
        CheckpointError: the weights of a node are not constants, or it has an option that cannot be run.
    """
    found: list[RecurrentGroup] = []
    for edges in graphs:
        for chain, between in _chains(edges):
            nodes, levels = tuple(node for node, _ in chain), tuple(layers for _, layers in chain)
            group = RecurrentGroup("", edges, nodes, between, levels)
            same = next((each for each in found if _is_same(each, group)), None)
            path = same.path if same else unique_path(_path_of(nodes[0]), taken)
            found.append(replace(group, path=path))
    return found


def _is_same(one: RecurrentGroup, other: RecurrentGroup) -> bool:
    """Return whether two groups have the same weights: one layer run at two places, such as the branches of an If."""
    if len(one.nodes) != len(other.nodes):
        return False
    for (mine, node), (theirs, twin) in zip(_by_level(one), _by_level(other), strict=True):
        kinds = [(each.layer.kind, each.layer.options, each.reverse) for each in (*mine, *theirs)]
        if kinds[: len(mine)] != kinds[len(mine) :]:
            return False
        for place in WEIGHT_INPUTS:
            names, constants = (node.input(place), twin.input(place)), (one.edges.constants, other.edges.constants)
            if names[0] == names[1] and constants[0].owner(names[0]) is constants[1].owner(names[1]):
                continue
            if constants[0].sources(names[0]) != constants[1].sources(names[1]):
                return False
            values = [each.get(name) for each, name in zip(constants, names, strict=True)]
            if values[0] is None or values[1] is None or not torch.equal(values[0], values[1]):
                return False
    return True


def _by_level(group: RecurrentGroup) -> list[tuple[list[NodeLayer], Node]]:
    return list(zip(group.levels, group.nodes, strict=True))


def unique_path(path: str, taken: set[str]) -> str:
    """Return ``path`` as a module's path, with a number if another layer is called so, and add it to those ``taken``."""
    own = free = part_path(path, set()) if path else ""
    number = 0
    while free in taken:
        number += 1
        free = f"{own or 'rnn'}_{number}"
    taken.add(free)
    return free


def _path_of(node: Node) -> str:
    """Return the name of the module that a node comes from, as torch's exporter writes it: ``/rnn/LSTM_1`` is in ``rnn``."""
    kind = str(kind_of(node))
    match = re.fullmatch(rf"/?(.*?)/?({node.op}|{kind})(_\d+)?(_quant)?", node.name)
    path = (match[1] if match else node.name.strip("/") or kind.lower()).replace("/", ".")
    return kind.lower() if path and UNNAMED.fullmatch(path) else path.removesuffix("_")


def _chains(edges: Edges) -> list[tuple[list[tuple[Node, list[NodeLayer]]], tuple[Node, ...]]]:
    """Return the recurrent nodes of a graph, stacked ones together, each time with the nodes between them."""
    nodes = [node for node in edges.graph.nodes if kind_of(node)]
    layers = {id(node): read_node_layers(node, edges.constants) for node in nodes}
    chains: list[tuple[list[tuple[Node, list[NodeLayer]]], tuple[Node, ...]]] = []
    place: dict[int, int] = {}
    for node in nodes:
        below, between = _below(edges, node)
        own = (node, layers[id(node)])
        index = None if below is None else place.get(id(below))
        if (
            below is not None
            and index is not None
            and chains[index][0][-1][0] is below
            and (below.op, below.domain, below.input(4)) == (node.op, node.domain, node.input(4))
            and below.attributes.get("layout", 0) == node.attributes.get("layout", 0)
            and can_be_stacked(layers[id(below)], own[1])
        ):
            chain, old = chains[index]
            chains[index] = ([*chain, own], (*old, *between))
            place[id(node)] = index
        else:
            place[id(node)] = len(chains)
            chains.append(([own], ()))
    groups = [[*(node for node, _ in chain), *between] for chain, between in chains if len(chain) > 1]
    if groups and not can_run_together(edges.graph, groups):
        return [([(node, layers[id(node)])], ()) for node in nodes]
    return chains


def _below(edges: Edges, node: Node) -> tuple[Node | None, tuple[Node, ...]]:
    """Return the recurrent node whose output, laid out, is all that ``node`` takes as input; and the nodes between."""
    between: list[Node] = []
    name, user = node.input(0), node
    while True:
        if edges.only_user(name) is not user:
            return None, ()
        maker = edges.makers.get(name)
        if maker is None or len(between) > 4:
            return None, ()
        if kind_of(maker):
            good = name == maker.output(0) and _lays_out(edges, maker, between[::-1])
            return (maker, tuple(between)) if good else (None, ())
        if maker.domain or maker.op not in ("Squeeze", "Reshape", "Transpose", "Identity", "Dropout"):
            return None, ()
        between.append(maker)
        name, user = maker.input(0), maker


def _lays_out(edges: Edges, node: Node, steps: list[Node]) -> bool:
    """Return whether ``steps`` turn Y, (T, directions, B, H), into (T, B, directions * H); or with the batch first.

    Axes are followed by their letters: ``t``, ``d``, ``b``, ``h``; ``dh`` is both in one axis.
    """
    directions = 2 if node.attributes.get("direction") == "bidirectional" else 1
    first = node.attributes.get("layout", 0) == 1
    weights = edges.constants.stored(node.input(2))
    units = weights.shape[-1] if weights is not None and len(weights.shape) == 3 else 0
    axes = ["b", "t", "d", "h"] if first else ["t", "d", "b", "h"]
    for step in steps:
        if step.op == "Transpose":
            order = step.attributes.get("perm", ())
            if sorted(order) != list(range(len(axes))):
                return False
            axes = [axes[place] for place in order]
        elif step.op == "Squeeze":
            given = step.attributes.get("axes") or edges.constant_integers(step.input(1))
            if (
                directions != 1
                or given is None
                or [axes[place] for place in given if -len(axes) <= place < len(axes)] != ["d"]
            ):
                return False
            axes.remove("d")
        elif step.op == "Reshape":
            shape = edges.constant_integers(step.input(1))
            joined = [*axes[:2], "h" if "d" not in axes else "dh"]
            if shape is None or len(shape) != 3 or axes[2:] not in (["d", "h"], ["h"]):
                return False
            kept = [place for place, size in enumerate(shape) if size == 0 and place < 2]
            last = shape[2] in (-1, directions * units)
            if step.attributes.get("allowzero", 0) or not last or (kept != [0, 1] and shape[2] == -1) or 0 not in kept:
                return False
            axes = joined
    wanted = ["b", "t"] if first else ["t", "b"]
    return axes[:2] == wanted and axes[2:] in ([["dh"], ["h"]] if directions == 1 else [["dh"]])
