"""Interpolated n-gram models, the count-based baseline of ``python-lm``.

The distribution after a context of n - 1 symbols mixes the counts seen there with the distribution after the context
one symbol shorter, down to the uniform one (Witten and Bell 1991; Jelinek and Mercer 1980):

    P(s | context) = (count(context s) + k kinds(context) P(s | shorter context)) / (count(context) + k kinds(context))

``kinds`` is the number of different symbols seen after the context; k = 1 is Witten and Bell's own weight, and here k is
tuned for each order on validation text.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

STRENGTHS = (0.125, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0)


@dataclass(frozen=True)
class NgramCounts:
    """The counts of all n-grams, by code (the symbols as digits in base V).

    Attributes:
        grams, gram_counts: sorted codes of n symbols, and their counts.
        contexts, context_counts, context_kinds: sorted codes of the first n - 1 symbols, their counts, and the numbers of
            different symbols that follow.
    """

    grams: np.ndarray
    gram_counts: np.ndarray
    contexts: np.ndarray
    context_counts: np.ndarray
    context_kinds: np.ndarray


def pad_texts(texts: Sequence[np.ndarray], order: int, pad: int) -> tuple[np.ndarray, np.ndarray]:
    """Concatenate ``texts`` with ``order - 1`` symbols ``pad`` before each; also return a mask of the symbols to predict.

    The first symbol of each text is context only: a network cannot predict it either.
    """
    parts, own = [], []
    for text in texts:
        parts += [np.full(order - 1, pad), text.astype(np.int64)]
        own += [np.zeros(order, dtype=bool), np.ones(len(text) - 1, dtype=bool)]
    return np.concatenate(parts).astype(np.int64), np.concatenate(own)


def ngram_codes(symbols: np.ndarray, own: np.ndarray, n: int, base: int) -> np.ndarray:
    """Return the code of the n symbols that end at each position marked in ``own``."""
    ends = np.flatnonzero(own)
    code = np.zeros(len(ends), dtype=np.int64)
    for back in range(n - 1, -1, -1):
        code = code * base + symbols[ends - back]
    return code


def count_ngrams(symbols: np.ndarray, own: np.ndarray, n: int, base: int) -> NgramCounts:
    """Count every n-gram that ends at a position marked in ``own``."""
    grams, gram_counts = np.unique(ngram_codes(symbols, own, n, base), return_counts=True)
    contexts, first, kinds = np.unique(grams // base, return_index=True, return_counts=True)
    return NgramCounts(grams, gram_counts, contexts, np.add.reduceat(gram_counts, first), kinds)


def lookup(keys: np.ndarray, values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return the ``values`` of the sorted ``keys`` that equal ``wanted``, and 0 for missing keys."""
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[place] == wanted, values[place], 0)


def bits_by_order(
    train: Sequence[np.ndarray],
    validation: Sequence[np.ndarray],
    held_out: Sequence[np.ndarray],
    *,
    base: int,
    pad: int,
    highest: int = 6,
) -> dict[int, float]:
    """Return bits per symbol on ``held_out`` of the interpolated n-gram models n = 1 .. ``highest`` counted on ``train``.

    Args:
        validation: text on which the strength k of each order is chosen, lower orders first.
        base: V, the number of symbols.
        pad: the symbol that pads the start of every text.
    """
    symbols, own = pad_texts(train, highest, pad)
    tuning, target = pad_texts(validation, highest, pad), pad_texts(held_out, highest, pad)
    lower_tuning = np.full(int(tuning[1].sum()), 1.0 / base)
    lower_target = np.full(int(target[1].sum()), 1.0 / base)
    bits = {}
    for n in range(1, highest + 1):
        counts = count_ngrams(symbols, own, n, base)
        best = min(STRENGTHS, key=lambda k: _bits(_interpolate(counts, tuning, n, base, lower_tuning, k)))
        lower_tuning = _interpolate(counts, tuning, n, base, lower_tuning, best)
        lower_target = _interpolate(counts, target, n, base, lower_target, best)
        bits[n] = _bits(lower_target)
    return bits


def _bits(probability: np.ndarray) -> float:
    return float(-np.log2(probability).mean())


def _interpolate(
    counts: NgramCounts, text: tuple[np.ndarray, np.ndarray], n: int, base: int, lower: np.ndarray, k: float
) -> np.ndarray:
    """Return P of each marked symbol of ``text`` at order n, given its probability ``lower`` at order n - 1."""
    grams = ngram_codes(*text, n, base)
    contexts = grams // base
    seen = lookup(counts.grams, counts.gram_counts, grams)
    total = lookup(counts.contexts, counts.context_counts, contexts)
    weight = k * lookup(counts.contexts, counts.context_kinds, contexts)
    return np.where(total > 0, (seen + weight * lower) / np.maximum(total + weight, 1e-12), lower)
