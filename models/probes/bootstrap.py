"""Intervals by the bootstrap over documents (Efron 1979): the steps of one document are not independent.

The percentile interval is too narrow for few documents, so its tails are expanded to those of Student's t instead of the
normal distribution, as by Hesterberg (2015, The American Statistician 69: 371-386).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
        from scipy.special import ndtr

        tail = float(ndtr(_expanded(self.documents, (1 - confidence) / 2)))
        filled = np.where(np.isnan(self.samples).all(axis=0), 0.0, self.samples)
        quantile = np.nanquantile if np.isnan(filled).any() else np.quantile
        low, high = quantile(filled, [tail, 1 - tail], axis=0)
        return low, high

    def band(self, confidence: float = CONFIDENCE) -> tuple[np.ndarray, np.ndarray]:
        """Return the lower and upper ends of a band (...) that contains all values together; NaN where a value is NaN.

        Its width is that many standard errors that the largest deviation of any value of a resample exceeds in 5 % of them.
        """
        error, ratios = self._deviations()
        width = self._width(np.abs(ratios), (1 - confidence) / 2, confidence) * error
        return self.value - width, self.value + width

    def band_low(self, confidence: float = STRICT_CONFIDENCE) -> np.ndarray:
        """Return the lower end of a one-sided band (...), which all values are above together; NaN where a value is NaN."""
        error, ratios = self._deviations()
        return self.value - self._width(ratios, 1 - confidence, confidence) * error

    def _deviations(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the standard errors (...), and the samples' deviations in standard errors, 0 where there is no error."""
        deviations = self.samples - self.value
        error = np.sqrt((deviations**2).mean(axis=0))
        return error, np.divide(deviations, error, out=np.zeros_like(deviations), where=error > 0)

    def _width(self, ratios: np.ndarray, tail: float, confidence: float) -> float:
        """Return the quantile of the largest ratio of each sample, expanded from the normal tail to Student's."""
        from scipy.special import ndtri

        quantile = float(np.quantile(ratios.reshape(len(ratios), -1).max(axis=1), confidence))
        return quantile * _expanded(self.documents, tail) / float(ndtri(tail))

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


def stacked(measures: Sequence[Resampled | None]) -> Resampled:
    """Return measures that are one number each as one of shape (n), NaN for None; at least one is not None."""
    documents = next(each.documents for each in measures if each is not None)
    values = np.array([np.nan if each is None else float(each.value) for each in measures])
    missing = np.full(RESAMPLES, np.nan)
    samples = np.stack([missing if each is None else each.samples for each in measures], axis=1)
    return Resampled(values, samples, documents)


def _expanded(documents: int, tail: float) -> float:
    """Return the quantile of Student's t, times sqrt(n / (n - 1)), for n documents."""
    from scipy.special import stdtrit

    return float(np.sqrt(documents / (documents - 1)) * stdtrit(documents - 1, tail))
