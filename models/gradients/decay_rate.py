"""The rate at which a gradient vanishes or explodes with the distance from the loss: an exponential fit of its norms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MIN_R_SQUARED = 0.5
"""The smallest share of the variance of the log norms that the fit explains, for the course to count as exponential."""

MAX_CONSTANT_RATE = 0.01
"""The largest fitted rate (share per step) at which the norm counts as constant."""


@dataclass(frozen=True)
class DecayFit:
    """An exponential fit of gradient norms against the distance from the loss.

    Attributes:
        rate: d ln(norm) / d step: below 0 it vanishes, above 0 it explodes; NaN with fewer than 3 norms to fit.
        r_squared: the share of the variance of the log norms that the fit explains, from 0 to 1.
        zero_count: the number of norms that are 0: no path leads there, or they have underflowed.
        nonfinite_step: the step (from 0) nearest to the loss at which the norm is NaN or infinite, or None.
    """

    rate: float
    r_squared: float
    zero_count: int
    nonfinite_step: int | None

    @property
    def is_exponential(self) -> bool:
        """Return whether one rate describes the course."""
        return bool(self.r_squared >= MIN_R_SQUARED)

    @property
    def is_constant(self) -> bool:
        """Return whether the norm changes by no more than ``MAX_CONSTANT_RATE`` per step."""
        return bool(abs(self.rate) <= MAX_CONSTANT_RATE)

    @property
    def half_distance(self) -> float:
        """The number of steps in which the norm halves (or doubles, if ``rate`` is above 0)."""
        return float(np.log(2) / abs(self.rate))


def fit_decay(norms: np.ndarray, reverse: bool = False) -> DecayFit:
    """Fit the ``norms`` (T), by position, of a gradient whose loss is at the last of them, or with ``reverse`` at the first.

    Least squares of ln(norm) against the distance from the loss; norms that are 0 or not finite are left out.
    """
    back = norms.astype(np.float64)[:: 1 if reverse else -1]
    nonfinite = np.flatnonzero(~np.isfinite(back))
    nonfinite_step = None
    if len(nonfinite):
        nonfinite_step = int(nonfinite[0]) if reverse else len(back) - 1 - int(nonfinite[0])
    fit = np.isfinite(back) & (back > 0)
    distance, logs = np.flatnonzero(fit), np.log(back[fit])
    zeros = int((back == 0).sum())
    if len(distance) < 3:
        return DecayFit(np.nan, 0.0, zeros, nonfinite_step)
    spread = distance - distance.mean()
    rate = float(spread @ logs / (spread @ spread))
    total = float(np.square(logs - logs.mean()).sum())
    r_squared = rate**2 * float(spread @ spread) / total if total > 0 else 1.0
    return DecayFit(rate, r_squared, zeros, nonfinite_step)
