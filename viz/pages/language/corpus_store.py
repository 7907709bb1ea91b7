"""Counted corpora, shared by all sessions: by the text, the last ones of a bounded size."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import cached_property
from hashlib import sha256
from threading import Lock

from models.language.corpus import read_corpus
from models.language.corpus_counts import CorpusCounts
from models.language.held_out import HeldOut, HeldOutScore, hold_out, score_held_out
from models.language.smoothing import Smoothing

MAX_STORED = 8_000_000
"""Words of all corpora that are kept; the newest is kept always."""


class CountedCorpus:
    """A corpus with what was computed of it.

    Attributes:
        digest: the hash of its text.
        counts: its counts.
    """

    def __init__(self, digest: str, counts: CorpusCounts) -> None:
        self.digest, self.counts = digest, counts
        self._scores: dict[tuple[Smoothing, int], HeldOutScore] = {}

    @cached_property
    def held(self) -> HeldOut:
        """The corpus with every fifth sentence held out. Raises Problem: it has too few sentences."""
        return hold_out(self.counts.corpus)

    def held_out_score(self, smoothing: Smoothing, order: int) -> HeldOutScore:
        """Return how well an n-gram model predicts the held-out sentences. Raises Problem: as ``held``."""
        key = smoothing, order
        if key not in self._scores:
            if len(self._scores) > 500:
                self._scores.clear()
            self._scores[key] = score_held_out(self.held, smoothing, order)
        return self._scores[key]


_stored: OrderedDict[str, CountedCorpus] = OrderedDict()
_lock = Lock()


def counted_corpus(text: str, progress: Callable[[float], None] | None = None) -> CountedCorpus:
    """Return the counts of a text; ``progress`` is called with the share that is done, unless it was counted before.

    Raises:
        Problem: as ``read_corpus``.
    """
    digest = sha256(text.encode("utf-8", "replace")).hexdigest()
    with _lock:
        if digest in _stored:
            _stored.move_to_end(digest)
            return _stored[digest]
    corpus = read_corpus(text, None if progress is None else lambda share: progress(share / 2))
    counts = CorpusCounts(corpus, None if progress is None else lambda share: progress((1 + share) / 2))
    found = CountedCorpus(digest, counts)
    with _lock:
        _stored[digest] = found
        while len(_stored) > 1 and sum(len(each.counts.corpus.tokens) for each in _stored.values()) > MAX_STORED:
            _stored.popitem(last=False)
    return found
