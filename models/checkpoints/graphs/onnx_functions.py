"""Put the nodes of an ONNX model's own functions where they are called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from models.checkpoints.graphs.graph_module import MAX_DEPTH, MAX_NODES, refuse_setting
from models.checkpoints.parsing.errors import CheckpointError
from models.checkpoints.parsing.onnx_model import AttributeReference, Graph, Node, OnnxModel


def inline_functions(model: OnnxModel) -> OnnxModel:
    """Return the same network without calls of functions.

    Raises:
        CheckpointError: it becomes too large, or a function needs other versions of operators than the model.
    """
    return replace(model, graph=_Inliner(model).graph(model.graph, {}, {}, 0)) if model.functions else model


@dataclass(eq=False)
class _Inliner:
    model: OnnxModel
    count: int = 0
    calls: int = 0

    def graph(self, graph: Graph, names: Mapping[str, str], attributes: Mapping[str, Any], depth: int) -> Graph:
        """Return a graph with its calls replaced; ``names`` are the new names of values around it."""
        if not names:
            return replace(graph, nodes=self.nodes(graph.nodes, names, attributes, depth))
        own = {each.name for each in graph.inputs} | set(graph.constants)
        own |= {name for node in graph.nodes for name in node.outputs if name}
        self.calls += 1
        inner = dict(names) | {name: f"{name}#{self.calls}" for name in own}
        return Graph(
            self.nodes(graph.nodes, inner, attributes, depth),
            tuple(replace(each, name=inner[each.name]) for each in graph.inputs),
            tuple(replace(each, name=inner.get(each.name, each.name)) for each in graph.outputs),
            {inner[name]: stored for name, stored in graph.constants.items()},
            graph.sparse,
        )

    def nodes(
        self, nodes: tuple[Node, ...], names: Mapping[str, str], attributes: Mapping[str, Any], depth: int
    ) -> tuple[Node, ...]:
        if depth > MAX_DEPTH:
            raise CheckpointError("The graphs of this ONNX file are nested too deeply. Export it again.")
        found: list[Node] = []
        for node in nodes:
            self.count += 1
            if self.count > MAX_NODES:
                raise CheckpointError(
                    "This ONNX file contains too many nodes. Export only the recurrent part, or raise the limit."
                )
            own = self.renamed(node, names, attributes, depth)
            if (node.domain, node.op) in self.model.functions:
                found += self.call(own, depth)
            else:
                found.append(own)
        return tuple(found)

    def renamed(self, node: Node, names: Mapping[str, str], attributes: Mapping[str, Any], depth: int) -> Node:
        values: dict[str, Any] = {}
        for name, value in node.attributes.items():
            given = attributes.get(value.name) if isinstance(value, AttributeReference) else value
            if isinstance(value, AttributeReference) and given is None:
                continue  # left out by the caller: the operator's own default holds
            if isinstance(given, Graph):
                given = self.graph(given, names, attributes, depth + 1)
            values[name] = given
        return replace(
            node,
            inputs=tuple(names.get(name, name) for name in node.inputs),
            outputs=tuple(names.get(name, name) for name in node.outputs),
            attributes=values,
        )

    def call(self, node: Node, depth: int) -> tuple[Node, ...]:
        function = self.model.functions[node.domain, node.op]
        for domain, version in function.opsets.items():
            if self.model.opsets.get(domain, version) != version:
                refuse_setting(node.label, "opset", version)
        self.calls += 1
        made = {name for each in function.nodes for name in each.outputs if name}
        names = {name: f"{name}#{self.calls}" for name in made}
        names |= dict(zip(function.inputs, (*node.inputs, *[""] * len(function.inputs)), strict=False))
        names |= {own: given for own, given in zip(function.outputs, node.outputs, strict=False) if given}
        return self.nodes(function.nodes, names, dict(function.attributes) | dict(node.attributes), depth + 1)
