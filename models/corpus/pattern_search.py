"""Spans of a corpus in which the same units are on as in a span of a text (LSTMVis: Strobelt et al. 2018).

A unit is on at a token where its state is at or above the threshold; a unit of negative sign, where it is at or below minus
the threshold. A pattern is the set of units that are on throughout a span and off just before and just after it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.core.messages import Problem
from models.corpus.checked_arrays import read_part
from models.corpus.corpus_index import CorpusIndex
from models.corpus.smallest_places import smallest_places
from models.corpus.state_summaries import MASKS, float16_at_least

SEGMENT = 1 << 22
"""Tokens whose bits are unpacked at a time."""

MAX_UNITS = 64
"""Units of a pattern."""

RANK_BITS = 48
"""Bits of a difference of lengths."""


@dataclass(frozen=True)
class UnitPattern:
    """The units that are on in a span.

    Attributes:
        units: their numbers.
        negative: of each, whether it is on at or below minus the threshold.
        threshold: positive.
        length: tokens of the span.
    """

    units: tuple[int, ...]
    negative: tuple[bool, ...]
    threshold: float
    length: int


@dataclass(frozen=True, eq=False)
class PatternHits:
    """The spans with a pattern, the best first.

    They are ranked by the number of units that are off just before the span plus that just after it, then by how near their
    length is to that of the pattern, then by their place.

    Attributes:
        start, stop: (n) int64, the first token of each span, and the one after its last.
        off_around: (n) int64, of the units, those off before plus those off after; at most twice their number.
        total: the spans of the corpus, of which these are the first.
        exact: of all, those in which every unit is off on both sides.
        tokens: of the corpus, those inside of such spans.
    """

    start: np.ndarray
    stop: np.ndarray
    off_around: np.ndarray
    total: int
    exact: int
    tokens: int


def pattern_of_span(values: np.ndarray, start: int, stop: int, threshold: float) -> UnitPattern:
    """Return the pattern of the tokens ``start`` to ``stop`` (not included) of one text.

    Args:
        values: (T, H), a state at every token; the ends of the text count as off.
        start, stop: the span.
        threshold: positive.

    Raises:
        Problem: the span is empty or outside, or no unit is on in it and off around it.
    """
    if not 0 <= start < stop <= len(values):
        raise Problem("The span is empty or outside of the text. Choose at least one time step.")
    if not (np.isfinite(threshold) and threshold > 0):
        raise Problem("The threshold must be a positive number.")
    with np.errstate(over="ignore"):
        stored = values.astype(np.float16)  # as an index stores them
    level = float16_at_least(threshold)
    found: list[tuple[int, bool]] = []
    for negative in (False, True):
        on = stored <= -level if negative else stored >= level
        inside = on[start:stop].all(axis=0)
        outside = np.zeros_like(inside)
        for beside in (start - 1, stop):
            if 0 <= beside < len(on):
                outside |= on[beside]
        found += [(int(unit), negative) for unit in np.flatnonzero(inside & ~outside)]
    if not found:
        raise Problem(
            "No unit is on throughout this span and off on both sides at a threshold of {threshold}. Choose another "
            "threshold or span.",
            threshold=f"{threshold:g}",
        )
    found.sort()
    if len(found) > MAX_UNITS:  # the strongest
        strength = {each: float(np.abs(stored[start:stop, each[0]]).min()) for each in found}
        found = sorted(sorted(found, key=lambda each: (-strength[each], each))[:MAX_UNITS])
    return UnitPattern(
        tuple(unit for unit, _ in found), tuple(sign for _, sign in found), float(threshold), stop - start
    )


def find_pattern(index: CorpusIndex, layer: str, quantity: str, pattern: UnitPattern, count: int = 50) -> PatternHits:
    """Return the spans of a corpus with a pattern: all maximal spans of a document in which every unit is on.

    With the threshold of the index its packed masks are read, else the states of the units.

    Args:
        index: of the corpus.
        layer, quantity: whose units they are.
        pattern: of a span.
        count: spans that are returned.

    Raises:
        Problem: the index has no such states or units, or the pattern is empty.
    """
    if not pattern.units:
        raise Problem("The pattern has no units. Choose at least one.")
    index.check_units(layer, quantity, pattern.units)
    bits = [
        on_bits(index, layer, quantity, unit, negative, pattern.threshold)
        for unit, negative in zip(pattern.units, pattern.negative, strict=True)
    ]
    together = np.bitwise_and.reduce(bits)
    start, stop = _runs(together, index)
    around = np.zeros(len(start), dtype=np.int64)
    if len(start):
        starts = index.document_starts
        first = np.isin(start, starts)
        last = np.isin(stop, starts)
        for each in bits:
            around += first | ~_bit(each, np.maximum(start - 1, 0))
            around += last | ~_bit(each, np.minimum(stop, index.steps - 1))
    # one number for both, of which the smallest are found without sorting all of them
    rank = ((2 * len(bits) - around) << RANK_BITS) + np.abs(stop - start - pattern.length)
    order = smallest_places(rank, count)
    exact = int((around == 2 * len(bits)).sum())
    return PatternHits(start[order], stop[order], around[order], len(start), exact, int((stop - start).sum()))


def on_bits(index: CorpusIndex, layer: str, quantity: str, unit: int, negative: bool, threshold: float) -> np.ndarray:
    """Return the tokens at which a unit is on, as bits packed by ``numpy.packbits``."""
    if threshold == index.about["threshold"]:
        return index.read(f"summaries/{layer}/{quantity}/{MASKS}", (int(negative), unit, slice(None)))
    values = read_part(index.states(layer, quantity), (slice(None), unit))
    level = float16_at_least(threshold)
    return np.packbits(values <= -level if negative else values >= level)


def _runs(bits: np.ndarray, index: CorpusIndex) -> tuple[np.ndarray, np.ndarray]:
    """Return the first tokens of the runs of ones, and those after their last; a run ends with its document."""
    starts = index.document_starts
    begins, ends = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
    for first in range(0, index.steps, SEGMENT):
        some = bits[first // 8 : (first + SEGMENT) // 8]
        used = np.flatnonzero(some)
        rows, columns = np.nonzero(np.unpackbits(some[used]).reshape(-1, 8))
        steps = 8 * used[rows] + columns
        fresh = np.zeros(SEGMENT, dtype=bool)
        low, high = np.searchsorted(starts, [first, first + SEGMENT])
        fresh[starts[low:high] - first] = True
        begin = fresh[steps] | (np.diff(steps, prepend=-2) != 1)
        begins.append(first + steps[begin])
        ends.append(first + steps[np.append(begin[1:], True)[: len(steps)]] + 1)
    begin, end = np.concatenate(begins), np.concatenate(ends)
    goes_on = (begin[1:] == end[:-1]) & ~np.isin(begin[1:], starts)  # across the border of two segments
    return begin[np.append(True, ~goes_on)[: len(begin)]], end[np.append(~goes_on, True)[: len(end)]]


def _bit(bits: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return the bits at some places, as bool."""
    return (bits[places >> 3] >> (7 - (places & 7)).astype(np.uint8) & 1).astype(bool)
