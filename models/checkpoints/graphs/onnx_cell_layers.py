"""The layers of recurrent cells that an ONNX graph writes out: their weights in PyTorch's order, and how they run."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.checkpoints.graphs.onnx_cell_states import CellMatch
from models.checkpoints.graphs.onnx_cells import find_cells, is_complete
from models.checkpoints.graphs.onnx_constants import Constants
from models.checkpoints.graphs.onnx_edges import Edges
from models.checkpoints.graphs.onnx_program import Scope
from models.checkpoints.graphs.onnx_registry import OnnxOperation, find_operator
from models.checkpoints.graphs.onnx_stacks import unique_path
from models.checkpoints.graphs.onnx_terms import Bias, Operand, matrix_of, picked_axes, width_of
from models.checkpoints.parsing.contents import FoundLayer, StoredTensor
from models.checkpoints.parsing.onnx_model import Node


@dataclass(frozen=True, eq=False)
class CellGroup:
    """A cell that is written out.

    Attributes:
        path: the layer's name without ``.l0``.
        places: where it is computed.
        layer: its kind, weights and options.
        complete: whether these are all steps; not if an exporter has simplified the first one.
    """

    path: str
    places: tuple[CellMatch, ...]
    layer: FoundLayer
    complete: bool


def find_cell_groups(graphs: Iterable[Edges], taken: set[str]) -> list[CellGroup]:
    """Return the cells that a model writes out, with names that are not among those ``taken``."""
    found = []
    for places in find_cells(graphs):
        layer = written_cell_layer(places)
        path = unique_path(cell_path(places, layer), taken)
        found.append(CellGroup(path, tuple(places), layer, is_complete(places)))
    return found


def written_cell_layer(places: Sequence[CellMatch]) -> FoundLayer:
    """Return the layer of a cell."""
    place = places[0]
    constants = place.edges.constants
    hidden = Operand(place.hidden_prev)
    units = 0
    inputs: list[StoredTensor] = []
    recurrent: list[StoredTensor] = []
    biases: dict[str, list[list[tuple[Bias, StoredTensor]]]] = {"bias_ih": [], "bias_hh": []}
    names: list[str] = []
    for terms in place.gates.values():
        units = terms.products[0].rows[1] - terms.products[0].rows[0]
        own = {each.node for each in terms.products if each.operand == hidden}
        shared = {each.node for each in terms.products if each.operand != hidden}
        for each in terms.products:
            stored = _stored(constants, each.matrix)
            width = width_of(stored, each)
            size = units if each.operand == hidden else width - units
            columns = (0, width) if each.part is None else (0, size) if each.part == 0 else (width - size, width)
            (recurrent if each.operand == hidden else inputs).append(matrix_of(stored, each, columns))
            names.append(each.matrix)
        for found in biases.values():
            found.append([])
        for bias in terms.biases:
            side = "bias_hh" if bias.beside in own - shared else "bias_ih"
            biases[side][-1].append((bias, _stored(constants, bias.constant)))
            names.append(bias.constant)
    parts = {"weight_ih": _stacked(inputs), "weight_hh": _stacked(recurrent)}
    if any(each for gates in biases.values() for each in gates):
        for name, gates in biases.items():
            size = units * len(gates)
            parts[name] = _summed(gates, units) if any(gates) else StoredTensor.zeros(size)
    sources = tuple(dict.fromkeys(source for name in names for source in constants.sources(name)))
    return FoundLayer(place.kind, parts, sources, dict(place.options))


def _stored(constants: Constants, name: str) -> StoredTensor:
    stored = constants.stored(name)
    assert stored is not None  # it was when the cell was found
    return stored


def _stacked(blocks: list[StoredTensor]) -> StoredTensor:
    rows = sum(each.shape[0] for each in blocks)
    return StoredTensor(
        (rows, blocks[0].shape[1]), blocks[0].dtype, lambda: np.concatenate([each.read() for each in blocks])
    )


def _summed(gates: list[list[tuple[Bias, StoredTensor]]], units: int) -> StoredTensor:
    """Return a bias, (gates * units): for each gate the sum of the constants that are added."""

    def read() -> np.ndarray:
        blocks = []
        for gate in gates:
            total = np.zeros(units, np.float32)
            for bias, stored in gate:
                values = stored.read().reshape(-1)
                total = total + (values if values.size == 1 else values[bias.rows[0] : bias.rows[1]])
            blocks.append(total)
        return np.concatenate(blocks)

    return StoredTensor((units * len(gates),), "float32", read)


def cell_path(places: Sequence[CellMatch], layer: FoundLayer) -> str:
    """Return a name for a cell: what the names of its constants begin with, else what its nodes' names do, else its kind."""
    for names, separator in ((layer.sources, "."), ([node.name for node in places[0].nodes], "/")):
        steps = [name.strip("/").split(separator)[:-1] for name in names if name]
        common: list[str] = []
        for each in zip(*steps, strict=False):
            if len(set(each)) > 1:
                break
            common.append(each[0])
        if common and steps:
            return re.sub(r"[./]+", ".", ".".join(common)).strip(".")
    return places[0].kind.lower()


def replaced_nodes(place: CellMatch) -> tuple[Node, ...]:
    """Return the nodes that need not run if the cell does: those whose values nothing else uses."""
    own = {id(node): node for node in place.nodes}
    edges, given = place.edges, {place.output, place.cell}
    while True:
        needed = [
            key
            for key, node in own.items()
            for name in node.outputs
            if name and name not in given
            if name in edges.returned or any(id(user) not in own for user in edges.users.get(name, ()))
        ]
        if not needed:
            return tuple(own.values())
        for key in needed:
            own.pop(key, None)


Taken = tuple[Callable[[Tensor], Any], tuple[int, ...], int]
"""Takes a part of a value, along which axes, and which of the results."""


def parts_taken(place: CellMatch, opsets: Mapping[str, int]) -> tuple[Taken, ...]:
    """Return what takes the input of one step out of what the matrices are multiplied with, in running order."""
    found = []
    for node, output in reversed(place.input.picks):
        operation = OnnxOperation(node, opsets.get(node.domain, 1))
        constants = [place.edges.constants.get(name) if name else None for name in node.inputs[1:]]
        compute = partial(_take, find_operator(operation).compute, operation, constants)
        found.append((compute, tuple(picked_axes(place.edges, node)), output))
    return tuple(found)


def _take(compute: Callable[..., Any], operation: OnnxOperation, constants: list[Tensor | None], x: Tensor) -> Any:
    return compute(operation, x, *constants)


@dataclass(frozen=True, eq=False)
class WrittenCellStep:
    """Runs a written-out cell for one step, by a module of one level.

    Attributes:
        path: the module.
        rank: how many axes its values must have; None if any will do.
        taken: what takes its input out of a sequence.
    """

    path: str
    rank: int | None
    taken: tuple[Taken, ...] = ()

    def __call__(self, scope: Scope, inputs: list[Tensor | None]) -> tuple[Tensor, ...]:
        """Return the states after the step, from the input and the states before it."""
        x, *states = [values for values in inputs if values is not None]
        module = scope.run.root.get_submodule(self.path)
        dtype, own = states[0].dtype, next(module.parameters()).dtype
        for take, axes, output in self.taken:
            if any(axis % x.dim() == x.dim() - 1 for axis in axes):
                raise ValueError("a part along the last axis")
            made = take(x)
            x = made[output] if isinstance(made, tuple | list) else made
        shape = torch.broadcast_shapes(*(values.shape[:-1] for values in (x, *states)))
        if self.rank is not None and len(shape) != self.rank - 1:
            raise ValueError("another number of axes")
        rows = [values.expand(*shape, values.shape[-1]).reshape(1, -1, values.shape[-1]) for values in (x, *states)]
        rows = [values.to(own) for values in rows]  # 16-bit weights are decoded to 32 bits
        _, ends = module(rows[0], tuple(rows[1:]) if len(states) > 1 else rows[1])
        found = ends if isinstance(ends, tuple) else (ends,)
        return tuple(values[0].reshape(*shape, -1).to(dtype) for values in found)
