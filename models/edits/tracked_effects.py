"""The effect of an edit on the units that track a property of the text: whether they still track it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from models.core.tokenize_text import DISPLAY_SYMBOLS
from models.edits.edit_effects import StateEffect, StepOrigins, unit_effects
from models.networks.forward_run import ForwardRun
from models.states.text_properties import text_properties
from models.states.tracked_units import default_quantity
from models.states.unit_tracking import MIN_CORRELATION, Match, Ranking

MIN_TRACKED_CHANGE = 0.05
"""Smaller changes of a tracking unit, relative to the quantity's range, are not reported."""


@dataclass(frozen=True)
class TrackedEffect:
    """The change of a unit that tracks a property.

    Attributes:
        match: the unit and its property, in the network before the edit.
        effect: the largest change of its state.
        correlation: Pearson's r of the state with the property over this text, before and after; 0 for a state that never
            changes. None if the property is constant in the text, or defined at its end alone, or if the text was edited.
    """

    match: Match
    effect: StateEffect
    correlation: tuple[float, float] | None

    @property
    def lost(self) -> bool:
        """Return whether it tracked its property in this text before the edit and does not after it."""
        if self.correlation is None:
            return False
        before, after = self.correlation
        return abs(before) >= MIN_CORRELATION and abs(after) < MIN_CORRELATION


def tracked_effect(
    before: ForwardRun, after: ForwardRun, rankings: Mapping[str, Ranking], origin: StepOrigins = None
) -> TrackedEffect | None:
    """Return the tracking unit that the edit changed most; None if none changed by ``MIN_TRACKED_CHANGE``.

    Args:
        before, after: the runs.
        rankings: by layer, which unit tracks which property in the network before the edit.
        origin: how the steps are aligned (``models.edits.edit_effects``).
    """
    found = []
    for layer, ranking in rankings.items():
        quantity = default_quantity(after.trace.layers[layer])
        units = [match.unit for match in ranking.tracked]
        effects = unit_effects(before, after, layer, quantity, units, origin)
        for match, effect in zip(ranking.tracked, effects, strict=True):
            if effect is not None and effect.share >= MIN_TRACKED_CHANGE:
                found.append((effect, match))
    if not found:
        return None
    effect, match = max(found, key=lambda each: each[0].share)
    return TrackedEffect(match, effect, _correlations(before, after, effect, match.name, origin))


def _correlations(
    before: ForwardRun, after: ForwardRun, effect: StateEffect, name: str, origin: StepOrigins
) -> tuple[float, float] | None:
    drawn = {symbol: token for token, symbol in DISPLAY_SYMBOLS.items()}
    values = text_properties([drawn.get(label, label) for label in after.labels_of(effect.layer)]).get(name)
    if origin is not None or values is None or not np.ptp(values):
        return None
    first, second = (
        _correlation(run.trace.layers[effect.layer][effect.quantity][run.row, : len(values), effect.unit], values)
        for run in (before, after)
    )
    return first, second


def _correlation(states: np.ndarray, values: np.ndarray) -> float:
    return float(np.corrcoef(states.astype(np.float64), values)[0, 1]) if np.ptp(states) else 0.0
