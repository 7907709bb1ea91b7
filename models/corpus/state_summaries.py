"""What an index keeps of its states besides them, so that the first answers need no scan.

    masks         (2, H, bytes) uint8: whether each unit is at or above the threshold, and whether it is at or below minus the
                  threshold, one bit for each token, packed as by ``numpy.packbits``
    maximum, minimum        (H, blocks): of each block of 64 tokens
    maximum_at, minimum_at  (H, blocks) uint8: the first token in the block that has it
    maximum_of_chunk, minimum_of_chunk  (H, chunks): of each ``BLOCKS_OF_CHUNK`` blocks, by which a search for the largest
                  values leaves most chunks out
    sample        (H, samples): the first token of each block, or in a large corpus of every n-th block

One row is one unit's, so that a question reads only the rows of its units. They are computed for each shard together with the
states, and joined when all shards are there (``models.corpus.join_summaries``).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

BLOCK = 64
"""Tokens of a block."""

MASKS, SAMPLE = "masks", "sample"
EXTREMES = ("maximum", "minimum")

BLOCKS_OF_CHUNK = 1 << 14
"""Blocks that are read together: a million tokens."""

MAX_SAMPLES = 1 << 16

PIECE = 4
"""Units that are summarized at a time: so few that their states stay in the processor's cache."""

NOT_FINITE = 0x7C00
"""The bits of the float16 infinity: finite values have smaller ones, apart from the sign."""


def summarize(values: np.ndarray, threshold: float) -> dict[str, np.ndarray]:
    """Return the summaries of states (H, n) float16, n a multiple of ``BLOCK`` except at the end of the corpus.

    They are found from the bits, as integers: those of positive float16 numbers have the order of the numbers, and both
    zeros count as equal. Of numbers that are not finite, the extremes are some.
    """
    level = _bits_at_least(threshold)
    names = (MASKS, SAMPLE, *EXTREMES, *(f"{name}_at" for name in EXTREMES))
    found: dict[str, list[np.ndarray]] = {name: [] for name in names}
    for first in range(0, len(values), PIECE):
        bits = values[first : first + PIECE].view(np.int16)
        on = (bits >= level, bits.view(np.uint16) >= level + 0x8000)
        found[MASKS].append(np.stack([np.packbits(each, axis=-1) for each in on]))
        missing = -bits.shape[1] % BLOCK
        if missing:
            bits = np.pad(bits, ((0, 0), (0, missing)), mode="edge")
        blocks = bits.reshape(len(bits), -1, BLOCK)
        ordered = _ordered(blocks)
        for name in EXTREMES:
            places = ordered.argmax(axis=-1) if name == "maximum" else ordered.argmin(axis=-1)
            found[name].append(_at(blocks, places).view(np.float16))
            found[f"{name}_at"].append(places.astype(np.uint8))
        found[SAMPLE].append(blocks[..., 0].view(np.float16))
    return {name: np.concatenate(each, axis=-2) for name, each in found.items()}


def _ordered(bits: np.ndarray) -> np.ndarray:
    """Return int16 in the order of the float16 numbers whose bits are given as int16."""
    sign = bits >> 15
    return ((bits & 0x7FFF) ^ sign) - sign


def _at(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return the values at places along the last axis."""
    return np.take_along_axis(values, places[..., None], axis=-1)[..., 0]


def row_extremes(values: np.ndarray, name: str) -> np.ndarray:
    """Return the ``"maximum"`` or ``"minimum"`` (H) of each row of float16 values (H, n)."""
    ordered = _ordered(values.view(np.int16))
    return _at(values, ordered.argmax(axis=-1) if name == "maximum" else ordered.argmin(axis=-1))


def sample_stride(steps: int) -> int:
    """Return of how many blocks of a corpus one is in the sample."""
    blocks = -(-steps // BLOCK)
    return -(-blocks // MAX_SAMPLES)


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


def save_summaries(summaries: dict[str, np.ndarray], stem: Path) -> None:
    """Save the summaries of a shard as files whose names begin with that of ``stem``."""
    for name, values in summaries.items():
        np.save(f"{stem}.{name}.npy", values)
