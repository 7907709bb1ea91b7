"""Retention by the gates alone: the product of forget (LSTM) or update (GRU) gates, and its half-life.

An LSTM's cell is carried on by ``c_t = f_t c_{t-1} + ...`` (Gers, Schmidhuber and Cummins 2000), a GRU's hidden state by
``h_t = z_t h_{t-1} + ...`` (Cho et al. 2014): between two steps the old state is multiplied by the gates on the way.
"""

from __future__ import annotations

import numpy as np

from models.core.trace import LayerTrace
from models.states.moments import CHUNK_SIZE


def retention_gate(layer: LayerTrace, row: int = 0) -> np.ndarray | None:
    """Return the gate that carries the state on, (T, H) in the order of computation; None for an RNN."""
    carry = layer.weights.cell.carry
    if carry is None:
        return None
    values = layer[carry.gate][row, : int(layer.lengths[row])]
    return values[::-1] if layer.reverse else values


def retained(keep: np.ndarray, since: int, until: int) -> np.ndarray:
    """Return (H) float64, the share of the state after step ``since`` that is left after step ``until``; 1 if they are equal.

    Args:
        keep: (T, H), the gate that carries the state on.
        since, until: steps from 0, in the order of computation.
    """
    return keep[since + 1 : until + 1].prod(axis=0, dtype=np.float64)


def log10_retained(keep: np.ndarray, since: int, until: int) -> np.ndarray:
    """Return (H) float64, log10 of ``retained``, also where that underflows; -inf where a gate is exactly 0."""
    with np.errstate(divide="ignore"):
        return np.log10(keep[since + 1 : until + 1], dtype=np.float64).sum(axis=0)


def half_life(keep: np.ndarray) -> np.ndarray:
    """Return (H) float64, the number of steps after which half of a unit's state is left, the median over time.

    At a step where the gate is f, half is left after ln(1/2) / ln(f) steps like it: infinitely many for a gate of exactly 1,
    0 for one of exactly 0. NaN for a unit with a NaN.
    """
    parts = np.array_split(keep, max(1, -(-keep.size // CHUNK_SIZE)), axis=1)  # some units at a time: sorted in float64
    return np.concatenate([_half_life(part.astype(np.float64)) for part in parts])


def _half_life(keep: np.ndarray) -> np.ndarray:
    # log1p(f - 1) is accurate where f is so near to 1 that log(f) would lose its digits
    with np.errstate(divide="ignore", invalid="ignore"):
        logarithm = np.log1p(keep - 1.0)
        steps = np.where(logarithm == 0, np.inf, np.log(0.5) / logarithm)
    ordered = np.sort(steps, axis=0)  # np.median would compute inf - inf of two infinite middles
    low, high = ordered[(len(steps) - 1) // 2], ordered[len(steps) // 2]
    middle = np.where(low == high, low, (low + high) / 2)
    return np.where(np.isnan(steps).any(axis=0), np.nan, middle)
