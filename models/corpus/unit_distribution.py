"""The distribution of a unit at some tokens of a corpus against that at all others.

Stored states are float16 numbers, of which there are 65,536, so that the whole distribution is counted exactly.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from models.core.messages import Problem
from models.corpus.checked_arrays import read_part
from models.corpus.corpus_index import CorpusIndex
from models.corpus.text_places import TokenPlaces
from models.training.call_progress import report_progress

_BITS = np.arange(1 << 16, dtype=np.uint32).astype(np.uint16)
_KEYS = _BITS ^ np.where(_BITS >> 15, 0xFFFF, 0x8000).astype(np.uint16)
"""Of each float16 number, by its bits, its place in the order of the numbers."""

NUMBERS = np.empty(1 << 16, dtype=np.float16)
"""All float16 numbers in their order."""
NUMBERS[_KEYS] = _BITS.view(np.float16)
_KEYS[0x8000] = _KEYS[0]  # both zeros count as equal


@dataclass(frozen=True, eq=False)
class UnitDistribution:
    """The numbers of tokens at which a unit has each value.

    Attributes:
        inside: (65536) int64, at the tokens asked for, by ``NUMBERS``.
        outside: the same at all others.
    """

    inside: np.ndarray
    outside: np.ndarray

    @cached_property
    def auc(self) -> float:
        """The probability that a random token inside has a larger value than one outside, equals counted half.

        It is the area under the ROC curve, and Mann and Whitney's U over its largest value: 0.5 where they do not differ.
        NaN if there is none inside or none outside.
        """
        n, m = int(self.inside.sum()), int(self.outside.sum())
        if not n or not m:
            return float("nan")
        below = np.cumsum(self.outside) - self.outside
        return float((self.inside * (below + self.outside / 2)).sum() / n / m)

    def moments(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Return the mean and the standard deviation inside and outside; NaN where there is no token."""
        return _moments(self.inside), _moments(self.outside)

    def histogram(self, bins: int = 60) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the edges (bins + 1) of equal bins over all values, and the shares (bins) inside and outside."""
        used = np.flatnonzero(self.inside + self.outside)
        low, high = float(NUMBERS[used[0]]), float(NUMBERS[used[-1]])
        edges = np.linspace(low, high if high > low else low + 1, bins + 1)
        shares = [
            np.histogram(NUMBERS[used].astype(np.float64), edges, weights=each[used])[0] / max(1, each.sum())
            for each in (self.inside, self.outside)
        ]
        return edges, shares[0], shares[1]


def _moments(counts: np.ndarray) -> tuple[float, float]:
    used = np.flatnonzero(counts)
    if not len(used):
        return float("nan"), float("nan")
    values, weights = NUMBERS[used].astype(np.float64), counts[used]
    mean = float(np.average(values, weights=weights))
    return mean, float(np.sqrt(np.average(np.square(values - mean), weights=weights)))


def unit_distribution(
    index: CorpusIndex, layer: str, quantity: str, unit: int, places: TokenPlaces
) -> UnitDistribution:
    """Count the values of a unit at some tokens and at all others.

    Raises:
        Problem: the index has no such unit.
    """
    index.check_units(layer, quantity, [unit])
    array = index.states(layer, quantity)
    counts = np.zeros((2, 1 << 16), dtype=np.int64)
    size = index.about["shard_steps"]
    for start in range(0, index.steps, size):
        stop = min(start + size, index.steps)
        keys = _KEYS[read_part(array, (slice(start, stop), unit)).view(np.uint16)]
        mask = places.mask(start, stop)
        counts[0] += np.bincount(keys[mask], minlength=1 << 16)
        counts[1] += np.bincount(keys[~mask], minlength=1 << 16)
    return UnitDistribution(counts[0], counts[1])


def check_some(index: CorpusIndex, places: TokenPlaces) -> None:
    """Check that some tokens of a corpus are at the places and some are not. Raises Problem: none or all are."""
    if places.count in (0, index.steps):
        raise Problem("The tokens must be some of the corpus: not none, and not all.")


def separating_units(
    index: CorpusIndex,
    layer: str,
    quantity: str,
    places: TokenPlaces,
    progress: Callable[[int], None] = lambda done: None,
) -> np.ndarray:
    """Return (H) float64: how far each unit's means inside and outside are apart, in pooled standard deviations.

    Cohen's d (1988), positive where the unit is larger inside; NaN for a unit that does not vary.

    Raises:
        Problem: no token is inside, or none is outside.
    """
    check_some(index, places)
    inside_count = places.count
    array = index.states(layer, quantity)
    sums = np.zeros((2, 2, array.shape[1]))
    size = index.about["shard_steps"]
    for start in range(0, index.steps, size):
        stop = min(start + size, index.steps)
        values = read_part(array, (slice(start, stop), slice(None))).astype(np.float32)
        mask = places.mask(start, stop)
        for place, chosen in enumerate((mask, ~mask)):
            part = values[chosen].astype(np.float64)
            sums[place, 0] += part.sum(axis=0)
            sums[place, 1] += np.einsum("nh,nh->h", part, part)
        progress(stop)
    counts = np.array([inside_count, index.steps - inside_count])[:, None]
    means = sums[:, 0] / counts
    variances = np.maximum(sums[:, 1] / counts - means**2, 0)
    pooled = np.sqrt((variances * counts).sum(axis=0) / index.steps)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(pooled > 1e-6, (means[0] - means[1]) / pooled, np.nan)


def separating_units_in_worker(folder: str, layer: str, quantity: str, places: TokenPlaces) -> np.ndarray:
    """Return ``separating_units`` of the index in a folder, in a worker of the queue, with reports of the progress."""
    index = CorpusIndex(folder)
    return separating_units(index, layer, quantity, places, lambda done: report_progress(done / index.steps))
