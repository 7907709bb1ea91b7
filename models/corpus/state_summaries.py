"""What an index keeps of its states besides them, so that the first answers need no scan.

    masks         (2, H, bytes) uint8: whether each unit is at or above the threshold, and whether it is at or below minus the
                  threshold, one bit for each token, packed as by ``numpy.packbits``
    maximum, minimum        (H, blocks): of each block of 64 tokens
    maximum_at, minimum_at  (H, blocks) uint8: the first token in the block that has it
    sample        (H, blocks): the first token of each block

One row is one unit's, so that a question reads only the rows of its units. They are written for each shard while the states
are computed, and joined when all shards are there.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from models.corpus.checked_arrays import create_checked, read_part

BLOCK = 64
"""Tokens of a block."""

MASKS = "masks"
BLOCK_ARRAYS = ("maximum", "maximum_at", "minimum", "minimum_at", "sample")
"""The arrays of blocks."""

SMALL_CHUNK = 64 << 10
"""Bytes up to which the rows of several units are one chunk: a file for each would cost more than reading them together."""

MAX_CHUNK, JOINED_BYTES = 8 << 20, 64 << 20
"""Elements of a joined chunk, and bytes that are joined at a time."""


PIECE = 1024
"""Tokens that are summarized at a time: so few that they stay in the processor's cache."""

NOT_FINITE = 0x7C00
"""The bits of the float16 infinity: finite values have smaller ones, apart from the sign."""


def summarize(values: np.ndarray, threshold: float) -> dict[str, np.ndarray]:
    """Return the summaries of states (n, H) float16, n a multiple of ``BLOCK`` except at the end of the corpus.

    They are found from the bits, as integers: those of positive float16 numbers have the order of the numbers, and both
    zeros count as equal.
    """
    bits, level = values.view(np.uint16), _bits_at_least(threshold)
    masks: tuple[list[np.ndarray], list[np.ndarray]] = [], []
    extremes: dict[str, list[np.ndarray]] = {name: [] for name in BLOCK_ARRAYS if name != "sample"}
    for start in range(0, len(bits), PIECE):
        piece = bits[start : start + PIECE]
        signed = piece.view(np.int16)
        masks[0].append(_packed(signed >= level))
        masks[1].append(_packed(piece >= level + 0x8000))
        ordered = _ordered(signed)
        missing = -len(piece) % BLOCK
        if missing:
            ordered = np.concatenate([ordered, np.broadcast_to(ordered[-1:], (missing, ordered.shape[1]))])
        blocks = ordered.reshape(-1, BLOCK, ordered.shape[1])
        for name, best in (("maximum", blocks.max(axis=1)), ("minimum", blocks.min(axis=1))):
            extremes[name].append(np.where(best < 0, -best | -0x8000, best).astype(np.int16))
            extremes[f"{name}_at"].append(_first_place(blocks, best))
    result = {name: np.ascontiguousarray(np.concatenate(each).T) for name, each in extremes.items()}
    result |= {name: result[name].view(np.float16) for name in ("maximum", "minimum")}
    return result | {
        MASKS: np.stack([np.concatenate(each).T for each in masks]),
        "sample": np.ascontiguousarray(values[::BLOCK].T),
    }


def _ordered(bits: np.ndarray) -> np.ndarray:
    """Return int16 in the order of the float16 numbers whose bits are given as int16."""
    sign = bits >> 15
    return ((bits & 0x7FFF) ^ sign) - sign


_FROM_LAST = np.arange(BLOCK, 0, -1, dtype=np.uint8)[None, :, None]


def _first_place(blocks: np.ndarray, best: np.ndarray) -> np.ndarray:
    """Return (blocks, H) uint8, the first place of each block (blocks, BLOCK, H) that has its extreme."""
    return BLOCK - ((blocks == best[:, None]).view(np.uint8) * _FROM_LAST).max(axis=1)


def _bits_at_least(threshold: float) -> int:
    """Return the bits of the smallest float16 that is at or above a positive threshold."""
    with np.errstate(over="ignore"):
        nearest = np.float16(threshold)
    return int(nearest.view(np.uint16)) + (float(nearest) < threshold)


def float16_at_least(threshold: float) -> np.float16:
    """Return the smallest float16 that is at or above a positive threshold.

    Stored states are compared with it, since numpy rounds a number to float16 before it compares it with such, down or up.
    """
    return np.uint16(_bits_at_least(threshold)).view(np.float16)


def _packed(on: np.ndarray) -> np.ndarray:
    """Return (bytes, H) uint8, the bits of (n, H) bool, eight rows a byte, the first row its highest bit."""
    missing = -len(on) % 8
    if missing:
        on = np.concatenate([on, np.zeros((missing, on.shape[1]), dtype=bool)])
    rows = on.view(np.uint8).reshape(-1, 8, on.shape[1])
    result = rows[:, 0] << 7
    for place in range(1, 8):
        result |= rows[:, place] << (7 - place)
    return result


def save_summaries(summaries: dict[str, np.ndarray], stem: Path) -> None:
    """Save the summaries of a shard as files whose names begin with that of ``stem``."""
    for name, values in summaries.items():
        np.save(f"{stem}.{name}.npy", values)


def join_summaries(group: Any, stems: Sequence[Path]) -> None:
    """Write the summaries of all shards as rows of units.

    Args:
        group: of one layer's quantity, ``summaries/<layer>/<quantity>``.
        stems: of the files of the shards, in their order.
    """
    for name in (MASKS, *BLOCK_ARRAYS):
        pieces = [np.load(f"{stem}.{name}.npy", mmap_mode="r") for stem in stems]
        length, (*others, units) = sum(piece.shape[-1] for piece in pieces), pieces[0].shape[:-1]
        size = length * pieces[0].dtype.itemsize
        in_chunk = min(units, max(1, SMALL_CHUNK // max(1, size)))
        chunk = (*(1 for _ in others), in_chunk, max(1, min(length, MAX_CHUNK)))
        target = create_checked(
            group, name, shape=(*others, units, length), chunks=chunk, dtype=pieces[0].dtype, overwrite=True
        )
        together = max(1, JOINED_BYTES // max(1, size * max(1, *others, 1) * in_chunk)) * in_chunk
        for start in range(0, units, together):
            rows = (..., slice(start, start + together), slice(None))
            target[rows] = np.concatenate([piece[rows] for piece in pieces], axis=-1)


def unit_row(group: Any, name: str, unit: int) -> np.ndarray:
    """Return one unit's row of an array of blocks."""
    return read_part(group[name], (unit, slice(None)))


def unit_mask(group: Any, unit: int, negative: bool) -> np.ndarray:
    """Return one unit's mask, (bytes) uint8: at or above the threshold, or at or below minus the threshold."""
    return read_part(group[MASKS], (int(negative), unit, slice(None)))
