"""What one layer did with a sequence: its gates and states, computed from what was kept of the run when asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Self

import numpy as np
import torch
from torch import Tensor

from models.core.cells import Cell
from models.core.gate_evaluation import Steps, shifted
from models.core.output_gradients import Arrivals, Arrived
from models.core.weights import LayerWeights, frozen


@dataclass(frozen=True, eq=False)
class Recording:
    """What was kept of a layer's run, from which every other quantity follows. Tensors of its own, on the CPU.

    Attributes:
        input: (B, T, D), what the layer read.
        hidden: (B, T, P), its hidden states, by position in the sequence.
        hidden_prev: (B, T, P), the hidden state that each step started from.
        initial_cell: (B, H), an LSTM's cell state before the first step; None for zeros.
        known: further quantities that were recorded rather than computed, (B, T, H) each.
        lengths: (B), where sequences of several lengths were packed together.
        dropout: (B, T, P), what the layer's output was multiplied by on its way to the next layer in training
            (0 where dropped, 1 / (1 - p) elsewhere), or None where nothing was dropped.
        arrivals: what backward passes brought to its outputs, or None.
        held: by quantity, (T, units) bool, where an edit put a value in the place of the computed one: nothing that the
            step read has moved it.
    """

    input: Tensor
    hidden: Tensor
    hidden_prev: Tensor
    initial_cell: Tensor | None = None
    known: dict[str, Tensor] = field(default_factory=dict)
    lengths: Tensor | None = None
    dropout: Tensor | None = None
    arrivals: Arrivals | Arrived | None = None
    held: dict[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True, eq=False, repr=False)
class LayerRun:
    """One layer in one direction over one run: ``run.forget_gate``, ``run.cell``, ``run.hidden``, ...

    Every quantity is a read-only float32 array (float64 for a float64 network), (batch, time, unit), by position in
    the sequence also where the layer reads backwards; positions past a packed sequence's length are 0. Gates are
    computed when they are first asked for.

    Attributes:
        name: the layer's name, such as ``"encoder.rnn.l0_reverse"``.
        weights: the weights it ran with.
        recording: what was kept of the run.
        reverse: whether it reads from the last position to the first.
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
        return (*self.recording.hidden.shape[:2], self.weights.hidden_size)

    @cached_property
    def _steps(self) -> Steps:
        kept = self.recording
        return Steps(
            self.weights, kept.input, kept.hidden, kept.hidden_prev,
            kept.initial_cell, self.reverse, kept.lengths, **kept.known,
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

    def _attribute(self, quantity: str) -> np.ndarray:
        """Return a gate or state; an AttributeError where the cell has none of that name."""
        if quantity not in self.quantities:
            raise AttributeError(f"{self.kind} has no {quantity}; it has {', '.join(self.quantities)}")
        return self._steps.quantity(quantity)

    def __iter__(self) -> Iterator[str]:
        return iter(self.quantities)

    @cached_property
    def input(self) -> np.ndarray:
        """What the layer read, (B, T, D)."""
        return frozen(self.recording.input)

    @cached_property
    def hidden_prev(self) -> np.ndarray:
        """The hidden state that each step started from, (B, T, P)."""
        return frozen(self.recording.hidden_prev)

    @cached_property
    def cell_prev(self) -> np.ndarray:
        """The cell state that each step of an LSTM started from, (B, T, H)."""
        kept = self.recording
        if "cell_prev" in kept.known:
            return frozen(kept.known["cell_prev"])
        first = torch.tensor(self.initial_cell)
        return frozen(shifted(torch.tensor(self.cell), first, self.reverse, kept.lengths))

    @cached_property
    def initial_hidden(self) -> np.ndarray:
        """The hidden state before the first step, (B, P)."""
        return frozen(self._first(self.recording.hidden_prev))

    @cached_property
    def initial_cell(self) -> np.ndarray:
        """The cell state of an LSTM before the first step, (B, H)."""
        if self.kind != "LSTM":
            raise AttributeError(f"{self.kind} has no cell state.")
        if self.recording.initial_cell is None:
            return frozen(np.zeros((self.shape[0], self.shape[2]), self.hidden.dtype))
        return frozen(self.recording.initial_cell)

    @cached_property
    def lengths(self) -> np.ndarray:
        """How many positions each sequence of the batch has, (B)."""
        batch, steps, _ = self.shape
        kept = self.recording.lengths
        return frozen(torch.full((batch,), steps) if kept is None else kept)

    @cached_property
    def dropout(self) -> np.ndarray | None:
        """What its output was multiplied by on the way to the next layer, (B, T, P), or None: see Recording."""
        return None if self.recording.dropout is None else frozen(self.recording.dropout)

    def recurrent_product(self, gate: str) -> np.ndarray:
        """What one gate's recurrent weights made of the previous hidden state, ``W_h? h_{t-1} + b_h?``, (B, T, H)."""
        return frozen(self._steps.h(gate))

    def part(self, sequence: int, steps: slice) -> Self:
        """Some steps of one sequence of the batch as a run of their own, (1, S, ...), without what backward brought."""
        at, kept = (slice(sequence, sequence + 1), steps), self.recording
        names = (*self.quantities, "hidden_prev") + (("cell_prev",) if self.kind == "LSTM" else ())
        known = {name: torch.tensor(getattr(self, name)[at]) for name in names}
        start, stop, _ = steps.indices(self.shape[1])
        first = slice(-1, None) if self.reverse else slice(1)
        return replace(
            self,
            recording=Recording(
                input=kept.input[at],
                hidden=known.pop("hidden"),
                hidden_prev=known.pop("hidden_prev"),
                initial_cell=known["cell_prev"][:, first].squeeze(1) if self.kind == "LSTM" else None,
                known=known,
                lengths=None if kept.lengths is None else (kept.lengths[at[0]] - start).clamp(0, stop - start),
                dropout=None if kept.dropout is None else kept.dropout[at],
                held={name: mask[steps] for name, mask in kept.held.items()},
            ),
        )

    def _first(self, values: Tensor) -> Tensor:
        if not self.reverse:
            return values[:, 0]
        if self.recording.lengths is None:
            return values[:, -1]
        return values[torch.arange(len(values)), self.recording.lengths - 1]

    def __reduce__(self) -> tuple:  # without what was computed: it follows from the recording
        return type(self), (self.name, self.weights, self.recording, self.reverse)

    def __repr__(self) -> str:
        batch, steps, units = self.shape
        return f"<{self.kind} {self.name}: batch {batch}, {steps} steps, {units} units>"
