"""Run a recurrent layer by the equations of ``models.core.cells``, step by step, with values clamped by a schedule.

Every value can be changed on the way, any equations can be run, and autograd differentiates it; torch's kernels are faster.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import linear

from models.core.cells import Cell
from models.core.layer_norm import normalized
from models.core.stepwise_cells import peephole_weights

ClampedValue = tuple[int | None, Any]
"""A unit, or None for all, and its value: a number, or a tensor of one for each unit (H)."""


class StepwiseLayer:
    """A layer's recurrent weights, and the products of its input weights with the inputs of all steps.

    Attributes:
        cell: the equations.
        weights: by PyTorch's names without the layer's suffix.
        input_products: for each of T steps, (B, G H).
        input_factors: of a multiplicative LSTM's intermediate state, for each step, (B, H).
        peepholes: (H) by gate; none without peepholes.
    """

    def __init__(self, cell: Cell, weights: Mapping[str, Tensor], x: Tensor) -> None:
        """Store weights by PyTorch's names without the layer's suffix; compute the products of the input (B, T, D)."""
        self.cell, self.weights = cell, weights
        # a GRU's candidate needs the two products separately, and so do layer norms and the gates of a multiplicative LSTM
        self.separate = cell.kind == "GRU" or cell.norm is not None or cell.multiplicative
        self.bias = weights.get("bias_hh")
        products = linear(x, weights["weight_ih"], weights.get("bias_ih"))
        if cell.norm is not None:
            products = normalized(cell, weights, "ih", products)
        elif self.bias is not None and not self.separate:
            products = products + self.bias
        self.input_products = products.unbind(1)
        self.columns = weights["weight_hh"].T.contiguous()
        self.peepholes = peephole_weights(cell, weights)
        self.input_factors = linear(x, weights["weight_mx"]).unbind(1) if cell.multiplicative else ()

    def split(self, products: Tensor) -> dict[str, Tensor]:
        """Return (B, G H) by gate."""
        blocks = products.view(len(products), len(self.cell.gates), -1).unbind(1)
        return dict(zip(self.cell.gates, blocks, strict=True))

    def recurrent(self, of: Tensor) -> Tensor:
        """Return ``W_h of + b_h``, or its layer norm, (B, G H)."""
        products = of @ self.columns if self.bias is None else torch.addmm(self.bias, of, self.columns)
        return products if self.cell.norm is None else normalized(self.cell, self.weights, "hh", products)


class StepEvaluation:
    """The namespace ``s`` of ``models.core.cells`` for one step; ``run_layer`` sets each computed quantity, (B, units)."""

    def __init__(self, layer: StepwiseLayer, t: int, states: Mapping[str, Tensor]) -> None:
        """Prepare position ``t``, from the states before it, by name."""
        self._layer, input_product = layer, layer.input_products[t]
        for name, values in states.items():
            setattr(self, f"{name}_prev", values)
        self.hidden_prev: Tensor
        self._t = t
        self._operand: Tensor | None = None
        if layer.separate:
            self._x = layer.split(input_product)
        else:
            self._a = layer.split(torch.addmm(input_product, self.hidden_prev, layer.columns))

    def a(self, gate: str) -> Tensor:
        """Return ``x(gate) + h(gate)``."""
        return self._x[gate] + self.h(gate) if self._layer.separate else self._a[gate]

    def x(self, gate: str) -> Tensor:
        """Return ``W_i? x_t + b_i?``, or ``W_mx x_t``."""
        return self._layer.input_factors[self._t] if gate == "intermediate" else self._x[gate]

    def h(self, gate: str, of: Tensor | None = None) -> Tensor:
        """Return ``W_h? h_{t-1} + b_h?``, with ``of`` instead of h_{t-1} if it is given, or ``W_mh h_{t-1}``."""
        if gate == "intermediate":
            return linear(self.hidden_prev, self._layer.weights["weight_mh"])
        of = self.hidden_prev if of is None else of
        if self._operand is not of:  # one product for all gates
            self._operand, self._products = of, self._layer.split(self._layer.recurrent(of))
        return self._products[gate]

    def peephole(self, gate: str, c: Tensor) -> Tensor:
        """Return ``w_c? c``."""
        return self._layer.peepholes[gate] * c

    def norm(self, v: Tensor) -> Tensor:
        """Return the layer norm of a cell state."""
        return normalized(self._layer.cell, self._layer.weights, "c", v)

    def project(self, v: Tensor) -> Tensor:
        """Return ``W_hr v``."""
        return linear(v, self._layer.weights["weight_hr"])


def clamp_units(values: Tensor, clamped: Iterable[ClampedValue]) -> Tensor:
    """Return a copy of ``values`` (B, U) with some units clamped."""
    values = values.clone()
    for unit, value in clamped:
        where = slice(None) if unit is None else unit
        values[:, where] = value if unit is None or not isinstance(value, Tensor) else value[unit]
    return values


@dataclass(eq=False)
class ClampSchedule:
    """The clamped values of one layer.

    Attributes:
        initial: those of the states before the first step, by state.
        by_step: those of every other quantity, by step and quantity.
    """

    initial: dict[str, list[ClampedValue]] = field(default_factory=dict)
    by_step: dict[int, dict[str, list[ClampedValue]]] = field(default_factory=dict)

    def clamp(self, step: int, quantity: str, unit: int | None, value: Any) -> None:
        """Clamp a unit, or all, at one step; overrides an earlier value."""
        self.by_step.setdefault(step, {}).setdefault(quantity, []).append((unit, value))

    def masks(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return where each quantity is clamped, (T, units) bool; ``values`` are all of them, (B, T, units)."""
        found: dict[str, Tensor] = {}
        for step, quantities in self.by_step.items():
            for name, clamped in quantities.items():
                mask = found.setdefault(name, torch.zeros(values[name].shape[1:], dtype=torch.bool))
                for unit, _ in clamped:
                    mask[step, slice(None) if unit is None else unit] = True
        return found


def run_layer(
    cell: Cell,
    weights: Mapping[str, Tensor],
    x: Tensor,
    states: Mapping[str, Tensor],
    schedule: ClampSchedule,
    reverse: bool,
    lengths: Tensor | None = None,
) -> tuple[dict[str, list[Tensor]], dict[str, list[Tensor]]]:
    """Run one layer in one direction over a sequence, one step at a time; autograd can differentiate it.

    Args:
        cell: the equations.
        weights: by PyTorch's names without the layer's suffix.
        x: (B, T, D).
        states: before the first step, by name, (B, units) each.
        schedule: the clamped values; its steps are positions in the sequence.
        reverse: whether the layer runs from the last position to the first.
        lengths: (B), if sequences are shorter than T: past its length a sequence's states stay constant.

    Returns:
        For every quantity T tensors (B, units) by position; and for every state those before each step.
    """
    layer, steps = StepwiseLayer(cell, weights, x), x.shape[1]
    states = {
        name: clamp_units(values, schedule.initial[name]) if name in schedule.initial else values
        for name, values in states.items()
    }
    rows: dict[str, list[Any]] = {name: [None] * steps for name in cell.quantities}
    before: dict[str, list[Any]] = {name: [None] * steps for name in cell.states}
    nothing: dict[str, list[ClampedValue]] = {}
    for t in reversed(range(steps)) if reverse else range(steps):
        step, now = StepEvaluation(layer, t, states), schedule.by_step.get(t, nothing)
        for name, equation in cell.equations.items():
            values = equation(step)
            if name in now:
                values = clamp_units(values, now[name])
            if lengths is not None and name in cell.states:
                values = torch.where((t < lengths)[:, None], values, states[name])
            setattr(step, name, values)
            rows[name][t] = values
        for name in cell.states:
            before[name][t] = states[name]
        states = {name: rows[name][t] for name in cell.states}
    return rows, before
