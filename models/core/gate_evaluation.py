"""Evaluate a cell's equations over whole sequences whose hidden states are known.

A fused kernel returns its hidden states, but not its gates. Given h_{t-1} for every t, each gate of all steps is one matrix
product, and a gated state (an LSTM's cell) is one elementwise scan.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from models.core.activations import ZERO_TO_ONE
from models.core.cells import Carry, Gate
from models.core.layer_norm import normalized
from models.core.stepwise_cells import peephole_weights, stepwise_cells
from models.core.weights import LayerWeights, read_only

MIN_SCAN_SIZE = 1024
"""Elements of a step: on fewer, most of numpy's time is the overhead of the call."""


def previous_states(states: Tensor, initial: Tensor, reverse: bool, lengths: Tensor | None) -> Tensor:
    """Return the state before each step.

    Args:
        states: (B, T, U), by position in the sequence.
        initial: (B, U), the state before the first step.
        reverse: whether the layer runs from the last position to the first.
        lengths: (B), the length of each sequence, or None if all are T.

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
            previous[torch.arange(len(lengths), device=lengths.device), lengths - 1] = initial
        previous.masked_fill_(padding_mask(lengths, states.shape[1]), 0)
    return previous


def padding_mask(lengths: Tensor, steps: int) -> Tensor:
    """Return (B, T, 1), True at the positions past each sequence's length."""
    return (torch.arange(steps, device=lengths.device) >= lengths[:, None])[..., None]


def scan(
    gate: np.ndarray, added: np.ndarray, initial: np.ndarray | None, reverse: bool, min_size: int = MIN_SCAN_SIZE
) -> np.ndarray:
    """Compute ``state_t = gate_t * state_{t-1} + added_t`` over all steps, elementwise, in the memory of ``added``.

    Args:
        gate: (B, T, U); between 0 and 1, unless ``min_size`` is 0.
        added: (B, T, U); overwritten by the states.
        initial: (B, U), the state before the first step, or None for zeros.
        reverse: whether to run from the last step to the first.
        min_size: number of elements to compute at once, if there are so many; 0 computes one step after the other.

    Returns:
        (B, T, U), the state after each step: ``added`` itself.
    """
    rows, gates = added.swapaxes(0, 1), gate.swapaxes(0, 1)
    if reverse:
        rows, gates = rows[::-1], gates[::-1]
    row = rows[0]
    if initial is not None:
        row += gates[0] * initial
    # Parallel prefix: doubling ``span``, each row accumulates what the ``span`` steps up to it added, and ``gates`` the
    # product of their gates, which the first ``span`` rows no longer need. Then the rows follow ``span`` at a time.
    gates, span = np.ascontiguousarray(gates[1:]), 1  # one gate of several in memory takes longer to multiply
    while span * row.size < min_size and span < len(rows):
        later = rows[span:]
        later += gates * rows[:-span]
        gates = gates[span:] * gates[:-span]
        span *= 2
    for start in range(span, len(rows), span):
        later = rows[start : start + span]
        later += gates[start - span : start] * rows[start - span : start][: len(later)]
    return added


class SequenceEvaluation:
    """The namespace ``s`` of ``models.core.cells`` for all steps of a sequence at once.

    Quantities are computed on first access. Each is a read-only array (B, T, units), by position in the sequence; positions
    past a sequence's length are 0.
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
        **recorded: Tensor,
    ) -> None:
        """Store a layer's weights, its input (B, T, D), its hidden states (B, T, P) and those one step earlier.

        ``initial_cell`` (B, H) is an LSTM's, None for zeros; ``recorded`` are further quantities, which are not computed.
        """
        self._weights, self._cell, self._input, self._hidden_prev = weights, weights.cell, x, hidden_prev
        self._initial_cell, self._reverse = initial_cell, reverse
        self._lengths = lengths
        self._padding = None if lengths is None else padding_mask(lengths, x.shape[1]).numpy()
        self._recorded = recorded | {"hidden": hidden, "hidden_prev": hidden_prev}
        self._values: dict[str, np.ndarray] = {}
        self._operand: np.ndarray | None = None

    def quantity(self, name: str) -> np.ndarray:
        """Return a gate or state of the cell, or the hidden or cell state one step earlier, (B, T, units)."""
        values = self._values.get(name)
        return self._evaluate(name) if values is None else values

    __getattr__ = quantity
    """``s.forget_gate`` in an equation of ``models.core.cells``."""

    def _evaluate(self, name: str) -> np.ndarray:
        """Compute a quantity and cache it."""
        cell = self._cell
        if name in self._recorded:
            return self._cache(name, read_only(self._recorded[name]))
        if name == "cell_prev" and "cell" in cell.states:
            return self._cache(name, self._previous_cells())
        if name not in cell.equations:
            raise AttributeError(f"{cell.kind} has no {name}; it has {', '.join(cell.quantities)}")
        equation = cell.equations[name]
        if isinstance(equation, Gate):
            self._activate_gates()
            return self._values[name]
        if name == "cell" and (cell.peepholes or cell.cell_norm):
            values = self._stepwise_cells()
        else:
            values = self._carried(equation) if isinstance(equation, Carry) else equation(self)
        return self._cache(name, self._padded(values, 0))

    def _activate_gates(self) -> None:
        """Compute all gates that are an activation of ``s.a``."""
        preactivations = self._preactivations()
        for blocks, activation in self._cell.activated_gates:
            values = activation.in_place(preactivations[:, :, blocks])
            for place, gate in enumerate(self._cell.gates[blocks]):
                if gate not in self._recorded:
                    self._cache(gate, self._padded(values[:, :, place], 0))

    def _cache(self, name: str, values: np.ndarray) -> np.ndarray:
        values.setflags(write=False)
        self._values[name] = values
        return values

    def _padded(self, values: np.ndarray, by: int) -> np.ndarray:
        """Return ``values`` with ``by`` at the padding."""
        return values if self._padding is None else np.where(self._padding, values.dtype.type(by), values)

    def _carried(self, carry: Carry) -> np.ndarray:
        # Padding leaves the state unchanged in both directions.
        gate, added = self._padded(self.quantity(carry.gate), 1), self._padded(carry.added(self), 0)
        initial = None if self._initial_cell is None else self._initial_cell.numpy()
        min_size = MIN_SCAN_SIZE if self._cell.ranges[carry.gate] == ZERO_TO_ONE else 0
        return scan(gate, added, initial, self._reverse, min_size)

    def _stepwise_cells(self) -> np.ndarray:
        sums, weights = torch.from_numpy(self._sums), self._weights
        padding = None if self._padding is None else torch.from_numpy(self._padding)
        return stepwise_cells(self._cell, weights.tensors, sums, self._first_cell(sums), self._reverse, padding).numpy()

    def _previous_cells(self) -> np.ndarray:
        cells = torch.tensor(self.quantity("cell"))
        return previous_states(cells, self._first_cell(cells), self._reverse, self._lengths).numpy()

    def _first_cell(self, like: Tensor) -> Tensor:
        if self._initial_cell is not None:
            return self._initial_cell
        return like.new_zeros(len(like), self._weights.hidden_size)

    def peephole(self, gate: str, c: np.ndarray) -> np.ndarray:
        """Return ``w_c? c`` of one gate, (B, T, H)."""
        return c * peephole_weights(self._cell, self._weights.tensors)[gate].numpy()

    def a(self, gate: str) -> np.ndarray:
        """Return ``x(gate) + h(gate)``, (B, T, H)."""
        return self._sums[:, :, self._cell.gates.index(gate)]

    def x(self, gate: str) -> np.ndarray:
        """Return ``W_i? x_t + b_i?`` of one gate, after a layer norm if there is one, or ``W_mx x_t``, (B, T, H)."""
        if gate == "intermediate":
            return self._product(mx=self._input)[:, :, 0]
        return self._x[:, :, self._cell.gates.index(gate)]

    def h(self, gate: str, of: np.ndarray | None = None) -> np.ndarray:
        """Return ``W_h? h_{t-1} + b_h?`` of one gate, (B, T, H); with ``of`` instead of h_{t-1} if it is given.

        Of the intermediate state of a multiplicative LSTM: ``W_mh h_{t-1}``.
        """
        if gate == "intermediate":
            return self._product(mh=self._hidden_prev)[:, :, 0]
        if of is not None and of is not self._operand:  # one product for all gates
            self._operand, self._of_operand = of, self._product(hh=torch.tensor(of))
        products = self._h if of is None else self._of_operand
        return products[:, :, self._cell.gates.index(gate)]

    def norm(self, v: np.ndarray) -> np.ndarray:
        """Return the layer norm of a cell state, (B, T, H)."""
        return normalized(self._cell, self._weights.tensors, "c", torch.from_numpy(v)).numpy()

    def project(self, v: np.ndarray) -> np.ndarray:
        """Return ``W_hr v``, (B, T, P)."""
        assert self._weights.weight_hr is not None
        return v @ self._weights.weight_hr.T

    def _preactivations(self) -> np.ndarray:
        """Return ``a`` of all gates, (B, T, G, H)."""
        if self._weights.kind == "GRU" or self._cell.norm is not None:  # which need the two products separately
            return self._x + self._h
        return self._product(ih=self._input, hh=self._hidden_prev)

    @cached_property
    def _sums(self) -> np.ndarray:
        return self._preactivations()

    @cached_property
    def _x(self) -> np.ndarray:
        return self._normalized("ih", self._product(ih=self._input))

    @cached_property
    def _h(self) -> np.ndarray:
        return self._normalized("hh", self._product(hh=self._hidden_prev))

    def _normalized(self, part: str, products: np.ndarray) -> np.ndarray:
        """Return the layer norm of the products (B, T, G, H) of all gates together, or the products without one."""
        weights = self._weights
        if self._cell.norm is None:
            return products
        rows = torch.from_numpy(products).flatten(2)
        return normalized(self._cell, weights.tensors, part, rows).view(products.shape).numpy()

    def _product(self, **operands: Tensor) -> np.ndarray:
        """Return the sum of ``W v + b`` of the input weights (``ih``) and the recurrent ones (``hh``), (B, T, G, H).

        Or the product of one matrix of an intermediate state (``mx``, ``mh``), (B, T, 1, H).
        """
        tensors, (batch, steps, _) = self._weights.tensors, self._input.shape
        if torch.is_autocast_enabled("cpu"):  # which casts the operands
            with torch.autocast("cpu", enabled=False):
                return self._product(**operands)
        weight = tensors[f"weight_{next(iter(operands))}"]
        sums = np.empty((batch * steps, len(weight)), weight.numpy().dtype)
        # numpy repeats a bias in less time than torch
        sums[:] = sum(tensors[f"bias_{side}"].numpy() for side in operands if f"bias_{side}" in tensors)
        products = torch.from_numpy(sums)
        for side, values in operands.items():
            products.addmm_(values.reshape(batch * steps, -1), tensors[f"weight_{side}"].t())
        return sums.reshape(batch, steps, -1, self._weights.hidden_size)
