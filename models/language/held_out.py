"""Held-out evaluation: every fifth sentence of a corpus is kept out of the counts and predicted from the others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.core.messages import Problem
from models.language.corpus import MAX_ORDER, UNKNOWN, Corpus
from models.language.corpus_counts import CorpusCounts
from models.language.smoothing import Smoothing, predicted_ngrams, probabilities

EVERY = 5
"""One sentence in five is held out."""


@dataclass(frozen=True, eq=False)
class HeldOut:
    """A corpus in two parts.

    Attributes:
        counts: of the sentences that are counted.
        sentences: the others, in the ids of the vocabulary of the first.
    """

    counts: CorpusCounts
    sentences: Corpus

    @property
    def unknown_share(self) -> float:
        """The share of the held-out words that are not in the vocabulary."""
        predicted = predicted_ngrams(self.sentences, 1)
        return float((predicted == UNKNOWN).mean())


@dataclass(frozen=True)
class HeldOutScore:
    """The quality of a model on the held-out sentences.

    Attributes:
        bits: the mean of -log2 p over all words and sentence ends; infinite where one has probability 0.
        zeros: how many have probability 0.
        count: of words and sentence ends.
    """

    bits: float
    zeros: int
    count: int

    @property
    def perplexity(self) -> float:
        """Two to the mean number of bits."""
        return float(2.0**self.bits) if self.bits < 1000 else float("inf")


def split_corpus(corpus: Corpus) -> tuple[Corpus, Corpus]:
    """Return the sentences that are counted, and the held-out ones in the ids of their vocabulary.

    Raises:
        Problem: there are too few sentences.
    """
    if len(corpus.starts) < EVERY:
        raise Problem(
            "The corpus has {count} sentences, but {least} are needed to hold one out. Use more sentences.",
            count=len(corpus.starts),
            least=EVERY,
        )
    held = np.arange(len(corpus.starts)) % EVERY == EVERY - 1
    counted = corpus.select(~held)
    return counted, counted.recode(corpus.select(held))


def hold_out(corpus: Corpus) -> HeldOut:
    """Split a corpus, and count the larger part.

    Raises:
        Problem: there are too few sentences.
    """
    counted, held = split_corpus(corpus)
    return HeldOut(CorpusCounts(counted), held)


def score_held_out(held: HeldOut, smoothing: Smoothing, order: int) -> HeldOutScore:
    """Return how well an n-gram model predicts the held-out sentences."""
    found = probabilities(held.counts, smoothing, predicted_ngrams(held.sentences, order))
    zeros = int((found == 0).sum())
    bits = float("inf") if zeros else float(-np.log2(found).mean())
    return HeldOutScore(bits, zeros, len(found))


def unseen_shares(held: HeldOut) -> list[float]:
    """Return the share of the held-out n-grams that were never counted, n = 1 .. ``MAX_ORDER``."""
    shares = []
    for order in range(1, MAX_ORDER + 1):
        counted = held.counts.values("count", predicted_ngrams(held.sentences, order))
        shares.append(float((counted == 0).mean()))
    return shares
