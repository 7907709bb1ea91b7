"""Means, variances and covariances of long recordings in little memory."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

CHUNK_SIZE = 1 << 17
"""The number of values that are converted to float64 at a time: 1 MB."""


def centred(values: np.ndarray) -> Iterator[np.ndarray]:
    """Yield ``values`` (T, H) minus each unit's mean, some steps at a time, in float64."""
    mean = values.mean(axis=0, dtype=np.float64)
    length = max(1, CHUNK_SIZE // max(values.shape[1], 1))
    for start in range(0, len(values), length):
        yield values[start : start + length] - mean


def covariance(values: np.ndarray) -> np.ndarray:
    """Return (H, H) float64, the covariance of the units of ``values`` (T, H), divided by T."""
    total = np.zeros((values.shape[1], values.shape[1]))
    for part in centred(values):
        total += part.T @ part
    return total / len(values)
