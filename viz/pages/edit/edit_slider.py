"""A slider that changes one edit while it is dragged: the latest value wins, and undo goes back to before the drag."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import streamlit as st

from models.edits.edit import (
    Clamp,
    Edit,
    Edits,
    ForgetBias,
    InitialState,
    Noise,
    Quantize,
    SpectralRadius,
    WeightChange,
)
from models.networks.forward_run import ForwardRun
from viz.components.sliders import Slider, last_change, sliders
from viz.pages.edit.edit_cache import VIEW_ID, put
from viz.pages.edit.live_redraw import Part, follow_all
from viz.session import Session

GATES = ("input_gate", "forget_gate", "output_gate", "reset_gate", "update_gate")


@dataclass(frozen=True)
class Range:
    """What a slider goes over, and the name of the edit's field that it turns."""

    field: str
    low: float
    high: float
    step: float


def range_of(edit: Edit) -> Range | None:
    """Over what an edit's number can be turned; None where it has none."""
    match edit:
        case WeightChange(_, _, value):
            most = max(2.0, 2.0 * abs(value))
            return Range("value", -most, most, most / 200)
        case Clamp(_, quantity):
            return Range("value", 0.0 if quantity in GATES else -1.0, 1.0, 0.01)
        case InitialState():
            return Range("value", -1.0, 1.0, 0.01)
        case ForgetBias():
            return Range("value", -6.0, 6.0, 0.05)
        case SpectralRadius():
            return Range("value", 0.0, 2.0, 0.01)
        case Noise():
            return Range("deviation", 0.0, 1.0, 0.005)
        case Quantize():
            return Range("bits", 2, 16, 1)
    return None


def turn_edit(session: Session, index: int, label: str) -> Part | None:
    """A place for a slider that turns edit ``index`` of the list; gives what draws it, None where it has no number."""
    edit = session.edits.entries[index].edit
    over = range_of(edit)
    if over is None:
        return None
    key = f"turn_{session.slider_generation}_{index}"
    # the range must not follow the hand that drags
    over = st.session_state.setdefault(f"{key}_range", over)
    value = min(max(float(getattr(edit, over.field)), over.low), over.high)

    def turned(value: float) -> Edits:
        now = session.edits
        changes: dict[str, Any] = {over.field: int(value) if over.field == "bits" else value}
        last: Any = now.entries[index].edit  # one of those that `range_of` names
        return now.swap(index, replace(last, **changes))

    return turning(session, Slider("value", label, over.low, over.high, over.step, value, follows=True), key, turned)


def turning(session: Session, knob: Slider, key: str, turned: Callable[[float], Edits]) -> Part:
    """A place for a slider here; gives what draws it. ``turned`` makes the list of edits of a value."""
    place = st.container()

    def heard() -> None:
        hand, old = last_change(key), session.edits
        if hand is None:
            return
        wanted = turned(hand.values["value"])
        put(session, wanted, drag=f"{key}:{hand.drag}", rested=hand.released)
        # A first edit brings panels with it.
        if hand.released or session.edits != wanted or len(wanted.on) != len(old.on):
            follow_all()

    def draw(_after: ForwardRun) -> None:
        with place:
            sliders(VIEW_ID, (knob,), key=key, on_change=heard, reports_release=True)

    return draw
