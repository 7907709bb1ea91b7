"""Interpolated n-gram models: what a table of counts alone predicts, the measure that ``python-lm`` has to beat.

The distribution after a context of n - 1 symbols mixes the counts seen there with the distribution after the context
one symbol shorter, down to the uniform one (Witten and Bell 1991; Jelinek and Mercer 1980):

    P(s | context) = (count(context s) + k kinds(context) P(s | shorter context)) / (count(context) + k kinds(context))

``kinds`` is how many different symbols were seen after the context; k = 1 is Witten and Bell's own weight, and here k is
tuned for each order on text apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

STRENGTHS = (0.125, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0)


@dataclass(frozen=True)
class Counts:
    """How often each n-gram occurs, looked up by its code (its symbols as digits in base V).

    Attributes:
        grams, gram_counts: sorted codes of n symbols, and their counts.
        contexts, context_counts, context_kinds: sorted codes of the first n - 1 symbols, how often each occurs,
            and how many different symbols follow it.
    """

    grams: np.ndarray
    gram_counts: np.ndarray
    contexts: np.ndarray
    context_counts: np.ndarray
    context_kinds: np.ndarray


def padded(texts: Sequence[np.ndarray], order: int, pad: int) -> tuple[np.ndarray, np.ndarray]:
    """All ``texts`` in one array, ``order - 1`` symbols ``pad`` before each, and where their own symbols lie.

    The first symbol of each text is context only: a network too predicts only once it has read one.
    """
    parts, own = [], []
    for text in texts:
        parts += [np.full(order - 1, pad), text.astype(np.int64)]
        own += [np.zeros(order, dtype=bool), np.ones(len(text) - 1, dtype=bool)]
    return np.concatenate(parts).astype(np.int64), np.concatenate(own)


def codes(symbols: np.ndarray, own: np.ndarray, n: int, base: int) -> np.ndarray:
    """Code of the n symbols that end at each place marked in ``own``."""
    ends = np.flatnonzero(own)
    code = np.zeros(len(ends), dtype=np.int64)
    for back in range(n - 1, -1, -1):
        code = code * base + symbols[ends - back]
    return code


def count(symbols: np.ndarray, own: np.ndarray, n: int, base: int) -> Counts:
    """Counts of every n-gram that ends at a place marked in ``own``."""
    grams, gram_counts = np.unique(codes(symbols, own, n, base), return_counts=True)
    contexts, first, kinds = np.unique(grams // base, return_index=True, return_counts=True)
    return Counts(grams, gram_counts, contexts, np.add.reduceat(gram_counts, first), kinds)


def looked_up(keys: np.ndarray, values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """``values`` at the places where the sorted ``keys`` equal ``wanted``, and 0 where they have none."""
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
    """Bits per symbol on ``held_out`` of the interpolated n-gram models n = 1 .. ``highest`` counted on ``train``.

    Args:
        validation: text on which the strength k of each order is chosen, lower orders first.
        base: V, the number of symbols.
        pad: the symbol that stands before the start of every text.
    """
    symbols, own = padded(train, highest, pad)
    tuning, asked = padded(validation, highest, pad), padded(held_out, highest, pad)
    lower_tuning = np.full(int(tuning[1].sum()), 1.0 / base)
    lower_asked = np.full(int(asked[1].sum()), 1.0 / base)
    bits = {}
    for n in range(1, highest + 1):
        counts = count(symbols, own, n, base)
        best = min(STRENGTHS, key=lambda k: _bits(_mixed(counts, tuning, n, base, lower_tuning, k)))
        lower_tuning = _mixed(counts, tuning, n, base, lower_tuning, best)
        lower_asked = _mixed(counts, asked, n, base, lower_asked, best)
        bits[n] = _bits(lower_asked)
    return bits


def _bits(probability: np.ndarray) -> float:
    return float(-np.log2(probability).mean())


def _mixed(
    counts: Counts, text: tuple[np.ndarray, np.ndarray], n: int, base: int, lower: np.ndarray, k: float
) -> np.ndarray:
    """P of each marked symbol of ``text`` at order n, given its probability ``lower`` at order n - 1."""
    grams = codes(*text, n, base)
    contexts = grams // base
    seen = looked_up(counts.grams, counts.gram_counts, grams)
    total = looked_up(counts.contexts, counts.context_counts, contexts)
    weight = k * looked_up(counts.contexts, counts.context_kinds, contexts)
    return np.where(total > 0, (seen + weight * lower) / np.maximum(total + weight, 1e-12), lower)
