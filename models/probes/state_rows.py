"""Rows of states that may be larger than memory: arrays of numpy, Zarr or HDF5, some steps at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from models.core.messages import Problem
from models.training.cancelled_calls import end_if_cancelled

CHUNK_NUMBERS = 1 << 21
"""The number of values that are in memory at a time: 8 MB as float32; of an array with larger chunks a chunk."""


class StateArray(Protocol):
    """States (N, H) of floats: an array of numpy, or another that a slice of rows makes one, as of Zarr."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, H)."""

    def __getitem__(self, rows: slice, /) -> Any:
        """Return some rows."""


@dataclass(frozen=True, eq=False)
class UnitColumn:
    """One unit of states, as states (N, 1).

    Attributes:
        states: (N, H).
        unit: the unit's index.
    """

    states: StateArray
    unit: int

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, 1)."""
        return self.states.shape[0], 1

    def __getitem__(self, rows: slice, /) -> np.ndarray:
        return np.asarray(self.states[rows])[:, self.unit : self.unit + 1]


def row_chunks(
    states: StateArray, rows: np.ndarray, seed: int | None = None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield some rows of ``states`` at a time: places in ``rows`` (n) and the states there (n, H), float32.

    Args:
        states: (N, H).
        rows: ascending indices of steps.
        seed: for chunks in a random order; None for that of the rows.

    Raises:
        Problem: a state is not finite.
        CancelledError: the task was cancelled.
    """
    length = max(1, CHUNK_NUMBERS // max(states.shape[1], 1), getattr(states, "chunks", (0,))[0])  # once each
    starts = np.arange(0, states.shape[0], length)
    edges = np.searchsorted(rows, np.append(starts, states.shape[0]))
    chunks = np.flatnonzero(np.diff(edges))
    if seed is not None:
        chunks = np.random.default_rng(seed).permutation(chunks)
    for chunk in chunks.tolist():
        end_if_cancelled()
        places = np.arange(edges[chunk], edges[chunk + 1])
        inside = rows[places]
        first, last = int(inside[0]), int(inside[-1])
        values = np.asarray(states[first : last + 1])[inside - first].astype(np.float32)
        finite = np.isfinite(values).all(axis=1)
        if not finite.all():
            raise Problem(
                "The states are not finite at step {step} of the corpus. Choose another layer or check the network's "
                "weights.",
                step=int(inside[finite.argmin()]) + 1,
            )
        yield places, values


def states_at(states: StateArray, rows: np.ndarray) -> np.ndarray:
    """Return ``states`` at ``rows`` (n), in any order and repeated at will, (n, H) float32.

    Raises:
        Problem: a state is not finite.
        CancelledError: the task was cancelled.
    """
    once, inverse = np.unique(rows, return_inverse=True)
    found = np.empty((len(once), states.shape[1]), np.float32)
    for places, values in row_chunks(states, once):
        found[places] = values
    return found if np.array_equal(once, rows) else found[inverse]


def check_steps(states: StateArray, **others: np.ndarray | None) -> None:
    """Check that states are (N, H) and that the other arrays, by name, are (N).

    Raises:
        Problem: there is no state.
        ValueError: a shape does not fit.
    """
    if len(states.shape) != 2:
        raise ValueError(f"States are (N, H), not {tuple(states.shape)}.")
    if not all(states.shape):
        raise Problem("There are no states to probe. Choose a corpus with at least one step and a layer with units.")
    for name, values in others.items():
        if values is not None and values.shape != states.shape[:1]:
            raise ValueError(f"{name} is ({states.shape[0]}), one for each step, not {values.shape}.")
