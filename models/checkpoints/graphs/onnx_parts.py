"""The parameters of an ONNX network: dense layers and embeddings as torch's modules, other constants by their names."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor, nn

from models.checkpoints.building.torch_modules import module_name
from models.checkpoints.graphs.graph_parts import CONSTANTS, GraphParts, Place, dense_module
from models.checkpoints.graphs.onnx_constants import Constants
from models.checkpoints.graphs.onnx_edges import Edges
from models.checkpoints.graphs.onnx_program import Compute, Scope
from models.checkpoints.parsing.onnx_model import Node

GENERATED = re.compile(r"(onnx::)?\w*?_?\d+|.*_output_\d+|(onnx::|/).*|.*[Cc]onst(ant)?.*")
"""Names that exporters give to constants that have no name of their own."""


@dataclass(eq=False)
class OnnxParts(GraphParts):
    """The parameters of a network, each added once."""

    _places: dict[tuple[int, str], Place] = field(default_factory=dict)
    _modules: dict[tuple, str] = field(default_factory=dict)

    def place(self, constants: Constants, name: str) -> Place | None:
        """Return where the constant ``name`` is kept, after adding it to the network; None if it is not constant."""
        values = constants.get(name)
        if values is None:
            return None
        key = (id(constants.owner(name)), name)
        if key not in self._places:
            path, _, own = name.rpartition(".")
            if not path or GENERATED.fullmatch(name):
                path, own = CONSTANTS, name
            self._places[key] = self.keep(path, own, values, trained=values.dim() > 0)
        return self._places[key]

    def bias_of(self, edges: Edges, node: Node) -> Node | None:
        """Return the Add that gives a MatMul with constant weights its bias: the only node that uses its output."""
        weight = _floats(edges.constants, node.input(1), 2) if is_operator(node, "MatMul") else None
        add = edges.only_user(node.output(0)) if weight is not None else None
        if (
            weight is None
            or add is None
            or not is_operator(add, "Add")
            or edges.constants.get(node.input(0)) is not None
        ):
            return None
        bias = _floats(edges.constants, other_input(add, node), 1)
        return add if bias is not None and bias.shape[0] == weight.shape[1] else None

    def specialized(self, edges: Edges, node: Node, add: Node | None = None) -> tuple[tuple[str, ...], Compute] | None:
        """Return inputs and function of a node that is a dense layer or an embedding with constant weights; else None.

        Args:
            edges: of the node's graph.
            node: the node.
            add: the node that adds its bias, if that is another one.
        """
        if is_operator(node, "MatMul", "Gemm"):
            return self._linear(edges, node, add)
        if is_operator(node, "Gather") and not node.attributes.get("axis", 0):
            table = _floats(edges.constants, node.input(0), 2)
            if table is not None:
                path = self._module(edges, node, (node.input(0),), lambda: _embedding(table))
                return (node.input(1),), partial(_look_up, path)
        return None

    def _linear(self, edges: Edges, node: Node, add: Node | None) -> tuple[tuple[str, ...], Compute] | None:
        weight = _floats(edges.constants, node.input(1), 2)
        if weight is None or edges.constants.get(node.input(0)) is not None:
            return None
        bias_name = node.input(2) if add is None else other_input(add, node)
        bias = _floats(edges.constants, bias_name, 1)
        turned = not node.attributes.get("transB", 0)
        weight = weight.T if turned else weight
        if node.op == "Gemm":
            plain = {"alpha": 1.0, "beta": 1.0, "transA": 0}
            if any(node.attributes.get(name, value) != value for name, value in plain.items()):
                return None
            if bias_name and (bias is None or bias.shape[0] != weight.shape[0]):
                return None
        names = (node.input(1), bias_name, str(turned))
        path = self._module(edges, node, names, lambda: dense_module(weight, bias))
        return (node.input(0),), partial(_call, path)

    def _module(self, edges: Edges, node: Node, names: tuple[str, ...], make: Callable[[], nn.Module]) -> str:
        """Return the path of the module for a node's constants, after adding it to the network."""
        owners = tuple(id(edges.constants.owner(name)) for name in names[:1])
        key = (node.op, *owners, *names)
        if key not in self._modules:
            self._modules[key] = self.add(_part_name(edges, node, names[0]), make())
        return self._modules[key]


def is_operator(node: Node, *ops: str) -> bool:
    """Return whether a node's operator is one of ONNX's own ``ops``."""
    return node.domain == "" and node.op in ops


def other_input(add: Node, node: Node) -> str:
    """Return what an Add adds to the output of ``node``."""
    return add.input(1) if add.input(0) == node.output(0) else add.input(0)


def _part_name(edges: Edges, node: Node, constant: str) -> str:
    """Return a module's name: that of its weights without ``.weight``, or the node's without its operator."""
    sources = edges.constants.sources(constant)
    if len(sources) == 1 and not GENERATED.fullmatch(sources[0]):
        return module_name(sources[0])
    name = re.sub(rf"/?{node.op}(_\d+)?$", "", node.name).strip("/").replace("/", ".")
    return node.op.lower() if re.fullmatch(r"(node)?_*\d*", name) else name


def _floats(constants: Constants, name: str, rank: int) -> Tensor | None:
    values = constants.get(name) if name else None
    return (
        values
        if values is not None and values.is_floating_point() and values.dim() == rank and values.numel()
        else None
    )


def _embedding(table: Tensor) -> nn.Embedding:
    return nn.Embedding.from_pretrained(table, freeze=False)


def _call(path: str, scope: Scope, inputs: list[Tensor | None]) -> Tensor:
    return scope.run.root.get_submodule(path)(inputs[0])


def _look_up(path: str, scope: Scope, inputs: list[Tensor | None]) -> Tensor:
    """Return the rows that ids choose; those below 0 count from the end."""
    module, ids = scope.run.root.get_submodule(path), inputs[0]
    assert isinstance(module, nn.Embedding) and ids is not None
    wide = ids.long()
    return module(torch.where(wide < 0, wide + module.num_embeddings, wide))
