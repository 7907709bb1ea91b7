"""The contexts in which a unit is strongest, weakest, and at values spread over its range.

One context for each 64 tokens at most, none twice, and few of one document, as interpretability papers show them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from models.core.messages import Problem
from models.corpus.corpus_index import CorpusIndex
from models.corpus.state_summaries import BLOCK, unit_row

WINDOW = 8
"""Tokens up to the strongest one by which two contexts count as the same."""

PER_DOCUMENT = 2
"""Contexts of one document."""


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
    name = "minimum" if weakest else "maximum"
    values = _row(index, layer, quantity, name, unit)
    steps = np.arange(len(values)) * BLOCK + _row(index, layer, quantity, f"{name}_at", unit)
    order = np.argsort(values if weakest else -values, kind="stable")
    chosen = _spread(index, steps[order], count)
    return UnitContexts(steps[order][chosen], values[order][chosen])


def contexts_over_range(index: CorpusIndex, layer: str, quantity: str, unit: int, count: int = 20) -> UnitContexts:
    """Return contexts with values spread evenly between a unit's smallest and largest, by falling value.

    Candidates are the first tokens of the blocks of 64; of each of ``count`` equal parts of the range that has one, the one
    nearest to the middle of the part that repeats none before it, as in ``strongest_contexts``.

    Raises:
        Problem: the index has no such unit.
    """
    values = _row(index, layer, quantity, "sample", unit)
    wide = values.astype(np.float64)
    low, high = wide.min(), wide.max()
    if low == high:
        return UnitContexts(np.zeros(1, dtype=np.int64), values[:1])
    width = (high - low) / count
    part = np.minimum(((wide - low) / width).astype(np.int64), count - 1)
    order = np.lexsort((np.arange(len(wide)), np.abs(wide - (low + (part + 0.5) * width)), -part))
    chosen, seen, full = [], _Seen(index), -1
    for place in order:
        if part[place] != full and seen.add(int(place) * BLOCK):
            chosen.append(place)
            full = part[place]
    found = np.array(chosen, dtype=np.int64)
    return UnitContexts(found * BLOCK, values[found])


def _row(index: CorpusIndex, layer: str, quantity: str, name: str, unit: int) -> np.ndarray:
    units = index.states(layer, quantity).shape[1]
    if not 0 <= unit < units:
        raise Problem("The layer {layer} has {count} units. Choose others.", layer=layer, count=units)
    return unit_row(index.array(f"summaries/{layer}/{quantity}"), name, unit)


def _spread(index: CorpusIndex, steps: Iterable[int], count: int) -> list[int]:
    """Return the places of the first ``count`` tokens whose contexts differ."""
    seen, chosen = _Seen(index), []
    for place, step in enumerate(steps):
        if seen.add(int(step)):
            chosen.append(place)
            if len(chosen) == count:
                break
    return chosen


class _Seen:
    """The contexts that were taken."""

    def __init__(self, index: CorpusIndex) -> None:
        self._index = index
        self._tokens: set[bytes] = set()
        self._documents: Counter[int] = Counter()

    def add(self, step: int) -> bool:
        """Take the context of a token; return False if it is a repetition."""
        number = int(self._index.document_numbers([step])[0])
        if self._documents[number] >= PER_DOCUMENT:
            return False
        start = max(int(self._index.document_starts[number]), step + 1 - WINDOW)
        tokens = self._index.read("tokens", slice(start, step + 1)).tobytes()
        if tokens in self._tokens:
            return False
        self._tokens.add(tokens)
        self._documents[number] += 1
        return True
