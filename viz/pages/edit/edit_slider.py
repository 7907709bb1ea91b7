"""Sliders that change an edit while they are dragged: the latest value wins, and one undo reverts the whole drag."""

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
from viz.pages.edit.edit_cache import VIEW_ID, apply_edits
from viz.pages.edit.live_redraw import DrawPart, rerun_page
from viz.session import Session

ZERO_ONE_GATES = ("input_gate", "forget_gate", "output_gate", "reset_gate", "update_gate")


@dataclass(frozen=True)
class SliderRange:
    """Range of a slider, and the name of the edit's field that it sets."""

    field: str
    low: float
    high: float
    step: float


def slider_range(edit: Edit) -> SliderRange | None:
    """Return the range of the number that an edit has, or None if it has none."""
    match edit:
        case WeightChange(_, _, value):
            most = max(2.0, 2.0 * abs(value))
            return SliderRange("value", -most, most, most / 200)
        case Clamp(_, quantity):
            return SliderRange("value", 0.0 if quantity in ZERO_ONE_GATES else -1.0, 1.0, 0.01)
        case InitialState():
            return SliderRange("value", -1.0, 1.0, 0.01)
        case ForgetBias():
            return SliderRange("value", -6.0, 6.0, 0.05)
        case SpectralRadius():
            return SliderRange("value", 0.0, 2.0, 0.01)
        case Noise():
            return SliderRange("deviation", 0.0, 1.0, 0.005)
        case Quantize():
            return SliderRange("bits", 2, 16, 1)
    return None


def edit_slider(session: Session, index: int, label: str) -> DrawPart | None:
    """Reserve a place for a slider of edit ``index``; return the function that draws it, None if the edit has no number."""
    edit = session.edits.entries[index].edit
    range_ = slider_range(edit)
    if range_ is None:
        return None
    key = f"turn_{session.slider_generation}_{index}"
    # the range must not change during a drag
    range_ = st.session_state.setdefault(f"{key}_range", range_)
    value = min(max(float(getattr(edit, range_.field)), range_.low), range_.high)

    def edits_at(value: float) -> Edits:
        now = session.edits
        changes: dict[str, Any] = {range_.field: int(value) if range_.field == "bits" else value}
        last: Any = now.entries[index].edit  # one of the types in `slider_range`
        return now.swap(index, replace(last, **changes))

    return live_slider(
        session, Slider("value", label, range_.low, range_.high, range_.step, value, follows=True), key, edits_at
    )


def live_slider(session: Session, slider: Slider, key: str, edits_at: Callable[[float], Edits]) -> DrawPart:
    """Reserve a place for a slider; return the function that draws it. ``edits_at`` returns the edits for a value."""
    place = st.container()

    def on_drag() -> None:
        change, old = last_change(key, slider.name), session.edits
        if change is None:
            return
        edits = edits_at(min(max(change.values[slider.name], slider.low), slider.high))
        apply_edits(session, edits, drag=f"{key}:{change.drag}", rested=change.released)
        # The first edit adds panels to the page.
        if change.released or session.edits != edits or len(edits.on) != len(old.on):
            rerun_page()

    def draw(_after: ForwardRun) -> None:
        with place:
            sliders(VIEW_ID, (slider,), key=key, on_change=on_drag, reports_release=True)

    return draw
