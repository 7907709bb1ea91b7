"""Anomalies in a tensor's values: NaN, infinity, denormal numbers, constant rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

SMALLEST_NORMAL_FLOAT16 = 2.0**-14

CHUNK_SIZE = 1 << 22
"""The number of elements that are processed at once."""


@dataclass(frozen=True)
class Anomalies:
    """The anomalies of one tensor.

    Attributes:
        size: the number of elements.
        nan, inf: how many are NaN, and how many are infinite.
        denormal: how many are closer to 0 than the smallest normal number of their dtype, but not 0: such numbers lose
            precision, and many processors are slow with them.
        zero_rows: the rows of a matrix that are exactly 0 throughout.
        constant_rows: the rows that are another constant throughout, as only an initializer produces them.
        largest: the largest finite magnitude.
    """

    size: int
    nan: int
    inf: int
    denormal: int
    zero_rows: tuple[int, ...]
    constant_rows: tuple[int, ...]
    largest: float


def find_anomalies(values: np.ndarray, dtype: str | None = None) -> Anomalies:
    """Count the anomalies of a tensor, some rows at a time so that memory stays bounded.

    Args:
        values: an array of any shape; in 1-D arrays, or with one element per row, rows are not checked. Integer arrays have
            no anomalies.
        dtype: the dtype in the file, if it is narrower than that of ``values``.
    """
    nan = inf = denormal = 0
    largest = 0.0
    zero: list[int] = []
    constant: list[int] = []
    if values.dtype.kind != "f" or not values.size:
        return Anomalies(values.size, 0, 0, 0, (), (), float(np.abs(values).max(initial=0)))
    tiny = SMALLEST_NORMAL_FLOAT16 if dtype == "float16" else np.finfo(values.dtype).tiny
    for start, part in _chunks(values):
        finite = np.isfinite(part)
        if not finite.all():
            nan += int(np.isnan(part).sum())
            inf += int(np.isinf(part).sum())
        size = np.abs(part)
        denormal += int(((size < tiny) & (size > 0)).sum())
        largest = max(largest, float(size.max(where=finite, initial=0)))
        if values.ndim > 1 and part[0].size > 1:
            rows = part.reshape(len(part), -1)
            is_constant = (rows == rows[:, :1]).all(axis=1)
            zero += (start + np.flatnonzero(is_constant & (rows[:, 0] == 0))).tolist()
            constant += (start + np.flatnonzero(is_constant & (rows[:, 0] != 0))).tolist()
    return Anomalies(values.size, nan, inf, denormal, tuple(zero), tuple(constant), largest)


def _chunks(values: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Generate (index of the first row, some rows)."""
    if values.ndim == 0:
        yield 0, values[None]
        return
    rows = max(1, CHUNK_SIZE // max(1, values[0].size))
    for start in range(0, len(values), rows):
        yield start, values[start : start + rows]
