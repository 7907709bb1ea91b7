"""Evaluate a cell's equations over whole sequences whose hidden states are known.

Where a fused kernel has run, its hidden states are there and only the gates are missing. Given h_{t-1} for every t,
each gate of all steps is one matrix product, and a carried state (an LSTM's cell) is one elementwise scan.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from models.core.activations import OPEN
from models.core.cells import Carry, Gate
from models.core.weights import LayerWeights, frozen

LEAST = 1024
"""On fewer numbers, most of the time of numpy goes to the call."""


def shifted(states: Tensor, initial: Tensor, reverse: bool, lengths: Tensor | None) -> Tensor:
    """The state that each step started from.

    Args:
        states: (B, T, U), by position in the sequence.
        initial: (B, U), the state before the first step.
        reverse: whether the layer reads from the last position to the first.
        lengths: (B), how many positions each sequence has, or None where all have T.

    Returns:
        (B, T, U): ``states`` one step earlier in the order of computation; 0 past a sequence's length.
    """
    first = initial[:, None]
    if not reverse:
        previous = torch.cat([first, states[:, :-1]], dim=1)
    else:
        previous = torch.cat([states[:, 1:], first], dim=1)
    if lengths is not None:
        if reverse:
            previous[torch.arange(len(lengths)), lengths - 1] = initial
        previous.masked_fill_(past(lengths, states.shape[1]), 0)
    return previous


def past(lengths: Tensor, steps: int) -> Tensor:
    """(B, T, 1), true at the positions past each sequence's length."""
    return (torch.arange(steps) >= lengths[:, None])[..., None]


def scan(
    keep: np.ndarray, write: np.ndarray, initial: np.ndarray | None, reverse: bool, least: int = LEAST
) -> np.ndarray:
    """``state_t = keep_t * state_{t-1} + write_t`` over all steps, elementwise, in the memory of ``write``.

    Args:
        keep: (B, T, U); between 0 and 1, unless ``least`` is 0.
        write: (B, T, U); afterwards it holds the states.
        initial: (B, U), the state before the first step, or None for zeros.
        reverse: whether to run from the last step to the first.
        least: so many numbers are computed at once, where there are; 0 takes one step after the other.

    Returns:
        (B, T, U), the state after each step: ``write`` itself.
    """
    rows, kept = write.swapaxes(0, 1), keep.swapaxes(0, 1)
    if reverse:
        rows, kept = rows[::-1], kept[::-1]
    row = rows[0]
    if initial is not None:
        row += kept[0] * initial
    # Every step is first told, all at once, what the ``span`` steps up to it wrote and kept; then come ``span`` at a time.
    # The first ``span`` steps know all by then: ``kept`` is that of the others.
    kept, span = kept[1:], 1
    while span * row.size < least and span < len(rows):
        later = rows[span:]
        later += kept * rows[:-span]
        kept = kept[span:] * kept[:-span]
        span *= 2
    for start in range(span, len(rows), span):
        later = rows[start : start + span]
        later += kept[start - span : start] * rows[start - span : start][: len(later)]
    return write


class Steps:
    """The namespace ``s`` of ``models.core.cells`` for all steps of a sequence at once.

    Quantities are computed when they are first asked for. Each is a read-only array (B, T, units), by position in the
    sequence; positions past a sequence's length are 0.
    """

    def __init__(
        self,
        weights: LayerWeights,
        x: Tensor,
        hidden: Tensor,
        hidden_prev: Tensor,
        initial_cell: Tensor | None = None,
        reverse: bool = False,
        lengths: Tensor | None = None,
        **known: Tensor,
    ) -> None:
        """Take a layer's weights, its input (B, T, D), its hidden states (B, T, P) and those one step earlier.

        ``initial_cell`` (B, H) is an LSTM's, None for zeros; ``known`` are further quantities that need no computing.
        """
        self._weights, self._input, self._hidden_prev = weights, x, hidden_prev
        self._initial_cell, self._reverse = initial_cell, reverse
        self._padding = None if lengths is None else past(lengths, x.shape[1]).numpy()
        self._known = known | {"hidden": hidden, "hidden_prev": hidden_prev}
        self._values: dict[str, np.ndarray] = {}

    def quantity(self, name: str) -> np.ndarray:
        """Return a gate or state of the cell, or the hidden or cell state one step earlier, (B, T, units)."""
        values = self._values.get(name)
        return self._evaluate(name) if values is None else values

    __getattr__ = quantity
    """``s.forget_gate`` in an equation of ``models.core.cells``."""

    def _evaluate(self, name: str) -> np.ndarray:
        """Compute a quantity and cache it."""
        cell = self._weights.cell
        if name in self._known:
            return self._keep(name, frozen(self._known[name]))
        if name not in cell.equations:
            raise AttributeError(f"{cell.kind} has no {name}; it has {', '.join(cell.quantities)}")
        equation = cell.equations[name]
        if isinstance(equation, Gate):
            self._open_gates()
            return self._values[name]
        values = self._carried(equation) if isinstance(equation, Carry) else equation(self)
        return self._keep(name, self._padded(values, 0))

    def _open_gates(self) -> None:
        """Compute all gates that are an activation of their own sum."""
        cell, sums = self._weights.cell, self._sums()
        for blocks, activation in cell.opened:
            values = activation.values(sums[:, :, blocks])
            for place, gate in enumerate(cell.gates[blocks]):
                if gate not in self._known:
                    self._keep(gate, self._padded(values[:, :, place], 0))

    def _keep(self, name: str, values: np.ndarray) -> np.ndarray:
        values.setflags(write=False)
        self._values[name] = values
        return values

    def _padded(self, values: np.ndarray, by: int) -> np.ndarray:
        return values if self._padding is None else np.where(self._padding, values.dtype.type(by), values)

    def _carried(self, carry: Carry) -> np.ndarray:
        # Padding hands the state on untouched, whichever way the layer reads.
        keep, write = self._padded(self.quantity(carry.keep), 1), self._padded(carry.write(self), 0)
        initial = None if self._initial_cell is None else self._initial_cell.numpy()
        least = LEAST if self._weights.cell.ranges[carry.keep] == OPEN else 0
        return scan(keep, write, initial, self._reverse, least)

    def a(self, gate: str) -> np.ndarray:
        """``x(gate) + h(gate)``, (B, T, H)."""
        return self._sums()[:, :, self._weights.cell.gates.index(gate)]

    def x(self, gate: str) -> np.ndarray:
        """``W_i? x_t + b_i?`` of one gate, (B, T, H)."""
        return self._x[:, :, self._weights.cell.gates.index(gate)]

    def h(self, gate: str, of: np.ndarray | None = None) -> np.ndarray:
        """``W_h? h_{t-1} + b_h?`` of one gate, (B, T, H); with ``of`` in the place of h_{t-1} where it is given."""
        sums = self._h if of is None else self._product(hh=torch.from_numpy(of))
        return sums[:, :, self._weights.cell.gates.index(gate)]

    def project(self, v: np.ndarray) -> np.ndarray:
        """``W_hr v``, (B, T, P)."""
        assert self._weights.weight_hr is not None
        return v @ self._weights.weight_hr.T

    def _sums(self) -> np.ndarray:
        """``a`` of all gates, (B, T, G, H)."""
        if self._weights.kind == "GRU":  # its candidate needs the two products apart
            return self._x + self._h
        return self._product(ih=self._input, hh=self._hidden_prev)

    @cached_property
    def _x(self) -> np.ndarray:
        return self._product(ih=self._input)

    @cached_property
    def _h(self) -> np.ndarray:
        return self._product(hh=self._hidden_prev)

    def _product(self, **read: Tensor) -> np.ndarray:
        """``W v + b`` of what the input weights (``ih``) and the recurrent ones (``hh``) read, added up, (B, T, G, H)."""
        weights, (batch, steps, _) = self._weights, self._input.shape
        products = [
            values.numpy().reshape(batch * steps, -1) @ getattr(weights, f"weight_{side}").T
            for side, values in read.items()
        ]
        sums = products[0]
        for more in products[1:]:
            sums += more
        if weights.bias_ih is not None:
            sums += sum(getattr(weights, f"bias_{side}") for side in read)
        return sums.reshape(batch, steps, len(weights.cell.gates), -1)
