"""Units that are on in a span of a sequence and off elsewhere (LSTMVis: Strobelt et al. 2018)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.core.messages import Problem

THRESHOLD = 0.3
"""The lowest value at which a unit counts as on, as in LSTMVis."""


@dataclass(frozen=True, eq=False)
class SpanSelectivity:
    """Units ranked by how selectively they are on inside a span, best first.

    Attributes:
        units: (N) int64, those that are on more often inside than outside.
        inside: (N), the share of the span's steps at which each is on.
        outside: (N), the share of the other steps at which it is on; 0 if there are no others.
        threshold: the lowest value at which a unit counts as on.
    """

    units: np.ndarray
    inside: np.ndarray
    outside: np.ndarray
    threshold: float

    @property
    def best_margin(self) -> float:
        """The first unit's share inside minus its share outside; 0 if there is no unit."""
        return float(self.inside[0] - self.outside[0]) if len(self.units) else 0.0

    @property
    def exact(self) -> np.ndarray:
        """The units that are on throughout the span and never outside."""
        return self.units[(self.inside == 1) & (self.outside == 0)]


def span_selectivity(values: np.ndarray, start: int, stop: int, threshold: float = THRESHOLD) -> SpanSelectivity:
    """Return the units of ``values`` (T, H) that are on in the steps ``start`` to ``stop`` (not included) and off elsewhere.

    They are ranked by the share of steps on inside minus that outside; of equals the lower index comes first. To find units
    that are on below a value, pass ``-values``.

    Raises:
        Problem: the span is empty or outside the sequence, or the threshold is not a number.
    """
    steps = len(values)
    if start >= stop:
        raise Problem("The span is empty. Choose at least one time step.")
    if not 0 <= start < stop <= steps:
        raise Problem(
            "The span {start}–{stop} is outside the sequence ({steps} time steps). Choose another span.",
            start=start + 1,
            stop=stop,
            steps=steps,
        )
    if not np.isfinite(threshold):
        raise Problem("The threshold must be a finite number.")
    span = values[start:stop] >= threshold
    inside = span.mean(axis=0)
    on = (values[:start] >= threshold).sum(axis=0) + (values[stop:] >= threshold).sum(axis=0)
    outside = on / max(steps - (stop - start), 1)
    ranked = np.argsort(outside - inside, kind="stable")
    ranked = ranked[inside[ranked] > outside[ranked]]
    return SpanSelectivity(ranked, inside[ranked], outside[ranked], threshold)
