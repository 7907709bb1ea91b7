"""Backpropagation of many losses of one sequence through a layer at once, step by step.

Each loss is a row. At every step all rows go through one matrix product (``models.gradients.transitions``), in buffers
that are allocated once; a loss takes part from the step at which it first reaches the layer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from models.core.local_derivatives import LocalDerivatives, local_derivatives
from models.core.trace import LayerTrace
from models.core.weights import LayerWeights
from models.gradients.normed_transitions import NormedTransitions
from models.gradients.transitions import Transitions, transitions_of

STEPS_PER_BLOCK, NUMBERS_PER_BLOCK = range(4, 17), 1 << 18
"""The range of steps per block, and the size of their matrices (numbers) to aim at: that many fit into a core's cache."""

BLOCKS_IN_MEMORY = 16
"""The number of blocks whose local derivatives are in memory at a time, unless those of the whole layer are given."""


@dataclass(frozen=True, eq=False)
class IncomingGradients:
    """The gradients that come to a layer's hidden states from above, for R losses at T positions.

    Attributes:
        active: (T, 2), the rows (first, last + 1) that have received a gradient by each position; they stay active.
        arriving: (T, 2), the rows (first, last + 1) that receive a gradient at each position.
        values: (T, R, P), the gradients; or (T, 1, P), the same for every row that receives one.
        once: whether each row receives a gradient only at the step where it becomes active.
    """

    active: np.ndarray
    arriving: np.ndarray
    values: np.ndarray
    once: bool

    @classmethod
    def of_losses(cls, losses: np.ndarray, grad: Tensor, reverse: bool) -> IncomingGradients:
        """Return those of losses at the steps ``losses`` (ascending), whose derivatives by the output are ``grad`` (T, P)."""
        positions = np.arange(len(grad))
        arriving = np.stack([np.searchsorted(losses, positions, side) for side in ("left", "right")], axis=1)
        active = arriving.copy()
        active[:, 0 if reverse else 1] = 0 if reverse else len(losses)
        return cls(active, arriving, grad.numpy()[:, None], once=True)

    @classmethod
    def of_layer(cls, active: np.ndarray, values: Tensor) -> IncomingGradients:
        """Return those from the layer above, ``values`` (T, R, P)."""
        return cls(active, active, values.numpy(), once=False)

    def at(self, position: int) -> tuple[slice, np.ndarray]:
        """Return the rows that receive a gradient at ``position``, and the gradients."""
        rows, values = self._rows[position], self.values[position]
        return rows, values if len(values) == 1 else values[rows]

    @cached_property
    def _rows(self) -> list[slice]:
        return [slice(first, last) for first, last in self.arriving.tolist()]


class BackwardStep(NamedTuple):
    """The derivatives of all losses by the state of one step. The tensors are overwritten at the next step.

    Attributes:
        position: k, the step's position in the sequence.
        rows: the active rows, n of them.
        norms: (n), the L2 norm of each row's derivative of its loss by h_k, all paths included.
        state: (n, H), or (n, 2 H) in an LSTM: the derivative by the hidden state (before a projection), then that by c_k
            without the path through h_k.
        to_input: (H or 2 H, D), the matrix from ``state`` to the derivative by x_k; None if it was not requested.
    """

    position: int
    rows: slice
    norms: np.ndarray
    state: Tensor
    to_input: Tensor | None


def adjoints(
    layer: LayerTrace,
    sequence: int,
    source: IncomingGradients,
    inputs: bool = False,
    scaled: bool = False,
    derivatives: LocalDerivatives | None = None,
) -> Iterator[BackwardStep]:
    """Yield the derivatives by the state of each step of one sequence of ``layer``, from the last computed step to the first.

    Args:
        layer: the layer's run.
        sequence: the index in the batch.
        source: the gradients from above.
        inputs: whether to compute the matrices to the layer's input too.
        scaled: whether the gradients from above are multiplied by ``GRADIENT_SCALE``.
        derivatives: the layer's local derivatives, if they are in memory already; None computes them a few blocks at a time.
    """
    weights, size = layer.weights, layer.weights.hidden_size
    project, has_cell = weights.tensors.get("weight_hr"), layer.kind == "LSTM"
    columns = 2 * size if has_cell else size
    limit, active = underflow_threshold(layer.hidden.dtype, scaled), source.active.tolist()
    precision = None if scaled else torch.float64
    now, before = (AdjointRows.zero(max(last for _, last in active), columns, weights) for _ in range(2))
    living, normed = slice(0, len(now.state)), weights.cell.cell_norm
    numbers = columns * (weights.output_size + inputs * weights.input_size)
    steps = _Blocks(
        layer,
        sequence,
        derivatives,
        inputs,
        min(STEPS_PER_BLOCK[-1], max(STEPS_PER_BLOCK[0], NUMBERS_PER_BLOCK // numbers)),
    )

    for block in steps:
        lowest, highest = min(first for first, _ in active[block]), max(last for _, last in active[block])
        rows = slice(max(lowest, living.start), min(highest, living.stop))
        if rows.start >= rows.stop:
            continue
        matrices, input_matrices, carries = steps.prepared(block)
        current, previous = now.part(rows), before.part(rows)
        positions = range(block.start, block.stop)
        for position in positions if layer.reverse else reversed(positions):
            at = position - block.start
            arriving, values = source.at(position)
            now.numbers[arriving] += values
            if project is not None:
                torch.mm(current.hidden, project, out=current.unprojected)
            norms = torch.linalg.vector_norm(current.hidden, dim=1, dtype=precision).numpy()
            if at % 8 == 0:
                _flush_underflow(current, norms, limit)
            yield BackwardStep(position, rows, norms, current.state, input_matrices[at] if input_matrices else None)
            torch.mm(current.state, matrices[at], out=previous.hidden)
            if normed:
                torch.mm(current.state, carries[at][0], out=previous.cell)
            elif carries:  # dc_{k-1} = f (dc + dh dh/dc)
                carry, carry_to_hidden = carries[at]
                torch.mul(current.cell, carry, out=previous.cell)
                previous.cell.addcmul_(current.unprojected, carry_to_hidden)
            now, before, current, previous = before, now, previous, current
        if source.once:
            living = _nonzero_rows(current, rows, living, layer.reverse)


class _Blocks:
    """The steps of one sequence in blocks whose matrices are computed together, the last computed step first."""

    def __init__(
        self, layer: LayerTrace, sequence: int, derivatives: LocalDerivatives | None, inputs: bool, length: int
    ) -> None:
        """Make blocks of ``length`` steps; ``derivatives`` are the whole layer's, or None."""
        self._layer, self._sequence, self._inputs, self._length = layer, sequence, inputs, length
        self._span = slice(0, 0)
        if derivatives is not None:
            self._load(derivatives, sequence, slice(0, layer.shape[1]))

    def __iter__(self) -> Iterator[slice]:
        steps = self._layer.shape[1]
        starts = range(0, steps, self._length)
        for start in starts if self._layer.reverse else reversed(starts):
            yield slice(start, min(start + self._length, steps))

    def prepared(self, block: slice) -> tuple[Sequence[Tensor], Sequence[Tensor], Sequence[tuple[Tensor, ...]]]:
        """Return for each step of ``block`` the matrix to the step before, that to the input, and an LSTM's carry factors.

        Where the cell state is normalized, these are one matrix to the cell state before.
        """
        if not self._span.start <= block.start < self._span.stop:
            length = BLOCKS_IN_MEMORY * self._length
            start = block.start // length * length
            span = slice(start, min(start + length, self._layer.shape[1]))
            self._load(local_derivatives(self._layer.select(self._sequence, span)), 0, span)
        steps = slice(block.start - self._span.start, block.stop - self._span.start)
        to_input = self._to_input(steps).unbind(1) if self._to_input is not None else ()
        if self._layer.weights.cell.cell_norm:
            return (
                self._to_hidden(steps).unbind(1),
                to_input,
                [(each,) for each in self._to_hidden.carry(steps).unbind(1)],
            )
        carries = zip(self._carry[steps], self._carry_to_hidden[steps], strict=True) if self._carry else ()
        return self._to_hidden(steps).unbind(1), to_input, list(carries)

    def _load(self, derivatives: LocalDerivatives, row: int, span: slice) -> None:
        weights = self._layer.weights
        self._span = span
        self._to_hidden = transitions_of(weights, derivatives, row)
        self._to_input: Transitions | NormedTransitions | None = None
        if self._inputs and isinstance(self._to_hidden, Transitions):
            self._to_input = Transitions(weights, derivatives, row, "ih", self._to_hidden)
        elif self._inputs:
            self._to_input = transitions_of(weights, derivatives, row, "ih")
        self._carry: tuple[Tensor, ...] = ()
        if derivatives.cell_to_hidden is not None and derivatives.carry is not None:
            self._carry = torch.tensor(derivatives.carry[row]).unbind()
            self._carry_to_hidden = torch.tensor(derivatives.carry[row] * derivatives.cell_to_hidden[row]).unbind()


class AdjointRows:
    """The buffers for the derivatives of all losses by one step's state, a row for each loss.

    Attributes:
        state: (R, H), or (R, 2 H) in an LSTM: the derivatives by the hidden state before a projection, then those by the
            cell.
        unprojected: (R, H), the first part of it. cell: the rest.
        hidden: (R, P), the derivatives by the hidden state; the same tensor as ``unprojected`` without a projection.
        numbers: ``hidden`` as a numpy view.
    """

    def __init__(self, state: Tensor, size: int, projected: Tensor | None) -> None:
        """Make rows of ``state`` with ``size`` units; ``projected`` (R, P): the derivatives by a projected hidden state."""
        self.state, self._size, self._projected = state, size, projected
        self.unprojected, self.cell = state[:, :size], state[:, size:]
        self.hidden = self.unprojected if projected is None else projected
        self.numbers = self.hidden.numpy()

    @classmethod
    def zero(cls, losses: int, columns: int, weights: LayerWeights) -> AdjointRows:
        """Return zeros for ``losses`` losses."""
        state = torch.zeros(losses, columns, dtype=weights.tensors["weight_hh"].dtype)
        projected = None if weights.weight_hr is None else state.new_zeros(losses, weights.output_size)
        return cls(state, weights.hidden_size, projected)

    def part(self, rows: slice) -> AdjointRows:
        """Return a view of some rows."""
        return AdjointRows(self.state[rows], self._size, None if self._projected is None else self._projected[rows])


GRADIENT_SCALE = 2.0**48
"""The factor that float32 gradients are multiplied by. It keeps vanishing gradients away from underflow for longer and lets
their squares be summed in float32. If it causes an overflow, they run unscaled, with their squares summed in float64."""


def underflow_threshold(dtype: np.dtype, scaled: bool = False) -> float:
    """Return the norm below which a row counts as 0."""
    if dtype == np.float64:
        return 1e-150
    return 1e-16 if scaled else 1e-31


def _flush_underflow(rows: AdjointRows, norms: np.ndarray, limit: float) -> None:
    """Set rows that have vanished to 0: with denormal numbers a product takes hundreds of times as long."""
    small = np.flatnonzero(norms < limit)
    if len(small):
        small = small[np.abs(rows.state.numpy()[small]).max(axis=1) < limit]
        rows.state.numpy()[small], rows.numbers[small], norms[small] = 0, 0, 0


def _nonzero_rows(current: AdjointRows, rows: slice, living: slice, reverse: bool) -> slice:
    """Return the rows that still have to be computed: without those at the far end, active longest, that have vanished."""
    alive = np.flatnonzero(current.state.numpy().any(axis=1))
    if reverse:
        return slice(rows.start + (int(alive[0]) if len(alive) else rows.stop - rows.start), living.stop)
    return slice(living.start, rows.start + (int(alive[-1]) + 1 if len(alive) else 0))
