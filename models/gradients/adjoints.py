"""Many losses of one sequence carried back through a layer together, step by step.

Each loss is a row. At every step all rows go through one matrix product (``models.gradients.transitions``), in memory
that is already there; a loss takes part from the step at which it first reaches the layer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from models.core.trace import LayerTrace
from models.core.weights import LayerWeights
from models.gradients.local_derivatives import Slopes, slopes_of
from models.gradients.transitions import Transitions

TOGETHER, BLOCK = range(4, 17), 1 << 18
"""How many steps are prepared together: so many that their matrices have this many numbers, which a core keeps at hand."""

BLOCKS = 16
"""How many such blocks' local derivatives are held together, where not all are."""


@dataclass(frozen=True, eq=False)
class Source:
    """What comes to a layer's hidden states from above, for R losses at T positions.

    Attributes:
        reached: (T, 2), which rows have been reached at each position, from and to; once reached, always reached.
        touched: (T, 2), to which rows something comes at each position.
        values: (T, R, P), what comes; or (T, 1, P), the same to every row that is touched.
        once: whether something comes to each row only at the step where it is reached.
    """

    reached: np.ndarray
    touched: np.ndarray
    values: np.ndarray
    once: bool

    @classmethod
    def of_losses(cls, losses: np.ndarray, grad: Tensor, reverse: bool) -> Source:
        """Losses at the steps ``losses`` (ascending), whose derivatives by the layer's output are ``grad`` (T, P)."""
        positions = np.arange(len(grad))
        touched = np.stack([np.searchsorted(losses, positions, side) for side in ("left", "right")], axis=1)
        reached = touched.copy()
        reached[:, 0 if reverse else 1] = 0 if reverse else len(losses)
        return cls(reached, touched, grad.numpy()[:, None], once=True)

    @classmethod
    def of_layer(cls, reached: np.ndarray, values: Tensor) -> Source:
        """What a layer above hands down, (T, R, P)."""
        return cls(reached, reached, values.numpy(), once=False)

    def at(self, position: int) -> tuple[slice, np.ndarray]:
        """The rows that something comes to at ``position``, and what."""
        rows, values = self._rows[position], self.values[position]
        return rows, values if len(values) == 1 else values[rows]

    @cached_property
    def _rows(self) -> list[slice]:
        return [slice(first, last) for first, last in self.touched.tolist()]


class Moment(NamedTuple):
    """All rows at one step. The tensors last until the next step.

    Attributes:
        position: k, the step's position in the sequence.
        rows: which rows have been reached by their loss, n of them.
        norms: (n), the L2 norm of each row's derivative of its loss by h_k, all paths included.
        state: (n, H), or (n, 2 H) in an LSTM: the derivative by the hidden state (before a projection), then that by c_k
            apart from what reaches it through h_k.
        inputs: (H or 2 H, D), what takes ``state`` to the derivative by x_k; None where it was not asked for.
    """

    position: int
    rows: slice
    norms: np.ndarray
    state: Tensor
    inputs: Tensor | None


def adjoints(
    layer: LayerTrace,
    sequence: int,
    source: Source,
    inputs: bool = False,
    scaled: bool = False,
    slopes: Slopes | None = None,
) -> Iterator[Moment]:
    """Go back through one sequence of ``layer``, from the last step that it computed to the first.

    Args:
        layer: what ran.
        sequence: which one of the batch.
        source: what comes from above.
        inputs: whether the derivatives by the layer's input will be wanted.
        scaled: whether what comes was multiplied by ``SCALE``.
        slopes: the layer's local derivatives, where they are held anyway; else those of a few blocks are at a time.
    """
    weights, size = layer.weights, layer.weights.hidden_size
    project, has_cell = weights.tensors.get("weight_hr"), layer.kind == "LSTM"
    columns = 2 * size if has_cell else size
    limit, reached = faint(layer.hidden.dtype, scaled), source.reached.tolist()
    precision = None if scaled else torch.float64
    now, then = (Rows.zero(max(last for _, last in reached), columns, weights) for _ in range(2))
    living = slice(0, len(now.state))
    numbers = columns * (weights.output_size + inputs * weights.input_size)
    steps = _Blocks(layer, sequence, slopes, inputs, min(TOGETHER[-1], max(TOGETHER[0], BLOCK // numbers)))

    for block in steps:
        lowest, highest = min(first for first, _ in reached[block]), max(last for _, last in reached[block])
        rows = slice(max(lowest, living.start), min(highest, living.stop))
        if rows.start >= rows.stop:
            continue
        matrices, input_matrices, kept = steps.prepared(block)
        here, there = now.part(rows), then.part(rows)
        positions = range(block.start, block.stop)
        for position in positions if layer.reverse else reversed(positions):
            at = position - block.start
            touched, values = source.at(position)
            now.numbers[touched] += values
            if project is not None:
                torch.mm(here.hidden, project, out=here.read)
            norms = torch.linalg.vector_norm(here.hidden, dim=1, dtype=precision).numpy()
            if at % 8 == 0:
                _let_go(here, norms, limit)
            yield Moment(position, rows, norms, here.state, input_matrices[at] if input_matrices else None)
            torch.mm(here.state, matrices[at], out=there.hidden)
            if kept:  # dc_{k-1} = f (dc + dh dh/dc)
                keep, keep_read = kept[at]
                torch.mul(here.cell, keep, out=there.cell)
                there.cell.addcmul_(here.read, keep_read)
            now, then, here, there = then, now, there, here
        if source.once:
            living = _living(here, rows, living, layer.reverse)


class _Blocks:
    """The steps of one sequence in blocks that are prepared together, the last computed first."""

    def __init__(self, layer: LayerTrace, sequence: int, slopes: Slopes | None, inputs: bool, length: int) -> None:
        """Blocks of ``length`` steps; ``slopes`` are the layer's, where they are known."""
        self._layer, self._sequence, self._inputs, self._length = layer, sequence, inputs, length
        self._span = slice(0, 0)
        if slopes is not None:
            self._hold(slopes, sequence, slice(0, layer.shape[1]))

    def __iter__(self) -> Iterator[slice]:
        steps = self._layer.shape[1]
        starts = range(0, steps, self._length)
        for start in starts if self._layer.reverse else reversed(starts):
            yield slice(start, min(start + self._length, steps))

    def prepared(self, block: slice) -> tuple[Sequence[Tensor], Sequence[Tensor], Sequence[tuple[Tensor, Tensor]]]:
        """By step of ``block``: what takes a row to the step before; to the input; and what keeps an LSTM's cell."""
        if not self._span.start <= block.start < self._span.stop:
            length = BLOCKS * self._length
            start = block.start // length * length
            span = slice(start, min(start + length, self._layer.shape[1]))
            self._hold(slopes_of(self._layer.part(self._sequence, span)), 0, span)
        steps = slice(block.start - self._span.start, block.stop - self._span.start)
        to_input = self._to_input(steps).unbind(1) if self._to_input is not None else ()
        kept = zip(self._keep[steps], self._keep_read[steps], strict=True) if self._keep else ()
        return self._to_hidden(steps).unbind(1), to_input, list(kept)

    def _hold(self, slopes: Slopes, row: int, span: slice) -> None:
        weights = self._layer.weights
        self._span = span
        self._to_hidden = Transitions(weights, slopes, row, "hh")
        self._to_input = Transitions(weights, slopes, row, "ih", self._to_hidden) if self._inputs else None
        self._keep: tuple[Tensor, ...] = ()
        if slopes.read is not None and slopes.keep is not None:
            self._keep = torch.tensor(slopes.keep[row]).unbind()
            self._keep_read = torch.tensor(slopes.keep[row] * slopes.read[row]).unbind()


class Rows:
    """All rows at one step.

    Attributes:
        state: (R, H), or (R, 2 H) in an LSTM: the derivatives by what is read of the cell, then those by the cell.
        read: (R, H), the first part of it. cell: the rest.
        hidden: (R, P), the derivatives by the hidden state, the same as ``read`` where nothing is projected.
        numbers: ``hidden`` as numpy sees it.
    """

    def __init__(self, state: Tensor, size: int, projected: Tensor | None) -> None:
        """Rows of ``state``, of ``size`` units; ``projected`` (R, P) are the hidden states of a projected layer."""
        self.state, self._size, self._projected = state, size, projected
        self.read, self.cell = state[:, :size], state[:, size:]
        self.hidden = self.read if projected is None else projected
        self.numbers = self.hidden.numpy()

    @classmethod
    def zero(cls, losses: int, columns: int, weights: LayerWeights) -> Rows:
        """Nothing, for ``losses`` losses."""
        state = torch.zeros(losses, columns, dtype=weights.tensors["weight_hh"].dtype)
        projected = None if weights.weight_hr is None else state.new_zeros(losses, weights.output_size)
        return cls(state, weights.hidden_size, projected)

    def part(self, rows: slice) -> Rows:
        """Some of them, in the same memory."""
        return Rows(self.state[rows], self._size, None if self._projected is None else self._projected[rows])


SCALE = 2.0**48
"""What float32 gradients are multiplied by, so that fading ones stay far from the smallest numbers for longer, and so
that their squares can be summed in float32; only where that overflows they go without, and their squares in float64."""


def faint(dtype: np.dtype, scaled: bool = False) -> float:
    """The norm below which a row counts as 0."""
    if dtype == np.float64:
        return 1e-150
    return 1e-16 if scaled else 1e-31


def _let_go(rows: Rows, norms: np.ndarray, limit: float) -> None:
    """Set rows that have faded away to 0: in denormal numbers a product takes hundreds of times as long."""
    fading = np.flatnonzero(norms < limit)
    if len(fading):
        fading = fading[np.abs(rows.state.numpy()[fading]).max(axis=1) < limit]
        rows.state.numpy()[fading], rows.numbers[fading], norms[fading] = 0, 0, 0


def _living(here: Rows, rows: slice, living: slice, reverse: bool) -> slice:
    """The rows that are still to be carried on: without those at the far end, reached long ago, that have faded away."""
    alive = np.flatnonzero(here.state.numpy().any(axis=1))
    if reverse:
        return slice(rows.start + (int(alive[0]) if len(alive) else rows.stop - rows.start), living.stop)
    return slice(living.start, rows.start + (int(alive[-1]) + 1 if len(alive) else 0))
