"""Tokens of a corpus by its text or its annotations: those in the matches of a regular expression, or with a value."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from models.core.messages import Problem
from models.core.tokenize_text import UNKNOWN
from models.corpus.corpus_index import CorpusIndex

MAX_PATTERN = 1000
"""Characters of a regular expression."""

PATTERN_MEMORY = 8 << 20
"""Bytes that a compiled expression may take."""


HALF_PAIRS = re.compile("[\ud800-\udfff]")
"""Halves of surrogate pairs, which JSON can have and UTF-8 cannot."""


@dataclass(frozen=True, eq=False)
class TokenPlaces:
    """Some tokens of a corpus, as ranges that do not overlap, in their order.

    Attributes:
        start, stop: (n) int64, the first token of each range, and the one after its last.
    """

    start: np.ndarray
    stop: np.ndarray

    @property
    def count(self) -> int:
        """The tokens."""
        return int((self.stop - self.start).sum())

    def mask(self, start: int, stop: int) -> np.ndarray:
        """Return (stop - start) bool, which of the tokens ``start`` to ``stop`` are among them."""
        changes = np.zeros(stop - start + 1, dtype=np.int32)
        first, last = np.searchsorted(self.stop, start, side="right"), np.searchsorted(self.start, stop)
        np.add.at(changes, np.clip(self.start[first:last] - start, 0, None), 1)
        np.add.at(changes, np.clip(self.stop[first:last] - start, None, stop - start), -1)
        return np.cumsum(changes[:-1]) > 0


def regex_places(
    index: CorpusIndex, expression: str, progress: Callable[[int], None] = lambda done: None
) -> TokenPlaces:
    """Return the tokens that overlap a match of a regular expression in a document's text.

    The engine is RE2, whose time is proportional to the text whatever the expression is; ``^`` and ``$`` match at line ends.

    Args:
        index: of the corpus.
        expression: in RE2's syntax.
        progress: called with the documents that are searched.

    Raises:
        Problem: the expression is not valid, or matches empty text alone; or the index has no text.
    """
    import re2

    if index.vocabulary is None:
        raise Problem("This corpus has numbers, no text. Choose an annotation instead.")
    if not expression or len(expression) > MAX_PATTERN:
        raise Problem("Type a regular expression of at most {limit} characters.", limit=f"{MAX_PATTERN:,}")
    options = re2.Options()
    options.log_errors, options.max_mem = False, PATTERN_MEMORY
    try:
        compiled = re2.compile("(?m)" + HALF_PAIRS.sub(UNKNOWN, expression), options=options)
    except re2.error as error:
        reason = error.args[0].decode() if isinstance(error.args[0], bytes) else str(error)
        raise Problem("The regular expression is not valid: {reason}.", reason=reason) from error
    begins, ends = [], []
    starts = index.document_starts
    for number in range(len(starts) - 1):
        text = HALF_PAIRS.sub(UNKNOWN, index.document_text(number))
        spans = [match.span() for match in compiled.finditer(text) if match.end() > match.start()]
        if spans:
            low, high = np.array(spans).T
            places = index.read("places", slice(int(starts[number]), int(starts[number + 1])))
            first = np.maximum(np.searchsorted(places, low, side="right") - 1, 0)
            begins.append(starts[number] + first)
            ends.append(starts[number] + np.searchsorted(places, high))
        if number % 100 == 0:
            progress(number)
    if not begins:
        return TokenPlaces(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))
    return _merged(np.concatenate(begins), np.concatenate(ends))


def _merged(start: np.ndarray, stop: np.ndarray) -> TokenPlaces:
    """Return ranges in order of their starts without overlaps."""
    reached = np.maximum.accumulate(stop)
    fresh = np.concatenate([[True], start[1:] >= reached[:-1]])
    fresh &= stop > start
    places = np.flatnonzero(fresh)
    if not len(places):
        return TokenPlaces(start[:0], stop[:0])
    return TokenPlaces(start[places], np.maximum.reduceat(stop, places))


def annotation_places(index: CorpusIndex, name: str, low: float | str, high: float | None = None) -> TokenPlaces:
    """Return the tokens whose annotation has a value.

    Args:
        index: of the corpus.
        name: of the annotation.
        low: a label; of numbers the smallest value.
        high: of numbers the largest value; None for the same as ``low``.

    Raises:
        Problem: the index has no such annotation or label.
    """
    array = index.array(f"annotations/{name}")
    labels = array.attrs.get("labels")
    if labels is not None:
        if low not in labels:
            raise Problem("“{name}” has no value “{value}”.", name=name, value=low)
        smallest = largest = float(labels.index(low))
    else:
        try:
            smallest = float(low)
        except ValueError:
            raise Problem("“{name}” has numbers. Type one.", name=name) from None
        largest = smallest if high is None else float(high)
    begins, ends, before = [], [], False
    for first in range(0, index.steps, 1 << 20):
        values = index.read(f"annotations/{name}", slice(first, min(first + (1 << 20), index.steps)))
        on = (values >= smallest) & (values <= largest)
        previous = np.concatenate([[before], on[:-1]])
        begins.append(first + np.flatnonzero(on & ~previous))
        ends.append(first + np.flatnonzero(previous & ~on))
        before = bool(on[-1])
    if before:
        ends.append(np.array([index.steps]))
    return TokenPlaces(np.concatenate(begins), np.concatenate(ends))
