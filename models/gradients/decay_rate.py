"""How fast a gradient fades or grows on its way back: a geometric fit of its norms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

CLEAR = 0.5
"""Share of the variance of the log norms that a steady rate has to explain to be called one."""

STEADY = 0.01
"""A norm that changes by no more than this share from step to step, by its fitted rate, holds."""


@dataclass(frozen=True)
class Decay:
    """The norms' course, seen from the loss backwards.

    Attributes:
        rate: d ln(norm) / d step: below 0 it fades, above 0 it grows; NaN where there are fewer than 3 norms to fit.
        explained: the share of the variance of the log norms that a steady rate explains (r squared), from 0 to 1.
        zeros: how many norms are 0: no path leads there, or they have faded below the smallest number.
        broken: the step (from 0) nearest to the loss at which the norm is NaN or infinite, or None.
    """

    rate: float
    explained: float
    zeros: int
    broken: int | None

    @property
    def clear(self) -> bool:
        """Whether one rate describes the course."""
        return bool(self.explained >= CLEAR)

    @property
    def steady(self) -> bool:
        """Whether it neither fades nor grows to speak of."""
        return bool(abs(self.rate) <= STEADY)

    @property
    def halving(self) -> float:
        """Steps in which the norm halves (or doubles, where ``rate`` is above 0)."""
        return float(np.log(2) / abs(self.rate))


def decay(norms: np.ndarray, reverse: bool = False) -> Decay:
    """Fit ``norms`` (T), by position, of a gradient whose loss is at the last of them, or with ``reverse`` at the first.

    ln(norm) against the distance from the loss, least squares; norms that are 0 or not finite are left out.
    """
    back = norms.astype(np.float64)[:: 1 if reverse else -1]
    wrong = np.flatnonzero(~np.isfinite(back))
    broken = None
    if len(wrong):
        broken = int(wrong[0]) if reverse else len(back) - 1 - int(wrong[0])
    fit = np.isfinite(back) & (back > 0)
    distance, logs = np.flatnonzero(fit), np.log(back[fit])
    zeros = int((back == 0).sum())
    if len(distance) < 3:
        return Decay(np.nan, 0.0, zeros, broken)
    spread = distance - distance.mean()
    rate = float(spread @ logs / (spread @ spread))
    total = float(np.square(logs - logs.mean()).sum())
    explained = rate**2 * float(spread @ spread) / total if total > 0 else 1.0
    return Decay(rate, explained, zeros, broken)
