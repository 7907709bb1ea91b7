"""Units whose values are correlated with a property of the text (Karpathy, Johnson and Li 2015).

Among many units some correlate with any property by chance, and an untrained layer has such units too, because its states
still contain the last few symbols. So a unit is chosen on one text and checked on another, and compared with untrained
layers of its shape on the same texts (as Zhang and Bowman 2018 do with probes of a network).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from models.states.moments import centred

MIN_CORRELATION, MIN_MARGIN = 0.5, 0.1
RULE = (
    "A unit tracks a property when its two correlations, on the text and on the held-out text, have the same sign and are "
    "both at least 0.5, and at least 0.1 more than any unit of untrained layers of the same shape reaches on both."
)
NOTHING_CHANGES = "Nothing can be tracked in this text: no property of it changes, or no unit does."
NONE_TRACKS = "No unit tracks any of these properties."


@dataclass(frozen=True)
class Match:
    """A unit and a property, with their correlations.

    Attributes:
        name: the property's name.
        unit: the unit's index.
        correlation: on the text on which the unit was chosen: Pearson's r; for a property that is a word, the correlation
            ratio eta (the root of the share of the unit's variance that the word explains; Pearson 1911), from 0 to 1.
        held_out: the same on the held-out text; for a word, with the means of the first text. NaN if the property does not
            vary there.
        untrained: the largest strength of a unit of the untrained layers, 0 without any.
        tracked: whether the unit tracks the property by ``RULE``.
    """

    name: str
    unit: int
    correlation: float
    held_out: float
    untrained: float
    tracked: bool

    @property
    def strength(self) -> float:
        """The smaller magnitude of the two correlations, 0 if their signs differ."""
        return float(_agreeing_strength(np.array(self.correlation), np.array(self.held_out)))


@dataclass(frozen=True)
class Ranking:
    """A list of matches, the strongest first; after the tracking units, those that correlate on the first text alone."""

    matches: tuple[Match, ...]

    @property
    def tracked(self) -> tuple[Match, ...]:
        """The matches whose unit tracks the property."""
        return tuple(match for match in self.matches if match.tracked)

    @property
    def empty_reason(self) -> str | None:
        """The sentence that explains why no unit tracks anything; None if one does."""
        if not self.matches:
            return NOTHING_CHANGES
        return None if self.tracked else NONE_TRACKS

    def __add__(self, other: Ranking) -> Ranking:
        return sort_matches((*self.matches, *other.matches))


@dataclass(frozen=True, eq=False)
class Sample:
    """States and properties at N steps.

    Attributes:
        states: (N, H), a gate or state.
        properties: by name, (N) each: numbers, or words.
    """

    states: np.ndarray
    properties: Mapping[str, np.ndarray]


Pair = tuple[Sample, Sample]
"""A text, and a held-out one."""


def rank_units(pair: Pair, untrained: Sequence[Pair] = (), per_property: int = 3) -> Ranking:
    """Return the units with the largest correlations with each property.

    Args:
        pair: the text on which units are chosen, and the held-out text.
        untrained: the same of untrained layers.
        per_property: the number of units for each property.
    """
    text, held_out = pair
    matches: list[Match] = []
    for name in text.properties:
        on_text, on_held_out = correlations(text, held_out, name)
        best = max(
            (float(_agreeing_strength(*correlations(*other, name)).max(initial=0)) for other in untrained), default=0.0
        )
        strength = _agreeing_strength(on_text, on_held_out)
        order = np.argsort(-np.abs(np.nan_to_num(on_text)), kind="stable")[:per_property]
        for unit in order[np.abs(np.nan_to_num(on_text[order])) > 0]:
            is_tracked = bool(strength[unit] >= max(MIN_CORRELATION, best + MIN_MARGIN))
            matches.append(Match(name, int(unit), float(on_text[unit]), float(on_held_out[unit]), best, is_tracked))
    return sort_matches(matches)


def sort_matches(matches: Sequence[Match]) -> Ranking:
    """Return the matches by falling strength, those that track first; equals keep their order."""
    return Ranking(tuple(sorted(matches, key=lambda match: (-match.tracked, -match.strength))))


def correlations(text: Sample, held_out: Sample, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return (H) each, every unit's correlation with a property on the two texts; NaN if the unit or property is constant."""
    values, others = text.properties[name], held_out.properties.get(name, np.zeros(0))
    states, other_states = text.states, held_out.states[: len(others)]
    with np.errstate(invalid="ignore", divide="ignore"):
        if values.dtype.kind in "fb":
            return _pearson(states, values), _pearson(other_states, others)
        states, other_states = states.astype(np.float64), other_states.astype(np.float64)
        means = {word: states[values == word].mean(axis=0) for word in dict.fromkeys(values.tolist())}
        known = np.isin(others, list(means))
        return (
            _correlation_ratio(states, np.stack([means[word] for word in values.tolist()])),
            _correlation_ratio(other_states[known], np.array([means[word] for word in others[known].tolist()])),
        )


def _pearson(states: np.ndarray, values: np.ndarray) -> np.ndarray:
    if len(values) < 2 or values.min() == values.max():
        return np.full(states.shape[1], np.nan)
    y, done = values - values.mean(), 0
    products, squares = np.zeros((2, states.shape[1]))
    for part in centred(states):
        products += y[done : (done := done + len(part))] @ part
        squares += np.einsum("nh,nh->h", part, part)
    r = products / np.sqrt(squares * (y @ y))
    return np.where(states.min(axis=0) == states.max(axis=0), np.nan, r)


def _correlation_ratio(states: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Return (H), the root of the share of each unit's variance that ``predicted`` (N, H) explains, 0 if it explains none."""
    if len(states) < 2:
        return np.full(states.shape[1], np.nan)
    around = np.square(states - states.mean(axis=0)).sum(axis=0)
    share = 1 - np.square(states - predicted).sum(axis=0) / around
    return np.where(states.min(axis=0) == states.max(axis=0), np.nan, np.sqrt(np.maximum(share, 0)))


def _agreeing_strength(found: np.ndarray, again: np.ndarray) -> np.ndarray:
    """Return the smaller magnitude of two correlations; 0 if their signs differ or one is NaN."""
    agree = found * again > 0
    return np.where(agree, np.minimum(np.abs(found), np.abs(again)), 0.0)
