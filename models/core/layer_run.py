"""A layer's gates and states over a sequence, computed on first access from the recording of its run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
import torch
from torch import Tensor

from models.core.cells import Cell, SumGate
from models.core.device_evaluation import DeviceEvaluation
from models.core.gate_evaluation import SequenceEvaluation, previous_states
from models.core.recording import DeviceRecording, Recording
from models.core.stepwise_modules import TORCH_CELLS
from models.core.weights import LayerWeights, read_only


@dataclass(frozen=True, eq=False, repr=False)
class LayerRun:
    """One layer in one direction over one run: ``run.forget_gate``, ``run.cell``, ``run.hidden``, ...

    Every quantity is a read-only float32 array (float64 for a float64 network), (batch, time, unit), by position in
    the sequence also if the layer runs backwards; positions past a packed sequence's length are 0. Gates are computed on
    first access. Accessing a quantity that the cell does not have raises an AttributeError.

    Attributes:
        name: the layer's name, such as ``"encoder.rnn.l0_reverse"``.
        weights: the weights it ran with.
        recording: of the run.
        reverse: whether it runs from the last position to the first.
    """

    name: str
    weights: LayerWeights
    recording: Recording
    reverse: bool = False

    @property
    def cell_equations(self) -> Cell:
        """The equations of its cell."""
        return self.weights.cell

    @property
    def kind(self) -> str:
        """``"RNN"``, ``"LSTM"`` or ``"GRU"``."""
        return self.weights.kind

    @cached_property
    def quantities(self) -> tuple[str, ...]:
        """The names of its gates and states, in the order of computation."""
        return self.weights.cell.quantities

    @property
    def shape(self) -> tuple[int, int, int]:
        """(B, T, H)."""
        return (*self.recording.shape, self.weights.hidden_size)

    @cached_property
    def _steps(self) -> SequenceEvaluation | DeviceEvaluation:
        run = self.recording
        if isinstance(run, DeviceRecording) and self.weights.options in TORCH_CELLS[self.weights.kind]:
            return DeviceEvaluation(self.weights, run, self.reverse)
        return SequenceEvaluation(
            self.weights, run.input, run.hidden, run.hidden_prev,
            run.initial_cell, self.reverse, run.lengths, **run.recorded,
        )  # fmt: skip

    @property
    def input_gate(self) -> np.ndarray:
        """Input gate i_t of an LSTM, (B, T, H)."""
        return self._attribute("input_gate")

    @property
    def forget_gate(self) -> np.ndarray:
        """Forget gate f_t of an LSTM, (B, T, H)."""
        return self._attribute("forget_gate")

    @property
    def output_gate(self) -> np.ndarray:
        """Output gate o_t of an LSTM, (B, T, H)."""
        return self._attribute("output_gate")

    @property
    def reset_gate(self) -> np.ndarray:
        """Reset gate r_t of a GRU, (B, T, H)."""
        return self._attribute("reset_gate")

    @property
    def update_gate(self) -> np.ndarray:
        """Update gate z_t of a GRU, (B, T, H)."""
        return self._attribute("update_gate")

    @property
    def candidate(self) -> np.ndarray:
        """Candidate g_t of an LSTM or n_t of a GRU, (B, T, H)."""
        return self._attribute("candidate")

    @property
    def preactivation(self) -> np.ndarray:
        """Preactivation a_t of an RNN, (B, T, H)."""
        return self._attribute("preactivation")

    @property
    def intermediate(self) -> np.ndarray:
        """Intermediate state m_t of a multiplicative LSTM, (B, T, H)."""
        return self._attribute("intermediate")

    @property
    def cell(self) -> np.ndarray:
        """Cell state c_t of an LSTM, (B, T, H)."""
        return self._attribute("cell")

    @property
    def hidden(self) -> np.ndarray:
        """Hidden state h_t, (B, T, P)."""
        return self._attribute("hidden")

    def __getitem__(self, quantity: str) -> np.ndarray:
        """Return a gate or state by name, (B, T, units).

        Raises:
            KeyError: the cell has no such quantity.
        """
        if quantity not in self.quantities:
            raise KeyError(f"{self.kind} has no {quantity}; it has {', '.join(self.quantities)}")
        return self._steps.quantity(quantity)

    def tensor(self, quantity: str) -> Tensor:
        """Return a gate or state where it was computed, (B, T, units): on a GPU, if the layer ran on one.

        Also ``input``, ``hidden_prev`` and an LSTM's ``cell_prev``. Each is a copy: changing it changes no trace.

        Example:
            >>> with capture(net.cuda()) as trace:
            ...     net(x.cuda())
            >>> open_share = (trace.layers["rnn.l0"].tensor("forget_gate") > 0.9).float().mean()  # a number on the GPU

        Raises:
            KeyError: the cell has no such quantity.
        """
        before = [name for name in ("input", "hidden_prev", "cell_prev") if name != "cell_prev" or self.kind == "LSTM"]
        if quantity not in (*self.quantities, *before):
            raise KeyError(f"{self.kind} has no {quantity}; it has {', '.join((*self.quantities, *before))}")
        if isinstance(self._steps, DeviceEvaluation):
            return self._steps.tensor(quantity).clone()
        run, values = self.recording, torch.tensor(getattr(self, quantity))
        return values.to(run.device.hidden.device) if isinstance(run, DeviceRecording) else values

    def _attribute(self, quantity: str) -> np.ndarray:
        """Return a gate or state; an AttributeError where the cell has none of that name."""
        if quantity not in self.quantities:
            raise AttributeError(f"{self.kind} has no {quantity}; it has {', '.join(self.quantities)}")
        return self._steps.quantity(quantity)

    def __iter__(self) -> Iterator[str]:
        return iter(self.quantities)

    @cached_property
    def input(self) -> np.ndarray:
        """The layer's input x_t, (B, T, D)."""
        return read_only(self.recording.input)

    @cached_property
    def hidden_prev(self) -> np.ndarray:
        """Hidden state before each step, h_{t-1}, (B, T, P)."""
        return read_only(self.recording.hidden_prev)

    @cached_property
    def cell_prev(self) -> np.ndarray:
        """Cell state of an LSTM before each step, c_{t-1}, (B, T, H)."""
        run = self.recording
        if "cell_prev" in run.recorded:
            return read_only(run.recorded["cell_prev"])
        first = torch.tensor(self.initial_cell)
        return read_only(previous_states(torch.tensor(self.cell), first, self.reverse, run.lengths))

    @cached_property
    def initial_hidden(self) -> np.ndarray:
        """Hidden state before the first step, h_0, (B, P)."""
        return read_only(self._before_first(self.recording.hidden_prev))

    @cached_property
    def initial_cell(self) -> np.ndarray:
        """Cell state of an LSTM before the first step, c_0, (B, H)."""
        if self.kind != "LSTM":
            raise AttributeError(f"{self.kind} has no cell state.")
        if self.recording.initial_cell is None:
            return read_only(np.zeros((self.shape[0], self.shape[2]), self.hidden.dtype))
        return read_only(self.recording.initial_cell)

    @cached_property
    def lengths(self) -> np.ndarray:
        """Length of each sequence of the batch, (B)."""
        batch, steps, _ = self.shape
        lengths = self.recording.lengths
        return read_only(torch.full((batch,), steps) if lengths is None else lengths)

    @cached_property
    def dropout(self) -> np.ndarray | None:
        """Dropout factors of its output before the next layer, (B, T, P), or None: see ``Recording``."""
        return None if self.recording.dropout is None else read_only(self.recording.dropout)

    def recurrent_product(self, gate: str) -> np.ndarray:
        """Return one gate's recurrent product ``W_h? h_{t-1} + b_h?``, (B, T, H)."""
        return read_only(self._steps.h(gate))

    def intermediate_factors(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the factors of a multiplicative LSTM's intermediate state, ``W_mx x_t`` and ``W_mh h_{t-1}``, (B, T, H)."""
        return read_only(self._steps.x("intermediate")), read_only(self._steps.h("intermediate"))

    def gate_preactivation(self, gate: str) -> np.ndarray:
        """Return one gate's preactivation, not clipped, (B, T, H)."""
        equation = self.cell_equations.equations[gate]
        if isinstance(equation, SumGate):
            return read_only(equation.preactivation(self._steps))
        return read_only(self._steps.a(gate))

    def select(self, sequence: int, steps: slice) -> Self:
        """Return some steps of one sequence of the batch as a separate run, (1, S, ...), without gradients."""
        at, run = (slice(sequence, sequence + 1), steps), self.recording
        names = (*self.quantities, "hidden_prev") + (("cell_prev",) if self.kind == "LSTM" else ())
        values = {name: torch.tensor(getattr(self, name)[at]) for name in names}
        start, stop, _ = steps.indices(self.shape[1])
        first = slice(-1, None) if self.reverse else slice(1)
        return replace(
            self,
            recording=Recording(
                input=run.input[at],
                hidden=values.pop("hidden"),
                hidden_prev=values.pop("hidden_prev"),
                initial_cell=values["cell_prev"][:, first].squeeze(1) if self.kind == "LSTM" else None,
                recorded=values,
                lengths=None if run.lengths is None else (run.lengths[at[0]] - start).clamp(0, stop - start),
                dropout=None if run.dropout is None else run.dropout[at],
                clamped={name: mask[steps] for name, mask in run.clamped.items()},
            ),
        )

    def _before_first(self, values: Tensor) -> Tensor:
        if not self.reverse:
            return values[:, 0]
        if self.recording.lengths is None:
            return values[:, -1]
        return values[torch.arange(len(values)), self.recording.lengths - 1]

    def __reduce__(self) -> tuple:  # without the cached quantities
        return type(self), (self.name, self.weights, self.recording, self.reverse)

    def __repr__(self) -> str:
        batch, steps, units = self.shape
        return f"<{self.kind} {self.name}: batch {batch}, {steps} steps, {units} units>"
