"""Counts of all n-grams of a corpus, n = 1 .. 5, as sorted arrays.

An n-gram has a code: its place among all n-grams of the corpus, sorted by the code of its first n - 1 words and its last
word. It is counted where its last word is one that a model predicts: a word or the end of a sentence, never its start.

NLTK's ``nltk.lm``, which the tests compare with, counts in nested dictionaries, and computes a Kneser-Ney probability by a
pass over all n-grams: for a text of 1 MB, 50 times as long, and 90 times for each probability
(``tests/benchmarks/ngram_cost.py``). The Language page counts up to 10 MB.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from models.language.corpus import MAX_ORDER, START, Corpus


@dataclass(frozen=True, eq=False)
class OrderCounts:
    """The n-grams of one length, by code; of length 0 there is one, the empty context.

    Attributes:
        keys: (N) int64, sorted: code of the first n - 1 words times V, plus the last word.
        last: (N) int32, as all that follow: a position in the corpus at which the n-gram ends.
        count: how often it occurs.
        total: how often it is followed by a word or the end of a sentence. kinds: how many different ones follow.
        before: how many different words precede it (its continuation count).
        before_total: the sum of ``before`` of all n-grams that continue it by one word.

    Of the longest n-grams, the last four are zeros: no model uses them.
    """

    keys: np.ndarray
    last: np.ndarray
    count: np.ndarray
    total: np.ndarray
    kinds: np.ndarray
    before: np.ndarray
    before_total: np.ndarray


@dataclass(frozen=True)
class CountedNgram:
    """A row of a table of counts.

    Attributes:
        ids: n ids.
        count: of the n-gram.
        context_count: of its first n - 1 words, followed by anything.
    """

    ids: tuple[int, ...]
    count: int
    context_count: int


class CorpusCounts:
    """The counts of a corpus.

    Attributes:
        corpus: the corpus.
        orders: ``OrderCounts`` of length 0 to ``MAX_ORDER``.
    """

    def __init__(self, corpus: Corpus, progress: Callable[[float], None] | None = None) -> None:
        """Count; ``progress`` is called with the share that is done, from 0 to 1."""
        self.corpus = corpus
        tokens = corpus.tokens.astype(np.int64)
        size, is_target = len(corpus.words), corpus.tokens != START
        targets = int(is_target.sum())
        suffix = np.zeros(len(tokens), dtype=np.int64)  # the code of the n words that end at each position
        count, last = np.array([targets], dtype=np.int32), np.zeros(1, dtype=np.int32)
        keys = np.zeros(1, dtype=np.int64)
        self.orders: list[OrderCounts] = []
        for order in range(MAX_ORDER + 1):
            if order == MAX_ORDER:
                zeros = np.zeros(len(count), dtype=np.int32)
                self.orders.append(OrderCounts(keys, last, count, zeros, zeros, zeros, zeros))
                break
            total = _times(suffix[:-1][is_target[1:]], len(count))
            previous = np.concatenate([suffix[:1], suffix[:-1]]) if order else suffix
            longer, longer_last, longer_suffix = np.unique(
                previous * size + tokens, return_index=True, return_inverse=True
            )
            longer_count = _times(longer_suffix[is_target], len(longer))
            counted = longer_count > 0
            kinds = _times(longer[counted] // size, len(count))
            before = _times(suffix[longer_last[counted]], len(count)) if order else np.zeros(1, dtype=np.int32)
            self.orders.append(OrderCounts(keys, last, count, total, kinds, before, np.zeros_like(before)))
            suffix, keys, last, count = longer_suffix, longer, longer_last.astype(np.int32), longer_count
            if progress is not None:
                progress((order + 1) / MAX_ORDER)
        for shorter, longer_order in zip(self.orders[:-1], self.orders[1:], strict=True):
            np.add.at(shorter.before_total, longer_order.keys // size, longer_order.before)

    def codes(self, ngrams: np.ndarray) -> np.ndarray:
        """Return the codes (M) of n-grams (M, n), -1 for those that the corpus does not contain."""
        found = np.zeros(len(ngrams), dtype=np.int64)
        for place in range(ngrams.shape[1]):
            keys = self.orders[place + 1].keys
            wanted = found * len(self.corpus.words) + ngrams[:, place]
            code = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
            found = np.where((found >= 0) & (keys[code] == wanted), code, -1)
        return found

    def values(self, name: str, ngrams: np.ndarray) -> np.ndarray:
        """Return an attribute of ``OrderCounts`` for n-grams (M, n), 0 for those that the corpus does not contain."""
        codes = self.codes(ngrams)
        found: np.ndarray = getattr(self.orders[ngrams.shape[1]], name)
        return np.where(codes >= 0, found[codes], 0)

    def kinds_of(self, order: int) -> int:
        """Return how many different n-grams of a length occur."""
        return int((self.orders[order].count > 0).sum())

    def most_frequent(self, order: int, most: int) -> list[CountedNgram]:
        """Return the n-grams of a length with the highest counts, in the order of their first occurrence where equal."""
        of, contexts = self.orders[order], self.orders[order - 1]
        chosen = np.flatnonzero(of.count > 0)
        ranked = chosen[np.lexsort((of.last[chosen], -of.count[chosen]))][:most]
        return [
            CountedNgram(
                tuple(self.corpus.tokens[of.last[code] - order + 1 : of.last[code] + 1].tolist()),
                int(of.count[code]),
                int(contexts.total[of.keys[code] // len(self.corpus.words)]),
            )
            for code in ranked.tolist()
        ]

    def sentences_with(self, ids: tuple[int, ...]) -> list[int]:
        """Return the numbers of the sentences that contain an n-gram."""
        tokens = self.corpus.tokens
        places = np.arange(len(ids) - 1, len(tokens))
        for back, wanted in enumerate(reversed(ids)):
            places = places[tokens[places - back] == wanted]
        return self.corpus.sentences_at(places).tolist()


def _times(codes: np.ndarray, size: int) -> np.ndarray:
    """Return how often each code from 0 to ``size`` - 1 occurs, (size) int32."""
    return np.bincount(codes, minlength=size).astype(np.int32)
