"""Counted corpora, with what was trained on them, shared by all sessions: the last ones of a bounded size, by their text."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import cached_property
from hashlib import sha256
from threading import Lock

from models.language.corpus import read_corpus
from models.language.corpus_counts import CorpusCounts
from models.language.held_out import HeldOut, HeldOutScore, hold_out, score_held_out, unseen_shares
from models.language.neural_models import MODEL_KINDS, ModelKind, TrainedLanguageModel
from models.language.smoothing import Smoothing
from models.language.train_language_model import train_language_model
from models.language.word_vectors import VectorKind, WordVectors, train_word_vectors
from models.training.queued_calls import QueuedCalls

MAX_STORED, MAX_CORPORA = 8_000_000, 64
"""Words of all corpora that are kept, and their number; the newest is kept always."""


class CountedCorpus:
    """A corpus with what was computed of it.

    Attributes:
        digest: the hash of its text.
        counts: its counts.
        calls: the trainings on it, by kind of network or (kind of vectors, window).
    """

    def __init__(self, digest: str, counts: CorpusCounts) -> None:
        self.digest, self.counts = digest, counts
        self._scores: dict[tuple[Smoothing, int], HeldOutScore] = {}
        self.calls = QueuedCalls()

    @cached_property
    def held(self) -> HeldOut:
        """The corpus with every fifth sentence held out. Raises Problem: it has too few sentences."""
        return hold_out(self.counts.corpus)

    @cached_property
    def unseen(self) -> list[float]:
        """The share of the held-out n-grams that were never counted, n = 1, 2, ... Raises Problem: too few sentences."""
        return unseen_shares(self.held)

    def held_out_score(self, smoothing: Smoothing, order: int) -> HeldOutScore:
        """Return how well an n-gram model predicts the held-out sentences. Raises Problem: it has too few sentences."""
        key = smoothing, order
        if key not in self._scores:
            if len(self._scores) > 500:
                self._scores.clear()
            self._scores[key] = score_held_out(self.held, smoothing, order)
        return self._scores[key]

    def train_network(self, kind: ModelKind) -> None:
        """Start the training of a network in another process, unless it was started. Raises Problem: too many wait."""
        self.calls.start(kind, train_language_model, self.counts.corpus, kind)

    def train_vectors(self, kind: VectorKind, window: int) -> None:
        """Start the training of word vectors likewise. Raises Problem: too many wait."""
        self.calls.start((kind, window), train_word_vectors, self.counts.corpus, kind, window)

    @property
    def networks(self) -> dict[ModelKind, TrainedLanguageModel]:
        """The trained networks, by kind. Raises Problem: a training failed."""
        found = {kind: self.calls.result(kind) for kind in MODEL_KINDS}
        return {kind: each for kind, each in found.items() if each is not None}

    def vectors(self, kind: VectorKind, window: int) -> WordVectors | None:
        """Return trained word vectors, or None. Raises Problem: their training failed."""
        return self.calls.result((kind, window))


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
        while len(_stored) > 1 and (
            len(_stored) > MAX_CORPORA or sum(len(each.counts.corpus.tokens) for each in _stored.values()) > MAX_STORED
        ):
            _stored.popitem(last=False)
    return found
