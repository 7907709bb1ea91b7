"""Evaluate a cell's equations over whole sequences whose hidden states are known.

Where a fused kernel has run, its hidden states are there and only the gates are missing. Given h_{t-1} for every t,
each gate of all steps is one matrix product, and a carried state (an LSTM's cell) is one elementwise scan.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import linear

from models.cells import Carry
from models.weights import LayerWeights


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


def scan(keep: Tensor, write: Tensor, initial: Tensor, reverse: bool) -> Tensor:
    """``state_t = keep_t * state_{t-1} + write_t`` over all steps, elementwise, in the memory of ``write``.

    Args:
        keep: (B, T, U), between 0 and 1.
        write: (B, T, U); afterwards it holds the states.
        initial: (B, U), the state before the first step.
        reverse: whether to run from the last step to the first.

    Returns:
        (B, T, U), the state after each step: ``write`` itself.
    """
    # numpy, and into memory that is already there: two short calls a step, a fraction of what tensors cost.
    rows = [values.numpy().swapaxes(0, 1) for values in (keep, write)]
    if reverse:
        rows = [values[::-1] for values in rows]
    multiply, add, state = np.multiply, np.add, initial.numpy()
    carried = np.empty_like(state)
    for kept, row in zip(*rows, strict=True):
        multiply(kept, state, carried)
        add(row, carried, row)
        state = row
    return write


class Steps:
    """The namespace ``s`` of ``models.cells`` for all steps of a sequence at once.

    Quantities are computed when they are first asked for. Each is (B, T, units), by position in the sequence;
    positions past a sequence's length are 0.
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

        ``initial_cell`` (B, H) is an LSTM's; ``known`` are further quantities that need no computing.
        """
        self._weights, self._input = weights, x
        self._initial_cell, self._reverse = initial_cell, reverse
        self._padding: Tensor | None = None
        if lengths is not None:
            self._padding = past(lengths, x.shape[1])
        self._products: dict[str, Tensor] = {}
        self.hidden, self.hidden_prev = hidden, hidden_prev
        vars(self).update(known)

    def __getattr__(self, name: str) -> Tensor:
        cell = vars(self)["_weights"].cell
        if name not in cell.equations:
            raise AttributeError(f"{cell.kind} has no {name}; it has {', '.join(cell.quantities)}")
        equation = cell.equations[name]
        values = self._carried(equation) if isinstance(equation, Carry) else equation(self)
        if self._padding is not None:
            values = values.masked_fill(self._padding, 0)
        setattr(self, name, values)
        return values

    def _carried(self, carry: Carry) -> Tensor:
        keep, write = getattr(self, carry.keep), carry.write(self)
        if self._padding is not None:  # padding hands the state on untouched, whichever way the layer reads
            keep = keep.masked_fill(self._padding, 1)
            write = write.masked_fill(self._padding, 0)
        assert self._initial_cell is not None
        return scan(keep, write, self._initial_cell, self._reverse)

    def a(self, gate: str) -> Tensor:
        """``x(gate) + h(gate)``, (B, T, H)."""
        if self._weights.kind == "GRU":  # its candidate needs the two products apart
            return self.x(gate) + self.h(gate)
        if "a" not in self._products:
            weights, shape = self._weights.tensors, self._input.shape[:2]
            total = self._input.reshape(-1, self._input.shape[-1]) @ weights["weight_ih"].T
            total.addmm_(self.hidden_prev.reshape(len(total), -1), weights["weight_hh"].T)
            if "bias_ih" in weights:
                total += weights["bias_ih"] + weights["bias_hh"]
            self._products["a"] = total.view(*shape, -1)
        return self._products["a"][..., self._rows(gate)]

    def x(self, gate: str) -> Tensor:
        """``W_i? x_t + b_i?`` of one gate, (B, T, H)."""
        return self._block("ih", gate, self._input)

    def h(self, gate: str, of: Tensor | None = None) -> Tensor:
        """``W_h? h_{t-1} + b_h?`` of one gate, (B, T, H); with ``of`` in the place of h_{t-1} where it is given."""
        return self._block("hh", gate, self.hidden_prev) if of is None else self._product("hh", of, gate)

    def project(self, v: Tensor) -> Tensor:
        """``W_hr v``, (B, T, P)."""
        return v @ self._weights.tensors["weight_hr"].T

    def _block(self, side: str, gate: str, of: Tensor) -> Tensor:
        if side not in self._products:
            self._products[side] = self._product(side, of)
        return self._products[side][..., self._rows(gate)]

    def _rows(self, gate: str) -> slice:
        size = self._weights.hidden_size
        start = self._weights.cell.gates.index(gate) * size
        return slice(start, start + size)

    def _product(self, side: str, of: Tensor, gate: str | None = None) -> Tensor:
        """``W of + b`` for all gates in one matrix product, or for one gate."""
        rows = slice(None) if gate is None else self._rows(gate)
        bias = self._weights.tensors.get(f"bias_{side}")
        return linear(of, self._weights.tensors[f"weight_{side}"][rows], None if bias is None else bias[rows])
