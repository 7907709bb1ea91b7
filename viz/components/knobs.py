"""Sliders that tell the page where they are while they still move; Streamlit's own wait until they rest."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import streamlit as st

from viz.components import define


@dataclass(frozen=True)
class Knob:
    """One slider.

    Attributes:
        name: of its value.
        label: what it is, for the reader.
        low, high, step, start: its values, and the one that it begins at.
        power: show 10 to the value rather than the value.
        hint: further words, shown when it is pointed at.
    """

    name: str
    label: str
    low: float
    high: float
    step: float
    start: float
    power: bool = False
    hint: str = ""


def turned(scales: Sequence[Knob], key: str) -> dict[str, float]:
    """The value of each slider by its name, as of this run."""
    told, values = _told(key), {}
    for knob in scales:
        value = told.get(knob.name)
        values[knob.name] = knob.start if value is None else min(max(float(value), knob.low), knob.high)
    return values


def knobs(view_id: str, scales: Sequence[Knob], *, key: str, on_turned: Callable[[], None] | None = None) -> None:
    """Mount the sliders in one row.

    Mount them after what depends on them, in a container that stands above it: a new value goes to the page when the
    sliders hear that the last one has been drawn, so that nothing is interrupted and all follows the hand.

    Args:
        view_id: a store of the page.
        scales: the sliders.
        key: of the component in the page.
        on_turned: called before the page runs anew with another value; ``turned`` tells it.
    """
    data = {
        "component": "knobs",
        "view_id": view_id,
        "knobs": [asdict(knob) for knob in scales],
        "heard": _told(key).get("serial", 0),
    }
    define("knobs")(key=key, data=data, on_turned_change=on_turned or (lambda: None))


def _told(key: str) -> dict[str, float]:
    """What the sliders told last, {} before they told anything."""
    return dict((st.session_state.get(key) or {}).get("turned") or {})
