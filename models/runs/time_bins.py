"""Time steps joined into bins of equal width, so that a long sequence fits a picture and a row of a map stays small."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

MAX_BINS = 256
"""The most positions of a row; a sequence of up to so many time steps is kept as it is."""


def bin_width(steps: int, most: int = MAX_BINS) -> int:
    """Return the number of time steps in each bin: the smallest power of 2 that leaves at most ``most`` bins."""
    return 1 << max(0, (-(-steps // most) - 1).bit_length())


def bin_means(values: Tensor, width: int) -> Tensor:
    """Return the mean of each bin of the last axis, (..., T) to (..., P); the last bin may have fewer time steps."""
    if width == 1:
        return values
    steps = values.shape[-1]
    whole = steps // width * width
    parts = [values[..., :whole].unflatten(-1, (-1, width)).mean(-1)] if whole else []
    if whole < steps:
        parts.append(values[..., whole:].mean(-1, keepdim=True))
    return torch.cat(parts, -1)


def bin_counts(length: int, width: int, bins: int) -> np.ndarray:
    """Return the number of time steps of a sequence in each of ``bins`` bins, (P,)."""
    return np.clip(length - width * np.arange(bins), 0, width)


def join_bins(rows: np.ndarray, length: int, width: int, wider: int) -> np.ndarray:
    """Return the means of wider bins from those of narrower ones, (..., P) to (..., P').

    Args:
        rows: the means of bins of ``width`` time steps, of a sequence of ``length``.
        length: the number of time steps. width: of the bins.
        wider: the new width, a multiple of ``width``.
    """
    bins = -(-length // width)
    counts = bin_counts(length, width, bins)
    edges = np.arange(0, bins, wider // width)
    return np.add.reduceat(rows[..., :bins] * counts, edges, axis=-1) / np.add.reduceat(counts, edges)


def align_rows(rows: list[np.ndarray], lengths: list[int], widths: list[int], width: int, bins: int) -> np.ndarray:
    """Return rows (..., P) of any lengths and widths as float32 (N, ..., bins) of one width; NaN past a row's length."""
    found = np.full((len(rows), *rows[0].shape[:-1], bins), np.nan, np.float32)
    for place, (row, length, own) in enumerate(zip(rows, lengths, widths, strict=True)):
        count = -(-length // width)
        found[place, ..., :count] = row[..., :count] if own == width else join_bins(row, length, own, width)
    return found
