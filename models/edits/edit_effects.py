"""The effects of an edit: the differences of two runs of a sequence, before and after, and the largest changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.networks.forward_run import ClassPrediction, ForwardRun, SymbolPrediction, TagPrediction, ValuePrediction

MIN_CHANGE = 1e-5
"""Smaller changes, relative to a quantity's range, are ignored as rounding errors."""

StepOrigins = Sequence[int | None] | None
"""For each step after the edit, which step it was before (``InputSequence.origin``); None if all steps are the same."""


@dataclass(frozen=True)
class StateEffect:
    """The largest change of a gate or state.

    Attributes:
        layer, quantity, unit: the gate or state.
        step: the step of the largest change, in the edited sequence, from 0.
        origin: that step before the edit.
        before, after: its values there.
        share: the change relative to the quantity's range (1 for a gate from closed to open).
        since: the first step at which it changed, the step of ``EditEffects.first`` for this unit and quantity.
    """

    layer: str
    quantity: str
    unit: int
    step: int
    origin: int
    before: float
    after: float
    share: float
    since: int


@dataclass(frozen=True)
class PredictionEffect:
    """A prediction that changed.

    Attributes:
        step: the step of the edited sequence whose prediction it is; the last one for the class of a whole sequence.
        origin: that step before the edit.
        index: id of the symbol, or index of the class or column.
        symbol: the symbol in display form; None for a class or a column.
        before, after: its probability, or the predicted value.
    """

    step: int
    origin: int
    index: int
    symbol: str | None
    before: float
    after: float


@dataclass(frozen=True)
class PredictionFlip:
    """The first step after which a different symbol (or class) is the most probable one.

    Attributes:
        step, origin: as in ``PredictionEffect``.
        before, after: the most probable one's id.
        symbols: both in display form; None for classes.
    """

    step: int
    origin: int
    before: int
    after: int
    symbols: tuple[str, str] | None


@dataclass(frozen=True)
class EditEffects:
    """The changes between two runs.

    Attributes:
        first: the first step at which any gate or state changed, or None; of a network that generates a sequence, the first
            of the encoder's that changed, or else of the decoder's.
        states: the largest change of each layer and quantity that changed, the greatest share first.
        predictions: the largest change of each step's prediction that changed, the greatest change first.
        flip: the first change of the most probable symbol or class, or None.
        surprise: the mean surprise in bits before and after; None for a network without symbols, or if only its answer
            counts.
    """

    first: int | None
    states: tuple[StateEffect, ...]
    predictions: tuple[PredictionEffect, ...]
    flip: PredictionFlip | None
    surprise: tuple[float, float] | None


def state_difference(
    before: ForwardRun, after: ForwardRun, layer: str, quantity: str, origin: StepOrigins = None
) -> np.ndarray:
    """Return after minus before, (T, units) at each step of the edited sequence; NaN at inserted steps."""
    new, old = (_values(run, layer, quantity) for run in (after, before))
    return _subtract(new, old, layer_origins(before, after, layer, origin))


def prediction_difference(before: ForwardRun, after: ForwardRun, origin: StepOrigins = None) -> np.ndarray:
    """Return after minus before: (T, V) probabilities, (C) of classes, or (T, D) values; NaN at inserted steps."""
    new, old = (_predicted(run) for run in (after, before))
    return new - old if new.ndim == 1 else _subtract(new, old, layer_origins(before, after, None, origin))


def classes_before(before: TagPrediction, origin: StepOrigins) -> np.ndarray:
    """Return the class predicted before the edit at each step of the edited sequence, (T) int64; -1 at inserted steps."""
    return before.best if origin is None else np.array([-1 if was is None else before.best[was] for was in origin], int)


def layer_origins(before: ForwardRun, after: ForwardRun, layer: str | None, origin: StepOrigins) -> StepOrigins:
    """Return the alignment of the steps of a layer (of the prediction if None), where ``origin`` aligns the input's steps.

    A generated answer may become shorter or longer; its steps are aligned from its beginning.
    """
    if before.decoder_input is None or after.decoder_input is None or not (layer is None or after.decodes(layer)):
        return origin
    return [step if step < len(before.decoder_input) else None for step in range(len(after.decoder_input))]


def edit_effects(
    before: ForwardRun,
    after: ForwardRun,
    origin: StepOrigins = None,
    *,
    max_predictions: int = 8,
    answer_only: bool = False,
) -> EditEffects:
    """Compare the runs of two networks of one shape.

    Args:
        before, after: the runs.
        origin: how their steps are aligned.
        max_predictions: the largest number of predictions to return.
        answer_only: whether the network was trained on its answer after the last step only: no other prediction counts.
    """
    steps = _checked_origins(after, before, layer_origins(before, after, None, origin))
    counted = [len(steps) - 1] if answer_only else range(len(steps))
    found, first = [], []
    for layer in after.trace.layers:
        own = layer_origins(before, after, layer, origin)
        for quantity in after.trace.layers[layer]:
            change = _relative_change(before, after, layer, quantity, own)
            noticed = change > MIN_CHANGE
            if not noticed.any():
                continue
            first.append((after.decodes(layer), int(noticed.any(axis=1).argmax())))
            unit = int(change.max(axis=0).argmax())
            found.append(_effect(before, after, layer, quantity, unit, change[:, unit], own))
    found.sort(key=lambda effect: -effect.share)
    return EditEffects(
        # min: the encoder comes before the decoder
        min(first)[1] if first else None, tuple(found), _predictions(before, after, steps, counted, max_predictions),
        _first_flip(before, after, steps, counted), None if answer_only else _surprise(before, after),
    )  # fmt: skip


def unit_effects(
    before: ForwardRun, after: ForwardRun, layer: str, quantity: str, units: Sequence[int], origin: StepOrigins = None
) -> list[StateEffect | None]:
    """Return the largest change of a gate or state of each of ``units``; None for one that did not change."""
    own = layer_origins(before, after, layer, origin)
    changes = _relative_change(before, after, layer, quantity, own)
    return [
        _effect(before, after, layer, quantity, unit, change, own) if (change > MIN_CHANGE).any() else None
        for unit, change in ((unit, changes[:, unit]) for unit in units)
    ]


def _relative_change(
    before: ForwardRun, after: ForwardRun, layer: str, quantity: str, origin: StepOrigins
) -> np.ndarray:
    """Return (T, units), the change relative to the quantity's range; 0 at inserted steps."""
    new, old = (_values(run, layer, quantity) for run in (after, before))
    return _change(new, old, origin) / _quantity_range(after, layer, quantity, new, old)


def _effect(
    before: ForwardRun, after: ForwardRun, layer: str, quantity: str, unit: int, change: np.ndarray, origin: StepOrigins
) -> StateEffect:
    step = int(change.argmax())
    was = step if origin is None else origin[step]
    assert was is not None
    old = float(_values(before, layer, quantity)[was, unit])
    new = float(_values(after, layer, quantity)[step, unit])
    since = int((change > MIN_CHANGE).argmax())
    return StateEffect(layer, quantity, unit, step, was, old, new, float(change[step]), since)


def _predictions(
    before: ForwardRun, after: ForwardRun, steps: Sequence[int | None], counted: Sequence[int], limit: int
) -> tuple[PredictionEffect, ...]:
    new, old = (_predicted(run) for run in (after, before))
    if new.ndim == 1:
        last, was = len(after.labels) - 1, len(before.labels) - 1
        found = [PredictionEffect(last, was, i, None, float(old[i]), float(new[i])) for i in range(len(new))]
    else:
        symbols = after.prediction.vocabulary if isinstance(after.prediction, SymbolPrediction) else None
        aligned = None if steps == range(len(old)) else steps
        change = _change(new, old, aligned)
        largest = change.argmax(axis=1).tolist() if change.size else []
        found = []
        for step, i in ((step, largest[step]) for step in counted if largest):
            if (origin := steps[step]) is not None:
                symbol = None if symbols is None else symbols[i]
                found.append(PredictionEffect(step, origin, i, symbol, float(old[origin, i]), float(new[step, i])))
    found = [effect for effect in found if _effect_size(effect) > MIN_CHANGE]
    return tuple(sorted(found, key=lambda effect: -_effect_size(effect))[:limit])


def _effect_size(effect: PredictionEffect) -> float:
    return float(_change(np.array([effect.after]), np.array([effect.before]), None)[0])


def _first_flip(
    before: ForwardRun, after: ForwardRun, steps: Sequence[int | None], counted: Sequence[int]
) -> PredictionFlip | None:
    if isinstance(after.prediction, ClassPrediction) and isinstance(before.prediction, ClassPrediction):
        best = before.prediction.best, after.prediction.best
        both_finite = np.isfinite([before.prediction.probability, after.prediction.probability]).all()
        return (
            None
            if best[0] == best[1] or not both_finite
            else PredictionFlip(len(after.labels) - 1, len(before.labels) - 1, *best, None)
        )
    if not isinstance(after.prediction, SymbolPrediction | TagPrediction):
        return None
    symbols = after.prediction.vocabulary if isinstance(after.prediction, SymbolPrediction) else None
    new, old = (_predicted(run).argmax(axis=1) for run in (after, before))
    finite = [np.isfinite(_predicted(run)).all(axis=1) for run in (after, before)]
    for step in counted:
        if (origin := steps[step]) is not None and new[step] != old[origin] and finite[0][step] and finite[1][origin]:
            best = int(old[origin]), int(new[step])
            return PredictionFlip(
                step, origin, *best, None if symbols is None else (symbols[best[0]], symbols[best[1]])
            )
    return None


def _surprise(before: ForwardRun, after: ForwardRun) -> tuple[float, float] | None:
    bits = [
        run.prediction.surprisal[:-1] if isinstance(run.prediction, SymbolPrediction) else np.zeros(0)
        for run in (before, after)
    ]
    return (float(bits[0].mean()), float(bits[1].mean())) if len(bits[0]) and len(bits[1]) else None


def _values(run: ForwardRun, layer: str, quantity: str) -> np.ndarray:
    traced = run.trace.layers[layer]
    return traced[quantity][run.row, : int(traced.lengths[run.row])]


def _predicted(run: ForwardRun) -> np.ndarray:
    match run.prediction:
        case SymbolPrediction(probability) | ClassPrediction(probability) | TagPrediction(probability):
            return probability
        case ValuePrediction(value):
            return value
    return np.zeros((len(run.labels), 0), np.float32)


def _checked_origins(after: ForwardRun, before: ForwardRun, origin: StepOrigins) -> Sequence[int | None]:
    if origin is not None:
        return origin
    if len(after.labels) != len(before.labels):
        raise ValueError("The readings have different numbers of steps; say how they belong together.")
    return range(len(after.labels))


def _subtract(new: np.ndarray, old: np.ndarray, origin: StepOrigins) -> np.ndarray:
    if origin is None:
        return new - old
    result = np.full(new.shape, np.nan, new.dtype)
    kept = [step for step, was in enumerate(origin) if was is not None]
    result[kept] = new[kept] - old[[was for was in origin if was is not None]]
    return result


def _change(new: np.ndarray, old: np.ndarray, origin: StepOrigins) -> np.ndarray:
    """Return the magnitude of each change, float64: infinite if one of the values is not finite, 0 at inserted steps."""
    past, inserted = old, np.zeros(len(new), bool)
    if origin is not None:
        inserted = np.array([was is None for was in origin], bool)
        past = np.zeros(new.shape, new.dtype)
        past[~inserted] = old[[was for was in origin if was is not None]]
    with np.errstate(invalid="ignore", over="ignore"):
        size = np.abs(new.astype(np.float64) - past)
    size[np.isnan(size)] = np.inf
    size[(new == past) | (np.isnan(new) & np.isnan(past))] = 0.0
    size[inserted] = 0.0
    return size


def _quantity_range(run: ForwardRun, layer: str, quantity: str, *values: np.ndarray) -> float:
    """Return the width of a quantity's range; if it is unbounded, twice the greatest finite magnitude of ``values``."""
    span = run.trace.layers[layer].cell_equations.ranges[quantity]
    if span is not None:
        return span[1] - span[0]
    greatest = max((float(np.abs(each[np.isfinite(each)]).max(initial=0)) for each in values), default=0)
    return 2 * greatest or 1.0
