"""What is odd about the numbers of a tensor: those that are none, rows that nothing ever moved."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

SMALLEST_NORMAL_FLOAT16 = 2.0**-14

CHUNK_SIZE = 1 << 22
"""How many numbers are looked at together."""


@dataclass(frozen=True)
class Anomalies:
    """What was found in one tensor.

    Attributes:
        size: how many numbers it holds.
        nan: how many are NaN. inf: how many are infinite.
        denormal: how many are nearer to 0 than the smallest normal number of their type, but not 0: such numbers lose
            digits, and many processors are slow with them.
        zero_rows: the rows of a matrix that are exactly 0 throughout.
        constant_rows: those that are some other number throughout, as only an initializer leaves them.
        largest: the largest magnitude of a finite number.
    """

    size: int
    nan: int
    inf: int
    denormal: int
    zero_rows: tuple[int, ...]
    constant_rows: tuple[int, ...]
    largest: float


def find_anomalies(values: np.ndarray, dtype: str | None = None) -> Anomalies:
    """Look through a tensor, some rows at a time, so that its size does not matter.

    Args:
        values: any shape; of one dimension, or with one number a row, it has no rows. Integers have no oddities.
        dtype: the type that the numbers had in the file, where that is narrower than that of ``values``.
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
            alike = (rows == rows[:, :1]).all(axis=1)
            zero += (start + np.flatnonzero(alike & (rows[:, 0] == 0))).tolist()
            constant += (start + np.flatnonzero(alike & (rows[:, 0] != 0))).tolist()
    return Anomalies(values.size, nan, inf, denormal, tuple(zero), tuple(constant), largest)


def _chunks(values: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Some rows at a time, and the number of the first."""
    if values.ndim == 0:
        yield 0, values[None]
        return
    rows = max(1, CHUNK_SIZE // max(1, values[0].size))
    for start in range(0, len(values), rows):
        yield start, values[start : start + rows]
