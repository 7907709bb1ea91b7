"""Gates and states of layers that ran on another device than the CPU, computed there from what was recorded.

As in ``models.core.gate_evaluation``, each gate of all steps is one matrix product. The order in memory is by step, as in a
kernel's output.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from models.core.activations import ZERO_TO_ONE
from models.core.cells import Carry, Gate
from models.core.gate_evaluation import padding_mask, previous_states
from models.core.recorded_weights import RecordedWeights
from models.core.recording import DeviceRecording, to_cpu
from models.core.weights import LayerWeights, read_only

MIN_SCAN_SIZE = 2**20
"""Elements of one operation: on fewer, most of a GPU's time is the overhead of the call."""


class DeviceEvaluation:
    """The namespace ``s`` of ``models.core.cells`` for all steps of a sequence at once, on another device than the CPU.

    Quantities are computed on first access: as tensors there, and as read-only arrays copied from there, (B, T, units).
    Positions past a sequence's length are 0.
    """

    def __init__(self, weights: LayerWeights, recording: DeviceRecording, reverse: bool) -> None:
        """Store a layer's weights and the recording of its run."""
        self._cell, self._run, self._reverse = weights.cell, recording.device, reverse
        self._weights = (
            weights.copies
            if isinstance(weights, RecordedWeights)
            else {each: values.to(self._run.hidden) for each, values in weights.tensors.items()}
        )
        lengths, states = self._run.lengths, self._run.hidden
        self._padding = None if lengths is None else padding_mask(lengths, states.shape[1]).to(states.device)
        given = {"input": self._run.input, "hidden": states, "hidden_prev": self._run.hidden_prev}
        self._values: dict[str, Tensor] = self._run.recorded | given
        self._arrays: dict[str, np.ndarray] = {}

    def quantity(self, name: str) -> np.ndarray:
        """Return a gate or state on the CPU, (B, T, units)."""
        if name not in self._arrays:
            self._arrays[name] = read_only(to_cpu(self.tensor(name)))
        return self._arrays[name]

    @torch.inference_mode(False)
    @torch.no_grad()
    def tensor(self, name: str) -> Tensor:
        """Return a gate or state, or the hidden or cell state one step earlier, where it was computed, (B, T, units)."""
        if name not in self._values:
            self._evaluate(name)
        return self._values[name]

    __getattr__ = tensor
    """``s.forget_gate`` in an equation of ``models.core.cells``."""

    def _evaluate(self, name: str) -> None:
        cell = self._cell
        if name == "cell_prev" and "cell" in cell.states:
            first = self._initial_cell
            self._values[name] = previous_states(self.tensor("cell"), first, self._reverse, self._run.lengths)
            return
        if name not in cell.equations:
            raise AttributeError(f"{cell.kind} has no {name}; it has {', '.join(cell.quantities)}")
        equation = cell.equations[name]
        if isinstance(equation, Gate):
            self._activate_gates()
            return
        values = self._carried(equation) if isinstance(equation, Carry) else equation(self)
        self._values[name] = self._padded(values, 0)

    def _activate_gates(self) -> None:
        """Compute all gates that are an activation of ``s.a``."""
        cell, sums = self._cell, self._preactivations()
        for blocks, activation in cell.activated_gates:
            values = sums[:, :, blocks]
            in_place = {"sigmoid": torch.sigmoid_, "tanh": torch.tanh_}.get(activation.name)
            values = activation(values) if in_place is None else in_place(values)
            for place, gate in enumerate(cell.gates[blocks]):
                self._values.setdefault(gate, self._padded(values[:, :, place], 0))

    def _padded(self, values: Tensor, by: int) -> Tensor:
        """Return ``values`` with ``by`` at the padding."""
        return values if self._padding is None else values.masked_fill(self._padding, by)

    @property
    def _initial_cell(self) -> Tensor:
        first = self._run.initial_cell
        return self._run.hidden.new_zeros(len(self._run.hidden), self._units) if first is None else first

    @property
    def _units(self) -> int:
        return self._weights["weight_hh"].shape[0] // len(self._cell.gates)

    def _carried(self, carry: Carry) -> Tensor:
        # Padding leaves the state unchanged in both directions.
        gate, added = self._padded(self.tensor(carry.gate), 1), self._padded(carry.added(self), 0)
        min_size = MIN_SCAN_SIZE if self._cell.ranges[carry.gate] == ZERO_TO_ONE else 0
        return device_scan(gate, added, self._initial_cell, self._reverse, min_size)

    def a(self, gate: str) -> Tensor:
        """Return ``x(gate) + h(gate)``, (B, T, H)."""
        return self._preactivations()[:, :, self._cell.gates.index(gate)]

    def x(self, gate: str) -> Tensor:
        """Return ``W_i? x_t + b_i?`` of one gate, (B, T, H)."""
        return self._x[:, :, self._cell.gates.index(gate)]

    @torch.inference_mode(False)
    def h(self, gate: str, of: Tensor | None = None) -> Tensor:
        """Return ``W_h? h_{t-1} + b_h?`` of one gate, (B, T, H); with ``of`` instead of h_{t-1} if it is given."""
        products = self._h if of is None else self._product(hh=of)
        return products[:, :, self._cell.gates.index(gate)]

    def project(self, v: Tensor) -> Tensor:
        """Return ``W_hr v``, (B, T, P)."""
        return v @ self._weights["weight_hr"].T

    def _preactivations(self) -> Tensor:
        """Return ``a`` of all gates, (B, T, G, H), in memory of its own."""
        if self._cell.kind == "GRU":  # its candidate needs the two products separately
            return self._x + self._h
        return self._product(ih=self._run.input, hh=self._run.hidden_prev)

    @cached_property
    def _x(self) -> Tensor:
        return self._product(ih=self._run.input)

    @cached_property
    def _h(self) -> Tensor:
        return self._product(hh=self._run.hidden_prev)

    def _product(self, **operands: Tensor) -> Tensor:
        """Return the sum of ``W v + b`` of the input weights (``ih``) and the recurrent ones (``hh``), (B, T, G, H)."""
        batch, steps, dtype = *self._run.hidden.shape[:2], self._run.hidden.dtype
        within = torch.float64 if rounds_products(self._run.hidden) else dtype
        weights = {name: values.to(within) for name, values in self._weights.items()}
        sums: Tensor | None = None
        with torch.autocast(self._run.hidden.device.type, enabled=False):
            biases = [weights[f"bias_{side}"] for side in operands if f"bias_{side}" in weights]
            for side, values in operands.items():
                rows = values.to(within).transpose(0, 1).reshape(steps * batch, -1)
                columns = weights[f"weight_{side}"].t()
                if sums is not None:
                    sums.addmm_(rows, columns)
                else:
                    sums = torch.addmm(sum(biases[1:], biases[0]), rows, columns) if biases else rows @ columns
        assert sums is not None
        return sums.to(dtype).view(steps, batch, len(self._cell.gates), -1).transpose(0, 1)


def rounds_products(values: Tensor) -> bool:
    """Return whether matrix products round ``values`` to 10 bits (TensorFloat-32), which is a setting of torch."""
    if not values.is_cuda or values.dtype != torch.float32:
        return False
    setting = getattr(torch.backends.cuda.matmul, "fp32_precision", None)  # older versions of torch lack it
    return torch.backends.cuda.matmul.allow_tf32 if setting is None else setting not in ("ieee", "none")


def device_scan(gate: Tensor, added: Tensor, initial: Tensor, reverse: bool, min_size: int = MIN_SCAN_SIZE) -> Tensor:
    """Return ``state_t = gate_t * state_{t-1} + added_t`` of all steps, elementwise, (B, T, U).

    Args:
        gate: (B, T, U); between 0 and 1, unless ``min_size`` is 0.
        added: (B, T, U).
        initial: (B, U), the state before the first step.
        reverse: whether to run from the last step to the first.
        min_size: as of ``models.core.gate_evaluation.scan``, where the method is described.
    """
    gates, rows = gate.transpose(0, 1), added.transpose(0, 1)
    if reverse:
        gates, rows = gates.flip(0), rows.flip(0)
    else:
        rows = rows.clone(memory_format=torch.contiguous_format)
    rows[0].addcmul_(gates[0], initial)
    gates, span = gates[1:], 1
    while span * rows[0].numel() < min_size and span < len(rows):
        rows[span:] += gates * rows[:-span]
        gates = gates[span:] * gates[:-span]
        span *= 2
    for start in range(span, len(rows), span):
        later = rows[start : start + span]
        later.addcmul_(gates[start - span : start - span + len(later)], rows[start - span : start - span + len(later)])
    return (rows.flip(0) if reverse else rows).transpose(0, 1)
