"""The probability of a sentence: the product of the probabilities of its words, each given those before (chain rule)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.core.messages import Problem
from models.language.corpus import END, START, SYMBOLS, UNKNOWN, split_sentence
from models.language.corpus_counts import CorpusCounts
from models.language.smoothing import Smoothing, probabilities, sentence_ngrams

MAX_SENTENCE = 200
"""Words of a sentence that is scored."""


@dataclass(frozen=True)
class Factor:
    """One factor of the product.

    Attributes:
        word: the word as it was typed, or the end symbol.
        context: ids of the n - 1 symbols before it. given: what they are, as typed; of several start symbols, one.
        id: of the word.
        count, context_count: of context and word, and of the context.
        probability: of the word after the context.
    """

    word: str
    context: tuple[int, ...]
    given: str
    id: int
    count: int
    context_count: int
    probability: float

    @property
    def is_unknown(self) -> bool:
        """Whether the word is outside the vocabulary."""
        return self.id == UNKNOWN


@dataclass(frozen=True)
class SentenceProduct:
    """The logarithms of a product of probabilities.

    Attributes:
        log2: of the product; minus infinity if a factor is 0.
        count: of factors.
    """

    log2: float
    count: int

    @property
    def probability(self) -> float:
        """The product itself; 0 also where it is too small for float64."""
        return float(2.0**self.log2)

    @property
    def ln(self) -> float:
        """Its natural logarithm."""
        return self.log2 * float(np.log(2.0))

    @property
    def bits(self) -> float:
        """Bits per factor: the mean of -log2 p."""
        return -self.log2 / self.count

    @property
    def perplexity(self) -> float:
        """Two to the bits per factor."""
        return float(2.0**self.bits) if self.bits < 1000 else float("inf")


def product_of(factors: np.ndarray) -> SentenceProduct:
    """Return the product of factors (T)."""
    with np.errstate(divide="ignore"):
        return SentenceProduct(float(np.log2(factors).sum()), len(factors))


def typed_words(text: str) -> list[str]:
    """Return the words of a typed sentence.

    Raises:
        Problem: it has none, or too many.
    """
    words = split_sentence(text)
    if not words:
        raise Problem("The sentence has no words. Type at least one.")
    if len(words) > MAX_SENTENCE:
        raise Problem(
            "The sentence has {count} words, but at most {most} are scored. Use a shorter one.",
            count=len(words),
            most=MAX_SENTENCE,
        )
    return words


def sentence_factors(counts: CorpusCounts, smoothing: Smoothing, words: list[str], order: int) -> list[Factor]:
    """Return the factors of a sentence under an n-gram model: one for each word, and one for the end of the sentence."""
    ngrams = sentence_ngrams(counts.corpus, words, order)
    found = probabilities(counts, smoothing, ngrams)
    seen, contexts = counts.values("count", ngrams), counts.values("total", ngrams[:, :-1])
    shown = [*words, counts.corpus.words[END]]
    return [
        Factor(
            shown[place],
            tuple(ids[:-1]),
            given_words(shown, place, order),
            ids[-1],
            int(seen[place]),
            int(contexts[place]),
            float(found[place]),
        )
        for place, ids in enumerate(ngrams.tolist())
    ]


def given_words(words: Sequence[str], place: int, order: int) -> str:
    """Return the words before a place in a sentence that a model of order n is given; ``⊢`` where that is its start.

    >>> given_words(["He", "is", "a"], 1, 3)
    '⊢ He'
    """
    before = list(words[max(0, place - order + 1) : place])
    return " ".join(before if place >= order - 1 else [SYMBOLS[START], *before])
