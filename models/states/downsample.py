"""A recording downsampled to the resolution of a picture: mean, lowest and highest value of blocks of steps and units.

A spike is in the lowest or the highest value of its block, whatever the block's size; if a window is small enough, every
block is one number and the picture is exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import isqrt

import numpy as np

from models.core.messages import Problem


@dataclass(frozen=True, eq=False)
class DownsampledWindow:
    """A window of a recording as h x t blocks.

    Attributes:
        mean: (t, h) float32, of each block; NaN for a block with a NaN.
        low: (t, h) float32, the lowest value of each block.
        high: (t, h) float32, the highest.
        step_edges: (t + 1), the blocks' first steps, and the window's end.
        unit_edges: (h + 1), the blocks' first indices into the unit order, and the window's end.
        units: the window's units, in the order in which they are drawn.
    """

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    step_edges: np.ndarray
    unit_edges: np.ndarray
    units: np.ndarray

    @property
    def exact(self) -> bool:
        """Return whether every block is one number."""
        return len(self.step_edges) - 1 == self.step_edges[-1] - self.step_edges[0] and len(self.unit_edges) - 1 == len(
            self.units
        )

    @property
    def nbytes(self) -> int:
        """The size of a picture's data in bytes: of the mean alone if it is exact, else of all three arrays."""
        return self.mean.nbytes * (1 if self.exact else 3)


def downsample(
    values: np.ndarray,
    max_blocks: int,
    steps: slice = slice(None),
    places: slice = slice(None),
    order: np.ndarray | None = None,
) -> DownsampledWindow:
    """Return a window of ``values`` (T, H) in at most ``max_blocks`` blocks.

    Beside the result it needs memory for one block of steps at a time, never for a second copy of ``values``.

    Args:
        values: (T, H), a gate or state.
        max_blocks: the largest number of blocks, at least 1.
        steps: the window's steps.
        places: the window's units, as a slice of ``order``.
        order: (H), the units in the order in which they are drawn (``models.states.unit_order``).

    Raises:
        Problem: the window is empty.
    """
    start, stop, _ = steps.indices(values.shape[0])
    units = np.arange(values.shape[1]) if order is None else np.asarray(order)
    first, last, _ = places.indices(len(units))
    units = units[first:last]
    if stop <= start or not units.size or max_blocks < 1:
        raise Problem("The selection contains no time steps or no units. Select a larger part.")
    t, h = block_counts(stop - start, len(units), max_blocks)
    step_edges = start + np.linspace(0, stop - start, t + 1).round().astype(int)
    edges = np.linspace(0, len(units), h + 1).round().astype(int)
    counts = np.diff(edges)
    mean, low, high = (np.empty((t, h), np.float32) for _ in range(3))
    for block, (begin, end) in enumerate(pairwise(step_edges.tolist())):
        part = values[begin:end]
        low[block] = np.minimum.reduceat(part.min(axis=0)[units], edges[:-1])
        high[block] = np.maximum.reduceat(part.max(axis=0)[units], edges[:-1])
        total = np.add.reduceat(part.sum(axis=0, dtype=np.float64)[units], edges[:-1])
        mean[block] = total / (counts * (end - begin))
    return DownsampledWindow(mean, low, high, step_edges, first + edges, units)


def block_counts(steps: int, units: int, max_blocks: int) -> tuple[int, int]:
    """Return the numbers of blocks of steps and of units: one per number if they fit, else about equal numbers of both.

    >>> blocks(10_000, 1024, 60_000), blocks(10_000, 8, 60_000), blocks(83, 128, 60_000)
    ((245, 244), (7500, 8), (83, 128))
    """
    if steps * units <= max_blocks:
        return steps, units
    h = max(1, min(units, isqrt(max_blocks)))
    t = min(steps, max(1, max_blocks // h))
    return t, min(units, max(1, max_blocks // t))
