r"""Probabilities of the next word by counting, with one of six methods.

With c the count of context and word, N that of the context followed by anything, T the number of different words that follow
it, V the number of words that may come next, and P' the probability after the context that is one word shorter (1 / V before
the shortest), for each order from 1 to n:

- ``none``: c / N, the maximum likelihood estimate, at order n alone.
- ``add_k``: (c + k) / (N + k V), at order n alone (Lidstone; k = 1 is Laplace's).
- ``interpolation``: w c / N + (1 - w) P' (Jelinek and Mercer 1980, one weight for all contexts).
- ``backoff``: c / N if c > 0, else b P' (stupid back-off, Brants et al. 2007: scores that do not sum to 1).
- ``witten_bell``: (c + T P') / (N + T) (Witten and Bell 1991, as in Chen and Goodman 1999).
- ``kneser_ney``: max(c - d, 0) / N + d T / N P'; below order n, c is the number of different words before the n-gram, and N
  their sum (Kneser and Ney 1995, interpolated as in Chen and Goodman 1999).

Where the context was never seen (N = 0) the last four take P'. ``none`` is then 0 / 0, and counts as 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from models.language.corpus import MAX_ORDER, PADDING, START, Corpus
from models.language.corpus_counts import CorpusCounts

Method = Literal["none", "add_k", "interpolation", "backoff", "witten_bell", "kneser_ney"]
METHODS: tuple[Method, ...] = get_args(Method)

SCORES_ONLY = ("backoff",)
"""The methods whose scores do not sum to 1, so that they are not probabilities."""


@dataclass(frozen=True)
class Smoothing:
    """A method and its constants.

    Attributes:
        method: the method.
        k: what ``add_k`` adds to each count.
        weight: of the longer context in ``interpolation``.
        factor: of the shorter context in ``backoff``.
        discount: what ``kneser_ney`` subtracts from each count.
    """

    method: Method = "none"
    k: float = 1.0
    weight: float = 0.7
    factor: float = 0.4
    discount: float = 0.75


@dataclass(frozen=True, eq=False)
class OrderStep:
    """One order of an n-gram model for M words, (M) each.

    Attributes:
        order: n - 1 is the number of words of the context.
        count, total, kinds: c, N and T of the formulas above.
        probability: the result at this order.
    """

    order: int
    count: np.ndarray
    total: np.ndarray
    kinds: np.ndarray
    probability: np.ndarray


def smoothed_steps(counts: CorpusCounts, smoothing: Smoothing, ngrams: np.ndarray) -> list[OrderStep]:
    """Return what each order contributes to the probability of the last word of each n-gram (M, n), order n last.

    ``none`` and ``add_k`` have order n alone.
    """
    n, choices = ngrams.shape[1], counts.corpus.choices
    lower = np.full(len(ngrams), 1.0 / choices)
    steps = []
    for order in range(n if smoothing.method in ("none", "add_k") else 1, n + 1):
        part = ngrams[:, n - order :]
        continued = smoothing.method == "kneser_ney" and order < n
        count = counts.values("before" if continued else "count", part)
        total = counts.values("before_total" if continued else "total", part[:, :-1])
        kinds = counts.values("kinds", part[:, :-1])
        lower = _combine(smoothing, order, count, total, kinds, lower, choices)
        steps.append(OrderStep(order, count, total, kinds, lower))
    return steps


def _combine(
    smoothing: Smoothing,
    order: int,
    count: np.ndarray,
    total: np.ndarray,
    kinds: np.ndarray,
    lower: np.ndarray,
    choices: int,
) -> np.ndarray:
    """Return the probabilities at one order, by the formulas above."""
    seen, whole = total > 0, np.maximum(total, 1)
    match smoothing.method:
        case "none":
            return count / whole
        case "add_k":
            whole = total + smoothing.k * choices
            return (count + smoothing.k) / np.where(whole > 0, whole, 1.0)
        case "interpolation":
            mixed = smoothing.weight * count / whole + (1 - smoothing.weight) * lower
        case "backoff":
            shorter = smoothing.factor * lower if order > 1 else np.zeros_like(lower)
            return np.where(count > 0, count / whole, shorter)
        case "witten_bell":
            mixed = (count + kinds * lower) / np.maximum(total + kinds, 1)
        case "kneser_ney":
            mixed = np.maximum(count - smoothing.discount, 0) / whole + smoothing.discount * kinds / whole * lower
    return np.where(seen, mixed, lower)


def probabilities(counts: CorpusCounts, smoothing: Smoothing, ngrams: np.ndarray) -> np.ndarray:
    """Return the probability (M) of the last word of each n-gram (M, n)."""
    return smoothed_steps(counts, smoothing, ngrams)[-1].probability


def sum_over_words(counts: CorpusCounts, smoothing: Smoothing, context: tuple[int, ...]) -> float:
    """Return the sum of the probabilities of all words after a context."""
    size = len(counts.corpus.words)
    ngrams = np.empty((size - 1, len(context) + 1), dtype=np.int64)
    ngrams[:, :-1] = context
    ngrams[:, -1] = [each for each in range(size) if each != START]
    return float(probabilities(counts, smoothing, ngrams).sum())


def predicted_ngrams(corpus: Corpus, order: int) -> np.ndarray:
    """Return the n-gram (M, n) that ends at each word and sentence end of a corpus."""
    if not 1 <= order <= MAX_ORDER:
        raise ValueError(f"n must be 1 to {MAX_ORDER}, not {order}.")
    ends = np.flatnonzero(corpus.tokens != START)
    return np.stack([corpus.tokens[ends - back] for back in range(order - 1, -1, -1)], axis=1).astype(np.int64)


def sentence_ngrams(corpus: Corpus, words: list[str], order: int) -> np.ndarray:
    """Return the n-gram (T + 1, n) that ends at each word of a sentence and at its end."""
    ids = [START] * PADDING + [*corpus.encode(words), 1]
    return np.array([ids[place - order + 1 : place + 1] for place in range(PADDING, len(ids))], dtype=np.int64)
