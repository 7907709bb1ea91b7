"""Edits of weights, applied to copies: the arrays that they start from are never changed.

A network's parameters go by the names that edits use: ``rnn.l0.weight_hh`` for PyTorch's ``rnn.weight_hh_l0``, and PyTorch's
own names for all others (``head.weight``).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from models.capturing.capture import recurrent_modules
from models.capturing.module_copy import copy_module
from models.core.cells import WEIGHT_NAMES, Cell, cell_of
from models.core.messages import Problem
from models.core.stepwise_modules import cell_kind_of
from models.core.weights import LayerWeights
from models.edits.costly_edits import check_cost
from models.edits.edit import (
    ForgetBias,
    Noise,
    Place,
    Quantize,
    ReplaceMatrix,
    SpectralRadius,
    WeightChange,
    WeightEdit,
)

MIN_BITS, MAX_BITS = 2, 24
Region = tuple[str, slice | Tensor, slice]
"""A part of one array: its name, the rows and the columns."""


@dataclass(frozen=True, eq=False)
class Parameters:
    """All parameters of a network by the names that edits use.

    Attributes:
        arrays: the parameters.
        cells: the equations of each layer, by name.
        consumers: by layer, the matrices that its output is an input of: (name, the column of unit 0).
        own_names: PyTorch's name of each array.
    """

    arrays: Mapping[str, Tensor]
    cells: Mapping[str, Cell]
    consumers: Mapping[str, tuple[tuple[str, int], ...]]
    own_names: Mapping[str, str]

    def columns_are_units(self, name: str) -> bool:
        """Return whether the columns of a matrix are the units of a layer."""
        return any(name == consumer for consumers in self.consumers.values() for consumer, _column in consumers)

    def units(self, layer: str) -> int:
        """Return H, the number of units of a layer."""
        return len(self.arrays[f"{layer}.weight_ih"]) // len(self.cells[layer].gates)


def parameters_of(module: nn.Module) -> Parameters:
    """Return the parameters of ``module``, detached but not copied: do not write to them.

    The consumer of a stack's top layer is taken to be the first ``nn.Linear`` after it, in the order in which the parts were
    created, whose width fits; further consumers in unusual modules are not found.
    """
    own = {name: values.detach() for name, values in module.named_parameters()}
    arrays, cells, consumers, names = {}, {}, {}, {}
    parts = list(module.named_modules())
    for path, part in recurrent_modules(module).items():
        before = f"{path}." if path else ""
        stacked = isinstance(part, nn.RNNBase)
        directions = 2 if stacked and part.bidirectional else 1
        levels = int(part.num_layers) if isinstance(part, nn.RNNBase) else 1
        for level in range(levels):
            for direction in range(directions):
                suffix = f"l{level}" + ("_reverse" if direction else "")
                layer = before + suffix
                for kind in WEIGHT_NAMES:
                    name = before + kind + (f"_{suffix}" if stacked else "")
                    if name in own:
                        arrays[f"{layer}.{kind}"], names[f"{layer}.{kind}"] = own.pop(name), name
                kind, options = cell_kind_of(part)
                cells[layer] = cell_of(kind, f"{layer}.weight_hr" in arrays, **options)
                width = arrays[f"{layer}.weight_hh"].shape[1]
                own_consumers = [(f"{layer}.{cells[layer].hidden_weight}", 0)]
                if level + 1 < levels:
                    above = (f"{before}l{level + 1}{end}." for end in ("", "_reverse")[:directions])
                    inputs = ("weight_ih", "weight_mx") if cells[layer].multiplicative else ("weight_ih",)
                    own_consumers += [(name + own_input, direction * width) for name in above for own_input in inputs]
                else:
                    after = parts[[each for _, each in parts].index(part) + 1 :]
                    fits = (
                        name for name, each in after
                        if isinstance(each, nn.Linear) and each.in_features == directions * width
                    )  # fmt: skip
                    own_consumers += [(f"{name}.weight", direction * width) for name in list(fits)[:1]]
                consumers[layer] = tuple(own_consumers)
    return Parameters(arrays | own, cells, consumers, names | {name: name for name in own})


def edited_module(module: nn.Module, edits: Iterable[WeightEdit]) -> nn.Module:
    """Return a copy of ``module`` with edited weights, in the same mode; its ``.grad`` are None.

    ``module`` is not changed: any number of threads may edit it at once.

    Raises:
        Problem: an edit does not fit the module; one sentence says why.
    """
    copy = copy_module(module)
    edits = tuple(edits)
    if edits:
        known = parameters_of(copy)
        changed = apply_weight_edits(known, edits)
        with torch.no_grad():
            for name, values in changed.items():
                known.arrays[name].copy_(values)
    return copy


def edited_layers(layers: Mapping[str, LayerWeights], edits: Iterable[WeightEdit]) -> dict[str, LayerWeights]:
    """Return layers with edited weights, by name; a layer that no edit changes is the same object.

    Raises:
        Problem: an edit does not fit; one sentence says why.
    """
    arrays = {f"{name}.{kind}": each for name, layer in layers.items() for kind, each in layer.tensors.items()}
    cells = {name: layer.cell for name, layer in layers.items()}
    consumers = {name: ((f"{name}.{cells[name].hidden_weight}", 0),) for name in layers}
    changed = apply_weight_edits(Parameters(arrays, cells, consumers, {name: name for name in arrays}), edits)
    result = {}
    for name, layer in layers.items():
        own: dict[str, Any] = {
            kind: changed[f"{name}.{kind}"].numpy() for kind in WEIGHT_NAMES if f"{name}.{kind}" in changed
        }
        result[name] = replace(layer, **own) if own else layer
    return result


def apply_weight_edits(known: Parameters, edits: Iterable[WeightEdit]) -> dict[str, Tensor]:
    """Return the parameters that ``edits`` change, by name, after all edits in order: new tensors.

    Raises:
        Problem: an edit does not fit; one sentence says why.
    """
    changed: dict[str, Tensor] = {}
    edits = tuple(edits)
    check_cost(edits)
    for edit in edits:
        random = torch.Generator().manual_seed(edit.seed if isinstance(edit, Noise) else 0)
        for name, rows, columns in _edited_regions(known, edit):
            values = changed[name] if name in changed else known.arrays[name].clone()
            at = (rows, columns) if values.dim() > 1 else (rows,)
            values[at] = _new_values(edit, name, values[at], random)
            if not values[at].isfinite().all() and known.arrays[name].isfinite().all():
                raise Problem("With this change, values of {name} overflow float32. Use smaller values.", name=name)
            changed[name] = values
    return changed


def _edited_regions(known: Parameters, edit: WeightEdit) -> Iterator[Region]:
    """Return the parts of arrays that ``edit`` changes, each to be changed separately."""
    match edit:
        case SpectralRadius(place):
            return _square_blocks(known, place)
        case ForgetBias(layer, _, unit):
            return _forget_biases(known, layer, unit)
        case ReplaceMatrix(name, shape):
            found = list(regions(known, Place(name)))
            check_shape(name, shape, tuple(known.arrays[name].shape))
            return iter(found)
        case _:
            return regions(known, edit.place)


def _new_values(edit: WeightEdit, name: str, values: Tensor, random: torch.Generator) -> Tensor:
    """Return the new values for ``values``, a part of the array ``name``."""
    match edit:
        case WeightChange(_, "=", value):
            return torch.full_like(values, value)
        case WeightChange(_, how, value):
            return values + value if how == "+=" else values * value
        case ForgetBias(_, value):
            return torch.full_like(values, value if name.endswith(("bias_ih", "shift_ih")) else 0.0)
        case SpectralRadius(_, value):
            return scale_to_radius(values, value, name)
        case Quantize(_, bits):
            return quantize(values, bits)
        case Noise(_, deviation):
            if deviation < 0:
                raise Problem(
                    "The standard deviation of the noise must be 0 or more, not {value}.", value=f"{deviation:g}"
                )
            return values + deviation * torch.randn(values.shape, generator=random, dtype=values.dtype)
        case ReplaceMatrix():
            return torch.tensor(edit.values, dtype=values.dtype)


def regions(known: Parameters, place: Place) -> Iterator[Region]:
    """Yield the arrays that ``place`` is a part of, with its rows and columns there.

    Raises:
        Problem: there is no such place.
    """
    layer, _, kind = place.name.rpartition(".")
    if kind in ("reads", "writes") and place.name not in known.arrays:
        _check_layer(known, layer)
        _check_unit(layer, place.row, known.units(layer))
        yield from (
            _incoming_regions(known, layer, place.row)
            if kind == "reads"
            else _outgoing_regions(known, layer, place.row)
        )
        return
    if place.name not in known.arrays:
        raise Problem(
            "Unknown weights “{name}”. Choose from these: {names}.", name=place.name, names=", ".join(known.arrays)
        )
    shape = known.arrays[place.name].shape
    rows: slice | Tensor = slice(None) if place.row is None else slice(place.row, place.row + 1)
    gates = known.cells[layer].row_gates(kind) if layer in known.cells else ()
    if place.gate is not None or (gates and place.row is not None):
        if place.gate is not None and place.gate not in gates:
            raise Problem(
                "{layer} has no {name}. Choose one of these: {names}.",
                layer=place.name, name=place.gate, names=", ".join(gates) or "…",
            )  # fmt: skip
        size = known.units(layer)
        _check_unit(layer, place.row, size, optional=True)
        chosen = range(len(gates)) if place.gate is None else [gates.index(place.gate)]
        units = range(size) if place.row is None else [place.row]
        rows = torch.tensor([gate * size + unit for gate in chosen for unit in units])
        if place.gate is not None:
            rows = slice(int(rows[0]), int(rows[-1]) + 1)
    elif place.row is not None and place.row >= shape[0]:
        raise Problem(
            "{name} has no row {row}. Choose one from 0 to {last}.", name=place.name, row=place.row, last=shape[0] - 1
        )
    if place.column is None:
        yield place.name, rows, slice(None)
        return
    last = shape[1] - 1 if len(shape) > 1 else 0
    if place.column > last:
        raise Problem(
            "{name} has no column {column}. Choose one from 0 to {last}.",
            name=place.name,
            column=place.column,
            last=last,
        )
    yield place.name, rows, slice(place.column, place.column + 1)


def _incoming_regions(known: Parameters, layer: str, unit: int | None) -> Iterator[Region]:
    further = known.cells[layer].further_weights if layer in known.cells else ()
    for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh", *further):
        if f"{layer}.{kind}" in known.arrays:
            yield from regions(known, Place(f"{layer}.{kind}", row=unit))


def _outgoing_regions(known: Parameters, layer: str, unit: int | None) -> Iterator[Region]:
    assert unit is not None
    projection = f"{layer}.weight_hr"
    consumers = ((projection, 0),) if projection in known.arrays else known.consumers[layer]
    for name, start in consumers:
        yield name, slice(None), slice(start + unit, start + unit + 1)


def _square_blocks(known: Parameters, place: Place) -> Iterator[Region]:
    """Yield the square blocks of ``place``, one for each gate that it covers."""
    layer, _, kind = place.name.rpartition(".")
    list(regions(known, place))
    shape = known.arrays[place.name].shape if place.name in known.arrays else ()
    gated = kind in ("weight_ih", "weight_hh") and layer in known.cells
    gates = known.cells[layer].gates if gated else (None,)
    size = shape[0] // len(gates) if shape else 0
    if place.row is not None or place.column is not None or len(shape) != 2 or size != shape[1]:
        raise Problem("{name} is not square, so it has no spectral radius. Choose a square matrix.", name=place.name)
    for index, gate in enumerate(gates):
        if place.gate in (None, gate):
            yield place.name, slice(index * size, (index + 1) * size), slice(None)


def scale_to_radius(matrix: Tensor, value: float, name: str) -> Tensor:
    """Return ``matrix`` (H, H) scaled to the spectral radius ``value``, the largest magnitude of an eigenvalue."""
    if value < 0:
        raise Problem("The spectral radius must be 0 or more, not {value}.", value=f"{value:g}")
    exact = matrix.double()
    radius = _radius(exact.numpy().tobytes(), len(exact))
    # A nilpotent matrix has radius 0 too, up to rounding.
    if not radius > 1e-12 * float(exact.abs().max()):
        raise Problem(
            "The spectral radius of {name} is 0, so scaling cannot change it. Choose another matrix.", name=name
        )
    return (exact * (value / radius)).to(matrix.dtype)


@lru_cache(maxsize=32)
def _radius(data: bytes, size: int) -> float:
    """Return the spectral radius of a float64 matrix, cached: while a slider is dragged, the matrix stays the same."""
    return float(np.abs(np.linalg.eigvals(np.frombuffer(data).reshape(size, size))).max())


def quantize(values: Tensor, bits: int) -> Tensor:
    """Return ``values`` rounded to 2^bits - 1 levels around 0, the outermost at the largest magnitude; ties to even."""
    if not MIN_BITS <= bits <= MAX_BITS:
        raise Problem(
            "Weights can be rounded to between {least} and {most} bits, not to {bits}.",
            least=MIN_BITS,
            most=MAX_BITS,
            bits=bits,
        )
    step = values.double().abs().max() / (2 ** (bits - 1) - 1)
    return values if step == 0 else ((values.double() / step).round() * step).to(values.dtype)


def _forget_biases(known: Parameters, layer: str, unit: int | None) -> Iterator[Region]:
    _check_layer(known, layer)
    kinds = ("bias_ih", "bias_hh") if known.cells[layer].norm is None else ("shift_ih", "shift_hh")
    if f"{layer}.{kinds[0]}" not in known.arrays:
        raise Problem("{layer} has no biases. Choose a layer with biases.", layer=layer)
    for kind in kinds:
        [(name, rows, _)] = regions(known, Place(f"{layer}.{kind}", "forget_gate", unit))
        yield name, rows, slice(None)


def _check_layer(known: Parameters, layer: str) -> None:
    if layer not in known.cells:
        raise unknown_layer(layer, known.cells)


def unknown_layer(layer: str, names: Iterable[str]) -> Problem:
    """Return the error for a layer name that the network does not have."""
    return Problem("Unknown layer “{layer}”. Choose one of these: {names}.", layer=layer, names=", ".join(names))


def _check_unit(layer: str, unit: int | None, units: int, optional: bool = False) -> None:
    if unit is None and optional:
        return
    if unit is None or unit >= units:
        raise unknown_unit(layer, unit, units)


def unknown_unit(layer: str, unit: int | None, units: int) -> Problem:
    """Return the error for a unit that a layer does not have."""
    return Problem(
        "{layer} has no unit {unit}. Choose one from 0 to {last}.",
        layer=layer, unit="…" if unit is None else unit, last=units - 1,
    )  # fmt: skip


def check_shape(name: str, given: tuple[int, ...], needed: tuple[int, ...]) -> None:
    """Raise Problem if ``given`` is not the shape that ``name`` needs."""
    if given != needed:
        raise Problem(
            "The values have shape {given}, but {name} has shape {needed}. Give values of that shape.",
            given=_shape_text(given), name=name, needed=_shape_text(needed),
        )  # fmt: skip


def _shape_text(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape)) if math.prod(shape) else "0"
