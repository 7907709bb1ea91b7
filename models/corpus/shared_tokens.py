"""What places of a corpus share: tokens and annotations that are more frequent there than elsewhere, with a test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.corpus.checked_arrays import read_part
from models.corpus.corpus_index import CorpusIndex
from models.corpus.text_places import TokenPlaces

MAX_ERROR_RATE = 0.05
"""The expected share of false findings among those that are reported (Benjamini and Hochberg 1995)."""


@dataclass(frozen=True)
class SharedToken:
    """A token that is more frequent at some places.

    Attributes:
        token: its id.
        inside, expected: how often it occurs there, and how often it would if they were any tokens of the corpus.
        p: of Fisher's exact test, one-sided.
        significant: whether it is, where at most ``MAX_ERROR_RATE`` of all findings are expected to be false.
    """

    token: int
    inside: int
    expected: float
    p: float
    significant: bool


def shared_tokens(index: CorpusIndex, places: TokenPlaces, count: int = 20) -> list[SharedToken]:
    """Return the tokens that are more frequent at some places than in the whole corpus, by their test.

    Neighbouring tokens of a text depend on each other, so that the probabilities are too small where the places are long.

    Args:
        index: of a corpus with a vocabulary.
        places: the tokens that are counted.
        count: tokens that are returned.
    """
    from scipy.stats import hypergeom

    totals = index.read("token_counts", slice(None))
    found = np.zeros_like(totals)
    size = index.array("tokens").chunks[0]
    used = np.unique(np.concatenate([places.start // size, (places.stop - 1) // size]))
    for chunk in range(int(used[0]), int(used[-1]) + 1) if len(used) else ():
        start, stop = chunk * size, min((chunk + 1) * size, index.steps)
        inside = places.mask(start, stop)
        if inside.any():
            found += np.bincount(index.read("tokens", slice(start, stop))[inside], minlength=len(totals))
    drawn, all_tokens = int(found.sum()), int(totals.sum())
    present = np.flatnonzero(found)
    if not len(present):
        return []
    p = hypergeom.sf(found[present] - 1, all_tokens, totals[present], drawn)
    significant = control_error_rate(p)
    expected = totals[present] * drawn / all_tokens
    order = np.lexsort((present, -found[present], p))[:count]
    return [
        SharedToken(
            int(present[each]),
            int(found[present[each]]),
            float(expected[each]),
            float(p[each]),
            bool(significant[each]),
        )
        for each in order
        if found[present[each]] > expected[each]
    ]


def control_error_rate(p: Sequence[float] | np.ndarray, rate: float = MAX_ERROR_RATE) -> np.ndarray:
    """Return which of several tests are significant (Benjamini and Hochberg 1995)."""
    values = np.asarray(p, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    passed = np.flatnonzero(values[order] <= rate * np.arange(1, len(values) + 1) / max(1, len(values)))
    result = np.zeros(len(values), dtype=bool)
    if len(passed):
        result[order[: passed[-1] + 1]] = True
    return result


@dataclass(frozen=True)
class SharedAnnotation:
    """An annotation whose values at some places differ from those elsewhere.

    Attributes:
        name: of the annotation.
        value: a label; None of numbers.
        inside, outside: the share of the label, or the mean, at the places and at all other tokens.
        p: of Fisher's exact test, or of Mann and Whitney's, two-sided.
        significant: as of ``SharedToken``.
    """

    name: str
    value: str | None
    inside: float
    outside: float
    p: float
    significant: bool


def shared_annotations(index: CorpusIndex, places: TokenPlaces, sample: int = 20_000) -> list[SharedAnnotation]:
    """Return how the annotations at one token of each place differ from those of evenly chosen tokens, by their test.

    Args:
        index: of the corpus.
        places: of each the first token counts, since the others depend on it.
        sample: tokens of the corpus that are compared.
    """
    from scipy.stats import fisher_exact, mannwhitneyu

    if not len(places.start):
        return []
    others = np.unique(np.linspace(0, index.steps - 1, min(sample, index.steps)).astype(np.int64))
    others = others[~np.isin(others, places.start)]
    rows: list[tuple[str, str | None, float, float, float]] = []
    for name in index.about["annotations"]:
        array = index.array(f"annotations/{name}")
        inside, outside = read_part(array, places.start), read_part(array, others)
        labels = array.attrs.get("labels")
        if labels is None:
            inside, outside = inside[np.isfinite(inside)], outside[np.isfinite(outside)]
            if len(inside) and len(outside) and (inside.min() < inside.max() or (outside != inside[0]).any()):
                p = float(mannwhitneyu(inside.astype(np.float64), outside.astype(np.float64)).pvalue)
                rows.append((name, None, float(inside.mean()), float(outside.mean()), p))
            continue
        for code in np.unique(inside):
            table = [[int((each == code).sum()), int((each != code).sum())] for each in (inside, outside)]
            share = [row[0] / max(1, sum(row)) for row in table]
            rows.append((name, labels[code], share[0], share[1], float(fisher_exact(table).pvalue)))
    significant = control_error_rate([row[-1] for row in rows])
    found = [SharedAnnotation(*row, bool(each)) for row, each in zip(rows, significant, strict=True)]
    return sorted(found, key=lambda each: each.p)
