"""The constants of an ONNX graph: initializers, Constant nodes, and what nodes compute from constants alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from models.checkpoints.graphs import onnx_elementwise, onnx_layers, onnx_quantized, onnx_reductions, onnx_shapes
from models.checkpoints.graphs.graph_module import MAX_DEPTH, MAX_ELEMENTS
from models.checkpoints.graphs.onnx_registry import OPERATORS, OnnxOperation, find_operator, to_tensor
from models.checkpoints.parsing.contents import StoredTensor
from models.checkpoints.parsing.onnx_model import Graph, Node

TABLES = (onnx_elementwise, onnx_layers, onnx_quantized, onnx_reductions, onnx_shapes)
"""The modules that fill the table of operators."""


@dataclass(eq=False)
class Budget:
    """The number of elements that may still be computed from constants, in all graphs of a file together."""

    elements: int = MAX_ELEMENTS


@dataclass(eq=False)
class Constants:
    """The constants that the nodes of one graph can use, by name, each decoded or computed once.

    Attributes:
        graph: the graph.
        opsets: the version of each domain's operators.
        outer: the constants of the graph around it, or None.
        budget: shared by all graphs of a file.
    """

    graph: Graph
    opsets: Mapping[str, int]
    outer: Constants | None = None
    budget: Budget = field(default_factory=Budget)

    def __post_init__(self) -> None:
        """Find which node computes which value."""
        self._makers = {name: node for node in self.graph.nodes for name in node.outputs if name}
        self._values: dict[str, Tensor | None] = {}
        self._sources: dict[str, tuple[str, ...]] = {}
        self._inputs = {each.name for each in self.graph.inputs} - set(self.graph.constants)

    def stored(self, name: str) -> StoredTensor | None:
        """The constant ``name``, None if it is none; an initializer or a Constant node is not decoded."""
        if not name or name in self._inputs:
            return None
        if name in self.graph.constants:
            return self.graph.constants[name]
        node = self._makers.get(name)
        if node is None:
            return self.outer.stored(name) if self.outer else None
        if (node.domain, node.op) == ("", "Constant") and isinstance(node.attributes.get("value"), StoredTensor):
            return node.attributes["value"]
        if (node.domain, node.op) == ("", "Identity") and node.inputs:
            return self.stored(node.inputs[0])
        values = self.get(name)
        return None if values is None else stored_from(values)

    def get(self, name: str, depth: int = 0) -> Tensor | None:
        """The values of the constant ``name``; None if it is not constant, or cannot be computed here."""
        if not name or name in self._inputs:
            return None
        if name not in self._values:
            if name in self.graph.constants:
                self._values[name] = to_tensor(self.graph.constants[name], name)
            elif name in self._makers:
                self._values[name] = None  # a cycle ends here
                self._compute(self._makers[name], depth)
            elif self.outer is not None:
                return self.outer.get(name, depth)
            else:
                return None
        return self._values[name]

    def is_zero(self, name: str) -> bool:
        """Return whether a value is zeros: a constant, or one that is expanded to a size that the inputs determine."""
        node = self._makers.get(name)
        if node is not None and node.domain == "" and node.op in ("Expand", "ConstantOfShape"):
            if node.op == "Expand":
                return self.is_zero(node.input(0)) if node.input(0) != name else False
            filled = node.attributes.get("value")
            return not isinstance(filled, StoredTensor) or not filled.read().any()
        values = self.get(name)
        return values is not None and not bool(values.any())

    def owner(self, name: str) -> Constants:
        """The constants, these or those of a graph around it, among which ``name`` is defined."""
        own = name in self.graph.constants or name in self._makers or self.outer is None
        return self if own or self.outer is None else self.outer.owner(name)

    def sources(self, name: str, depth: int = 0) -> tuple[str, ...]:
        """The names of the initializers and Constant nodes of floats or 8-bit integers that ``name`` comes from."""
        if name not in self._sources:
            self._sources[name] = ()  # a cycle ends here
            self._sources[name] = self._find_sources(name, depth)
        return self._sources[name]

    def _find_sources(self, name: str, depth: int) -> tuple[str, ...]:
        node = self._makers.get(name)
        if name in self.graph.constants or (node is not None and (node.domain, node.op) == ("", "Constant")):
            stored = self.stored(name)
            return (name,) if stored is not None and (stored.is_float or stored.dtype in ("int8", "uint8")) else ()
        if node is None:
            return self.outer.sources(name, depth) if self.outer else ()
        if depth > MAX_DEPTH:
            return ()
        return tuple(dict.fromkeys(each for given in node.inputs for each in self.sources(given, depth + 1)))

    def _compute(self, node: Node, depth: int) -> None:
        """Compute a node's outputs if all its inputs are constants."""
        if (node.domain, node.op) not in OPERATORS or depth > MAX_DEPTH:
            return
        operation = OnnxOperation(node, self.opsets.get(node.domain, 1))
        inputs = [self.get(name, depth + 1) if name else None for name in node.inputs]
        if any(values is None and name for name, values in zip(node.inputs, inputs, strict=True)):
            return
        try:
            with torch.no_grad():
                made = find_operator(operation).compute(operation, *inputs)
        except MemoryError:
            raise
        except Exception as error:  # refused, or to fail again where it runs
            if "allocate memory" in str(error):  # torch's own error
                raise MemoryError from error
            return
        outputs = made if isinstance(made, tuple) else (made,)
        self.budget.elements -= sum(values.numel() for values in outputs)
        if self.budget.elements < 0:
            return
        self._values |= {name: values for name, values in zip(node.outputs, outputs, strict=False) if name}


def stored_from(values: Tensor) -> StoredTensor:
    """Return computed values as a tensor of a file."""
    half = values.dtype in (torch.float16, torch.bfloat16)
    plain = values.float() if half else values.contiguous()
    return StoredTensor(tuple(values.shape), str(values.dtype).removeprefix("torch."), plain.numpy)
