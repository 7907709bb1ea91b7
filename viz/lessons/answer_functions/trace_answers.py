"""Answers from the gates and states of a layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from models.core.messages import Problem
from models.core.tokenize_text import display
from models.states.gate_retention import retained, retention_gate
from models.states.saturation import gate_saturations
from viz.lessons.answer_functions.place_run import PlaceRun, index_of, one_of, text_argument


def _values(at: PlaceRun, quantity: str) -> np.ndarray:
    """Return a gate or state of the sequence, (T, units)."""
    layer, row = at.layer, at.run.row
    return layer[one_of(quantity, tuple(layer.quantities), "quantity")][row, : at.steps]


def _value(at: PlaceRun, quantity: str, unit: int, step: int = -1) -> float:
    """Return the value of a gate or state of one unit at one step."""
    values = _values(at, quantity)
    return float(values[index_of(step, len(values), "step"), index_of(unit, values.shape[1], "unit")])


def _series(at: PlaceRun, quantity: str, unit: int) -> list[float]:
    """Return the values of a gate or state of one unit at all steps."""
    values = _values(at, quantity)
    return values[:, index_of(unit, values.shape[1], "unit")].astype(float).tolist()


def _mean_value(at: PlaceRun, quantity: str, step: int | None = None) -> float:
    """Return the mean of a gate or state over the units, at one step or over all steps."""
    values = _values(at, quantity).astype(np.float64)
    return float(values.mean() if step is None else values[index_of(step, len(values), "step")].mean())


def _retention(at: PlaceRun, unit: int, step: int = -1, since: int = 0) -> float:
    """Return the product of the gates that carry a unit's state from after step ``since`` to after ``step``."""
    keep = retention_gate(at.layer, at.run.row)
    if keep is None:
        raise Problem("An RNN has no gate that keeps the state. Use the retention of an LSTM or a GRU.")
    first, last = index_of(since, len(keep), "since"), index_of(step, len(keep), "step")
    if first > last:
        raise Problem("“since” is after “step”. Give the earlier step as “since”.")
    return float(retained(keep, first, last)[index_of(unit, keep.shape[1], "unit")])


def _step_of(at: PlaceRun, token: str, occurrence: int = 0) -> int:
    """Return the step of a token of the sequence, of its first occurrence or a later one (from 0)."""
    run, wanted = at.run, text_argument(token, "token")
    found = [step for step, label in enumerate(run.labels) if label in (wanted, display(wanted))]
    if not found:
        raise Problem("The sequence has no token “{token}”. Use one of its tokens.", token=wanted[:40])
    return found[index_of(occurrence, len(found), "occurrence")]


def _saturated(at: PlaceRun, gate: str, end: str) -> float:
    """Return the share of a gate's values, over all units and steps, that are ``"open"`` (> 0.9) or ``"closed"`` (< 0.1)."""
    found = gate_saturations(at.layer, at.run.row)
    chosen = found[one_of(gate, tuple(found), "gate")]
    values = chosen.right if one_of(end, ("open", "closed"), "end") == "open" else chosen.left
    return float(np.mean(values))


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "value": _value,
    "series": _series,
    "mean_value": _mean_value,
    "retention": _retention,
    "step_of": _step_of,
    "saturated_share": _saturated,
}
