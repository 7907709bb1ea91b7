"""Run a recurrent layer through ``models.core.cells``' equations step by step, with values held where a script says so.

Every number can be touched on its way, any equations run, and gradients go back through it; torch's kernels are faster.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import linear

from models.core.cells import Cell

Held = tuple[int | None, Any]
"""A unit, or None for all, and its value: a number, or one for each unit (H)."""


class Recurrence:
    """What the steps of one layer share: its recurrent weights, and what its input weights make of every input."""

    def __init__(self, cell: Cell, weights: Mapping[str, Tensor], x: Tensor) -> None:
        """Take weights by PyTorch's names without the layer's suffix, and the input (B, T, D)."""
        self.cell, self.weights = cell, weights
        self.apart = cell.kind == "GRU"  # its candidate needs the two products apart
        self.bias = weights.get("bias_hh")
        read = linear(x, weights["weight_ih"], weights.get("bias_ih"))
        if self.bias is not None and not self.apart:
            read = read + self.bias
        self.read = read.unbind(1)
        """For each of T steps (B, G H)."""
        self.columns = weights["weight_hh"].T.contiguous()

    def split(self, products: Tensor) -> dict[str, Tensor]:
        """(B, G H) by gate."""
        blocks = products.view(len(products), len(self.cell.gates), -1).unbind(1)
        return dict(zip(self.cell.gates, blocks, strict=True))

    def recurrent(self, of: Tensor) -> Tensor:
        """``W_h of + b_h``, (B, G H)."""
        return of @ self.columns if self.bias is None else torch.addmm(self.bias, of, self.columns)


class OneStep:
    """The namespace ``s`` of ``models.core.cells`` for a single step; each quantity, (B, units), is set once it is computed."""

    def __init__(self, layer: Recurrence, t: int, states: Mapping[str, Tensor]) -> None:
        """At position ``t``, from the states before, by name."""
        self._layer, self._read = layer, layer.read[t]
        for name, values in states.items():
            setattr(self, f"{name}_prev", values)
        self.hidden_prev: Tensor
        if layer.apart:
            self._x, self._h = layer.split(self._read), layer.split(layer.recurrent(self.hidden_prev))
        else:
            self._a = layer.split(torch.addmm(self._read, self.hidden_prev, layer.columns))

    def a(self, gate: str) -> Tensor:
        """``x(gate) + h(gate)``."""
        return self._x[gate] + self._h[gate] if self._layer.apart else self._a[gate]

    def x(self, gate: str) -> Tensor:
        """``W_i? x_t + b_i?``."""
        return self._x[gate]

    def h(self, gate: str, of: Tensor | None = None) -> Tensor:
        """``W_h? h_{t-1} + b_h?``, or with ``of`` in the place of h_{t-1}."""
        return self._h[gate] if of is None else self._layer.split(self._layer.recurrent(of))[gate]

    def project(self, v: Tensor) -> Tensor:
        """``W_hr v``."""
        return linear(v, self._layer.weights["weight_hr"])


def holding(values: Tensor, held: Iterable[Held]) -> Tensor:
    """A copy of ``values`` (B, U) with units held at values of their own."""
    values = values.clone()
    for unit, value in held:
        where = slice(None) if unit is None else unit
        values[:, where] = value if unit is None or not isinstance(value, Tensor) else value[unit]
    return values


@dataclass(eq=False)
class Script:
    """What is held in one layer, and when.

    Attributes:
        start: by state.
        at: by step and quantity.
    """

    start: dict[str, list[Held]] = field(default_factory=dict)
    at: dict[int, dict[str, list[Held]]] = field(default_factory=dict)

    def hold(self, step: int, quantity: str, unit: int | None, value: Any) -> None:
        """Hold at one step; what was said of the unit there before is overruled."""
        self.at.setdefault(step, {}).setdefault(quantity, []).append((unit, value))

    def masks(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Where each quantity is held, (T, units) bool; ``values`` are all of them, (B, T, units)."""
        found: dict[str, Tensor] = {}
        for step, quantities in self.at.items():
            for name, held in quantities.items():
                mask = found.setdefault(name, torch.zeros(values[name].shape[1:], dtype=torch.bool))
                for unit, _ in held:
                    mask[step, slice(None) if unit is None else unit] = True
        return found


def run_layer(
    cell: Cell,
    weights: Mapping[str, Tensor],
    x: Tensor,
    states: Mapping[str, Tensor],
    script: Script,
    reverse: bool,
    lengths: Tensor | None = None,
) -> tuple[dict[str, list[Tensor]], dict[str, list[Tensor]]]:
    """One layer in one direction over a sequence, a step at a time; gradients can go back through it.

    Args:
        cell: the equations.
        weights: by PyTorch's names without the layer's suffix.
        x: (B, T, D).
        states: before the first step, by name, (B, units) each.
        script: what is held; its steps are positions in the sequence.
        reverse: whether the layer reads from the last position to the first.
        lengths: (B), where sequences are shorter than T: beyond its length a sequence's states stay as they are.

    Returns:
        T tensors (B, units) by position for every quantity, and those that each step started from for every state.
    """
    layer, steps = Recurrence(cell, weights, x), x.shape[1]
    states = {
        name: holding(values, script.start[name]) if name in script.start else values for name, values in states.items()
    }
    rows: dict[str, list[Any]] = {name: [None] * steps for name in cell.quantities}
    before: dict[str, list[Any]] = {name: [None] * steps for name in cell.states}
    nothing: dict[str, list[Held]] = {}
    for t in reversed(range(steps)) if reverse else range(steps):
        step, now = OneStep(layer, t, states), script.at.get(t, nothing)
        for name, equation in cell.equations.items():
            values = equation(step)
            if name in now:
                values = holding(values, now[name])
            if lengths is not None and name in cell.states:
                values = torch.where((t < lengths)[:, None], values, states[name])
            setattr(step, name, values)
            rows[name][t] = values
        for name in cell.states:
            before[name][t] = states[name]
        states = {name: rows[name][t] for name in cell.states}
    return rows, before
