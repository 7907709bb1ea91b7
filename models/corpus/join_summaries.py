"""The join of the summaries of an index's shards to rows of units, in parts that several workers can write at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from models.corpus.checked_arrays import create_checked, one_core, writable
from models.corpus.state_summaries import (
    BLOCK,
    BLOCKS_OF_CHUNK,
    EXTREMES,
    MASKS,
    MAX_SAMPLES,
    SAMPLE,
    row_extremes,
    sample_stride,
)

SMALL_CHUNK = 256 << 10
"""Bytes up to which the rows of several units are one chunk: reading one of them would take no less time."""

MASK_BYTES, JOINED_BYTES = 8 << 20, 64 << 20
"""Bytes of a chunk of masks, and of those that are joined at a time."""


@dataclass(frozen=True)
class SummaryPart:
    """A part of the joined summaries, all of some rows or some columns of an array.

    Attributes:
        name: ``layer/quantity``.
        array: of the summaries.
        stems: of the files of the shards, in their order.
        rows: the first unit, and the one after the last.
        columns: likewise, of the array.
    """

    name: str
    array: str
    stems: tuple[str, ...]
    rows: tuple[int, int]
    columns: tuple[int, int]


def create_summaries(group: Any, name: str, units: int, steps: int, stems: Sequence[Path]) -> list[SummaryPart]:
    """Create the arrays of one layer's quantity, and return the parts that they consist of.

    Args:
        group: of the index.
        name: ``layer/quantity``.
        units: H.
        steps: tokens of the corpus.
        stems: of the files of the shards, in their order.
    """
    target, files = group.require_group(f"summaries/{name}"), tuple(map(str, stems))
    size, blocks = -(-steps // 8), -(-steps // BLOCK)
    samples = -(-blocks // sample_stride(steps))
    chunk = min(size, MASK_BYTES)
    together = _rows_of_chunk(units, chunk)
    create_checked(target, MASKS, shape=(2, units, size), chunks=(1, together, chunk), dtype="uint8", overwrite=True)
    _create(target, SAMPLE, units, samples, MAX_SAMPLES, "float16")
    for array in EXTREMES:
        _create(target, array, units, blocks, BLOCKS_OF_CHUNK, "float16")
        _create(target, f"{array}_at", units, blocks, BLOCKS_OF_CHUNK, "uint8")
        _create(target, f"{array}_of_chunk", units, -(-blocks // BLOCKS_OF_CHUNK), BLOCKS_OF_CHUNK, "float16")
    at_once = max(1, JOINED_BYTES // (2 * size * together)) * together
    parts = [SummaryPart(name, MASKS, files, rows, (0, size)) for rows in _ranges(units, at_once)]
    parts += [
        SummaryPart(name, array, files, (0, units), columns)
        for extreme in EXTREMES
        for array in (extreme, f"{extreme}_at")
        for columns in _ranges(blocks, BLOCKS_OF_CHUNK)
    ]
    return [*parts, SummaryPart(name, SAMPLE, files, (0, units), (0, blocks))]


def _create(group: Any, name: str, units: int, length: int, most: int, dtype: str) -> None:
    """Create an array (units, length) of which the file of each ``most`` columns has chunks of a few rows."""
    chunk = min(length, most)
    together = _rows_of_chunk(units, chunk * np.dtype(dtype).itemsize)
    create_checked(
        group,
        name,
        shape=(units, length),
        chunks=(together, chunk),
        shards=(-(-units // together) * together, chunk),
        dtype=dtype,
        overwrite=True,
    )


def _rows_of_chunk(units: int, size: int) -> int:
    return min(units, max(1, SMALL_CHUNK // size))


def _ranges(length: int, most: int) -> list[tuple[int, int]]:
    return [(first, min(first + most, length)) for first in range(0, length, most)]


def join_part(folder: str, part: SummaryPart) -> tuple[SummaryPart, np.ndarray | None]:
    """Write a part of the summaries of an index, from the files of its shards.

    Returns:
        The part, and of an array of extremes the extreme (H) of each unit in its columns.
    """
    import zarr

    group: Any = zarr.open_group(folder, mode="r+")
    stride = sample_stride(group.attrs["steps"]) if part.array == SAMPLE else 1
    values = np.concatenate(list(_pieces(part, stride)), axis=-1)
    first, stop = (-(-each // stride) for each in part.columns)
    with one_core():
        target = writable(group, f"summaries/{part.name}/{part.array}")
        target[..., slice(*part.rows), first:stop] = values
    return part, row_extremes(values, part.array) if part.array in EXTREMES else None


def _pieces(part: SummaryPart, stride: int) -> Iterator[np.ndarray]:
    """Yield the part's columns, or every n-th of them, file by file."""
    start = 0
    for stem in part.stems:
        values = np.load(f"{stem}.{part.array}.npy", mmap_mode="r")
        length = values.shape[-1]
        low, high = max(part.columns[0] - start, 0), min(part.columns[1] - start, length)
        if low < high:
            yield values[..., slice(*part.rows), low + -(start + low) % stride : high : stride]
        start += length
