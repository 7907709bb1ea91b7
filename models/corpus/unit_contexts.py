"""The contexts in which a unit is strongest, weakest, and at values spread over its range.

One context for each 64 tokens at most, none twice, and few of one document, as interpretability papers show them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from models.corpus.corpus_index import CorpusIndex
from models.corpus.state_summaries import BLOCK, BLOCKS_OF_CHUNK, SAMPLE, sample_stride

WINDOW = 8
"""Tokens up to the strongest one by which two contexts count as the same."""

PER_DOCUMENT = 2
"""Contexts of one document."""

AT_ONCE = 32
"""Candidates whose tokens are read at a time."""


@dataclass(frozen=True, eq=False)
class UnitContexts:
    """The contexts of a unit, the strongest first.

    Attributes:
        steps: (n) int64, tokens of the corpus.
        values: (n) float16, of the unit there.
    """

    steps: np.ndarray
    values: np.ndarray


def strongest_contexts(
    index: CorpusIndex, layer: str, quantity: str, unit: int, count: int = 20, weakest: bool = False
) -> UnitContexts:
    """Return the contexts with a unit's largest values, or its smallest ones.

    Candidates are the first token with the extreme of each block of 64 tokens; equals come in the order of the corpus.
    A candidate is left out if the tokens up to it (``WINDOW``) are those of one before it, or its document already has
    ``PER_DOCUMENT``.

    Raises:
        Problem: the index has no such unit.
    """
    index.check_units(layer, quantity, [unit])
    contexts, steps, values = _Contexts(index), [], []
    for some_steps, some_values in _falling_extremes(index, f"summaries/{layer}/{quantity}", unit, weakest):
        for first in range(0, len(some_steps), AT_ONCE):
            candidates = some_steps[first : first + AT_ONCE]
            contexts.load(candidates)
            for step, value in zip(candidates.tolist(), some_values[first : first + AT_ONCE], strict=True):
                if contexts.add(step):
                    steps.append(step)
                    values.append(value)
                    if len(steps) == count:
                        return UnitContexts(np.array(steps), np.array(values))
    return UnitContexts(np.array(steps, dtype=np.int64), np.array(values, dtype=np.float16))


def _falling_extremes(
    index: CorpusIndex, summaries: str, unit: int, weakest: bool
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the blocks' extremes as steps and values, the strongest first, equals in the order of the corpus.

    The chunks of blocks are read by their own extremes, and only when all that is in them comes later than what was yielded.

    Args:
        index: of the corpus.
        summaries: the path of those of a layer's quantity.
        unit: of the layer.
        weakest: whether the smallest values come first.
    """
    name, sign = (f"{summaries}/minimum", 1) if weakest else (f"{summaries}/maximum", -1)
    best = sign * index.read(f"{name}_of_chunk", (unit, slice(None))).astype(np.float32)
    chunks = np.argsort(best, kind="stable")
    steps, values, keys = np.zeros(0, np.int64), np.zeros(0, np.float16), np.zeros(0, np.float32)
    for place, chunk in enumerate(chunks.tolist()):
        first = chunk * BLOCKS_OF_CHUNK
        columns = slice(first, min(first + BLOCKS_OF_CHUNK, index.array(name).shape[1]))
        found = index.read(name, (unit, columns))
        at = index.read(f"{name}_at", (unit, columns))
        steps = np.concatenate([steps, (first + np.arange(len(found))) * BLOCK + at])
        values = np.concatenate([values, found])
        keys = np.concatenate([keys, sign * found.astype(np.float32)])
        ready = np.ones(len(keys), dtype=bool)
        if place + 1 < len(chunks):
            following = chunks[place + 1]
            ready = (keys < best[following]) | (
                (keys == best[following]) & (steps < following * BLOCKS_OF_CHUNK * BLOCK)
            )
        order = np.flatnonzero(ready)
        order = order[np.lexsort((steps[order], keys[order]))]
        yield steps[order], values[order]
        steps, values, keys = steps[~ready], values[~ready], keys[~ready]


def contexts_over_range(index: CorpusIndex, layer: str, quantity: str, unit: int, count: int = 20) -> UnitContexts:
    """Return contexts with values spread evenly between a unit's smallest and largest, by falling value.

    Candidates are the first tokens of the blocks of 64, or in a corpus with more than 65,536 blocks those of every n-th; of
    each of ``count`` equal parts of the range that has one, the one nearest to the middle of the part that repeats none
    before it, as in ``strongest_contexts``.

    Raises:
        Problem: the index has no such unit.
    """
    index.check_units(layer, quantity, [unit])
    values = index.read(f"summaries/{layer}/{quantity}/{SAMPLE}", (unit, slice(None)))
    steps = np.arange(len(values)) * BLOCK * sample_stride(index.steps)
    wide = values.astype(np.float64)
    low, high = wide.min(), wide.max()
    if low == high:
        return UnitContexts(steps[:1], values[:1])
    width = (high - low) / count
    part = np.minimum(((wide - low) / width).astype(np.int64), count - 1)
    order = np.lexsort((steps, np.abs(wide - (low + (part + 0.5) * width)), -part))
    firsts = np.flatnonzero(np.diff(part[order], prepend=count))
    contexts, chosen, full = _Contexts(index), [], -1
    contexts.load(steps[order[firsts]])
    for place in order:
        if part[place] != full and contexts.add(int(steps[place])):
            chosen.append(place)
            full = part[place]
    found = np.array(chosen, dtype=np.int64)
    return UnitContexts(steps[found], values[found])


class _Contexts:
    """The contexts that were taken."""

    def __init__(self, index: CorpusIndex) -> None:
        self._index = index
        self._tokens: dict[int, bytes] = {}
        self._taken: set[bytes] = set()
        self._documents: Counter[int] = Counter()

    def load(self, steps: np.ndarray) -> None:
        """Read the tokens up to each of some steps, of whose documents few were taken."""
        numbers = self._index.document_numbers(steps)
        open_ = np.array([self._documents[number] < PER_DOCUMENT for number in numbers.tolist()], dtype=bool)
        steps, numbers = steps[open_], numbers[open_]
        starts = np.maximum(self._index.document_starts[numbers], steps + 1 - WINDOW)
        windows = self._index.read_spans("tokens", starts.tolist(), (steps + 1).tolist())
        self._tokens |= {step: each.tobytes() for step, each in zip(steps.tolist(), windows, strict=True)}

    def add(self, step: int) -> bool:
        """Take the context of a token; return False if it is a repetition."""
        number = int(self._index.document_numbers([step])[0])
        if self._documents[number] >= PER_DOCUMENT:
            return False
        if step not in self._tokens:
            self.load(np.array([step]))
        if self._tokens[step] in self._taken:
            return False
        self._taken.add(self._tokens[step])
        self._documents[number] += 1
        return True
