"""Intervals by the bootstrap over documents (Efron 1979): the steps of one document are not independent.

The percentile interval is too narrow for few documents, so its tails are expanded to those of Student's t instead of the
normal distribution, as by Hesterberg (2015, The American Statistician 69: 371-386).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

RESAMPLES = 1000
CONFIDENCE = 0.95
"""Of the intervals that are returned."""
STRICT_CONFIDENCE = 0.99
"""Of the intervals that decide a verdict, which compares several scores."""


@dataclass(frozen=True)
class Estimate:
    """A measure on the test documents with its 95 % interval.

    Attributes:
        value: the measure.
        low: the lower end of the interval.
        high: the upper end.
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


@dataclass(frozen=True, eq=False)
class Resampled:
    """A measure and what it is on resampled documents.

    Attributes:
        value: the measure, of any shape (...).
        samples: (``RESAMPLES``, ...), on as many documents drawn with replacement.
        documents: the number of documents.
    """

    value: np.ndarray
    samples: np.ndarray
    documents: int

    def __sub__(self, other: Resampled) -> Resampled:
        return Resampled(self.value - other.value, self.samples - other.samples, self.documents)

    def __abs__(self) -> Resampled:
        return Resampled(np.abs(self.value), np.abs(self.samples), self.documents)

    def at(self, index: int) -> Resampled:
        """Return the measure at ``index`` of the first axis of its shape."""
        return Resampled(self.value[index], self.samples[:, index], self.documents)

    def interval(self, confidence: float = CONFIDENCE) -> tuple[np.ndarray, np.ndarray]:
        """Return the lower and upper ends of the expanded percentile interval; NaN samples are left out."""
        from scipy.special import ndtr, stdtrit

        count = self.documents
        tail = float(ndtr(np.sqrt(count / (count - 1)) * stdtrit(count - 1, (1 - confidence) / 2)))
        filled = np.where(np.isnan(self.samples).all(axis=0), 0.0, self.samples)
        quantile = np.nanquantile if np.isnan(filled).any() else np.quantile
        low, high = quantile(filled, [tail, 1 - tail], axis=0)
        return low, high

    def above(self, other: Resampled) -> bool:
        """Return whether the 99 % interval of one number minus another is above 0."""
        return bool((self - other).interval(STRICT_CONFIDENCE)[0] > 0)

    def estimate(self) -> Estimate:
        """Return the value and interval of a measure that is one number."""
        low, high = self.interval()
        return Estimate(float(self.value), float(low), float(high))


def document_counts(documents: int, seed: int) -> np.ndarray:
    """Return (1 + ``RESAMPLES``, documents): how often each document is drawn; in the first row once each."""
    drawn = np.random.default_rng(seed).multinomial(documents, np.full(documents, 1 / documents), size=RESAMPLES)
    return np.concatenate([np.ones((1, documents)), drawn])


def resample(counts: np.ndarray, measure: Callable[..., np.ndarray], *parts: np.ndarray) -> Resampled:
    """Return a measure of sums over documents.

    Args:
        counts: as of ``document_counts``.
        measure: of as many sums as there are ``parts``, each (n, ...).
        parts: (documents, ...) each, what each document adds to a sum.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        values = measure(*(np.tensordot(counts, part, 1) for part in parts))
    return Resampled(values[0], values[1:], counts.shape[1])


def ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Return ``above / below``, 0 where ``below`` is 0."""
    return np.divide(above, below, out=np.zeros(np.broadcast_shapes(above.shape, below.shape)), where=below != 0)
