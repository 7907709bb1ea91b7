"""Answers from counts of the shipped corpora, and from word vectors of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from models.core.messages import Problem
from models.language.corpus import MAX_ORDER, SHIPPED, Corpus, read_corpus, shipped_text
from models.language.corpus_counts import CorpusCounts
from models.language.held_out import hold_out, score_held_out, unseen_shares
from models.language.sentence_probability import product_of, sentence_factors, typed_words
from models.language.smoothing import METHODS, Method, Smoothing, probabilities
from models.language.word_vectors import VECTOR_KINDS, VectorKind, WordVectors, train_word_vectors
from viz.lessons.answer_functions.place_run import (
    PlaceRun,
    cached_answer,
    index_of,
    number_argument,
    one_of,
    text_argument,
)

NAMES = {**{language: language for language in SHIPPED}, **{name: language for language, name in SHIPPED.items()}}
"""The language of a corpus by its names: "en" and "english"."""


@cached_answer(4)
def _shipped_counts(language: str) -> CorpusCounts:
    return CorpusCounts(read_corpus(shipped_text(language)))


def _counts(corpus: str) -> CorpusCounts:
    return _shipped_counts(NAMES[one_of(corpus, tuple(NAMES), "corpus")])


def _ids(corpus: Corpus, words: str) -> tuple[int, ...]:
    """Return the ids of words separated by spaces, ⊢ and ⊣ included. Raises Problem: one is not in the vocabulary."""
    known = {word: place for place, word in enumerate(corpus.words)}
    found = text_argument(words, "words").split()
    for word in found:
        if word not in known:
            raise Problem("The corpus does not contain the word “{word}”. Use a word that it contains.", word=word[:40])
    if len(found) > MAX_ORDER:
        raise Problem("There are {count} words. Use at most {most}.", count=len(found), most=MAX_ORDER)
    return tuple(known[word] for word in found)


def _count(_at: PlaceRun, words: str, corpus: str) -> int:
    """Return how often some words follow each other in a corpus: ``count("is a", "english")``."""
    counts = _counts(corpus)
    ids = _ids(counts.corpus, words)
    if not ids:
        raise Problem("There are no words. Write some in quotation marks, separated by spaces.")
    return int(counts.values("count", np.array([ids]))[0])


def _probability(counts: CorpusCounts, smoothing: Smoothing, context: str, word: str) -> float:
    ids = (*_ids(counts.corpus, context), *_ids(counts.corpus, word))
    if not word.split() or len(ids) > MAX_ORDER:
        raise Problem("There are {count} words. Use at most {most}.", count=len(ids), most=MAX_ORDER)
    return float(probabilities(counts, smoothing, np.array([ids]))[0])


def _smoothing(method: str, constants: dict[str, float]) -> Smoothing:
    chosen: Method = one_of(method, METHODS, "method")  # type: ignore[assignment]
    for name, value in constants.items():
        one_of(name, ("k", "weight", "factor", "discount"), "constant")
        number_argument(value, name, 0.0, 100.0)
    return Smoothing(chosen, **constants)


def _count_probability(_at: PlaceRun, word: str, context: str, corpus: str) -> float:
    """Return the count of context and word divided by that of the context; "" for no context."""
    return _probability(_counts(corpus), Smoothing(), text_argument(context, "context"), text_argument(word, "word"))


def _smoothed_probability(
    _at: PlaceRun, word: str, context: str, corpus: str, method: str, **constants: float
) -> float:
    """Return the probability of a word after a context with a method of smoothing, and its constants of the page."""
    smoothing = _smoothing(method, constants)
    return _probability(_counts(corpus), smoothing, text_argument(context, "context"), text_argument(word, "word"))


def _sentence(corpus: str, sentence: str, order: int, method: str, constants: dict[str, float]) -> np.ndarray:
    """Return the factors of a sentence, (words + 1)."""
    words = typed_words(text_argument(sentence, "sentence"))
    n = int(number_argument(order, "order", 1, MAX_ORDER))
    factors = sentence_factors(_counts(corpus), _smoothing(method, constants), words, n)
    return np.array([each.probability for each in factors])


def _sentence_probability(
    _at: PlaceRun, sentence: str, corpus: str, order: int, method: str = "none", **constants: float
) -> float:
    """Return the probability of a sentence with its end, under an n-gram model."""
    return product_of(_sentence(corpus, sentence, order, method, constants)).probability


def _sentence_bits(
    _at: PlaceRun, sentence: str, corpus: str, order: int, method: str = "none", **constants: float
) -> float:
    """Return the bits per factor of a sentence under an n-gram model."""
    return product_of(_sentence(corpus, sentence, order, method, constants)).bits


def _unseen_share(_at: PlaceRun, order: int, corpus: str) -> float:
    """Return the share of the held-out n-grams that were never counted, as in the Language lens."""
    found = unseen_shares(hold_out(_counts(corpus).corpus))
    return float(found[int(number_argument(order, "order", 1, len(found))) - 1])


def _held_out_perplexity(_at: PlaceRun, corpus: str, order: int, method: str, **constants: float) -> float:
    """Return the perplexity of an n-gram model on the held-out sentences, as in the Language lens."""
    n = int(number_argument(order, "order", 1, MAX_ORDER))
    return float(score_held_out(hold_out(_counts(corpus).corpus), _smoothing(method, constants), n).perplexity)


def _vocabulary_size(_at: PlaceRun, corpus: str) -> int:
    """Return V, the number of symbols that may come next: the words, the end of the sentence, the unknown word."""
    return _counts(corpus).corpus.choices


@cached_answer(6)
def _trained_vectors(language: str, kind: VectorKind, window: int) -> WordVectors:
    return train_word_vectors(_shipped_counts(language).corpus, kind, window)


def _vectors(corpus: str, kind: str, window: int) -> WordVectors:
    chosen: VectorKind = one_of(kind, VECTOR_KINDS, "kind")  # type: ignore[assignment]
    width = int(number_argument(window, "window", 1, 5))
    return _trained_vectors(NAMES[one_of(corpus, tuple(NAMES), "corpus")], chosen, width)


def _word_cosine(_at: PlaceRun, word: str, other: str, corpus: str, kind: str = "skip_gram", window: int = 2) -> float:
    """Return the cosine between the trained vectors of two words of a corpus, as in the Language lens."""
    found = _vectors(corpus, kind, window)
    one, two = (found.vector(text_argument(each, "word")) for each in (word, other))
    if one is None or two is None:
        raise Problem(
            "The corpus does not contain the word “{word}”. Use a word that it contains.",
            word=(word if one is None else other)[:40],
        )
    return float(one @ two / (np.linalg.norm(one) * np.linalg.norm(two)))


def _nearest_word(
    _at: PlaceRun, word: str, corpus: str, kind: str = "skip_gram", window: int = 2, rank: int = 0
) -> str:
    """Return the word whose trained vector has the largest cosine to that of a word, or a later one (``rank`` from 0)."""
    found = _vectors(corpus, kind, window).neighbours(text_argument(word, "word"), 20)
    if not found:
        raise Problem("The corpus does not contain the word “{word}”. Use a word that it contains.", word=word[:40])
    return found[index_of(rank, len(found), "rank")][0]


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "count": _count,
    "count_probability": _count_probability,
    "smoothed_probability": _smoothed_probability,
    "sentence_probability": _sentence_probability,
    "sentence_bits": _sentence_bits,
    "unseen_share": _unseen_share,
    "held_out_perplexity": _held_out_perplexity,
    "vocabulary_size": _vocabulary_size,
    "word_cosine": _word_cosine,
    "nearest_word": _nearest_word,
}
