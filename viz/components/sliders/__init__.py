"""Sliders that tell the page where they are while they still move; Streamlit's own wait until they rest."""

from collections.abc import Callable, Mapping, Sequence
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
        follows: whether the slider goes to ``start`` whenever that is another one, and not only at first.
    """

    name: str
    label: str
    low: float
    high: float
    step: float
    start: float
    power: bool = False
    hint: str = ""
    follows: bool = False


@dataclass(frozen=True)
class Turn:
    """What the hand did last.

    Attributes:
        values: of each slider, by name.
        drag: a number that each drag has of its own, from press to release, or of keys in a row.
        rested: whether the hand has let go, or not moved for a moment.
    """

    values: Mapping[str, float]
    drag: int
    rested: bool


def turned(scales: Sequence[Knob], key: str) -> dict[str, float]:
    """The value of each slider by its name, as of this run."""
    told, values = _told(key), {}
    for knob in scales:
        value = told.get(knob.name)
        values[knob.name] = knob.start if value is None else min(max(float(value), knob.low), knob.high)
    return values


def last_turn(key: str) -> Turn | None:
    """What was turned last; None before anything was."""
    told = _told(key)
    if not told:
        return None
    values = {name: float(value) for name, value in told.items() if name not in ("serial", "drag", "rested")}
    return Turn(values, int(told["drag"]), bool(told["rested"]))


def knobs(
    view_id: str,
    scales: Sequence[Knob],
    *,
    key: str,
    on_turned: Callable[[], None] | None = None,
    rests: bool = False,
    reveal: bool = False,
) -> None:
    """Mount the sliders in one row.

    Mount them after what depends on them, in a container that stands above it: a new value goes to the page when the
    sliders hear that the last one has been drawn, so that nothing is interrupted and all follows the hand.

    Args:
        view_id: a store of the page.
        scales: the sliders.
        key: of the component in the page.
        on_turned: called before the page runs anew with another value; ``turned`` tells it, and ``last_turn`` how.
        rests: whether to tell, too, when the hand rests.
        reveal: whether the page scrolls to the sliders when they come.
    """
    data = {
        "component": "knobs",
        "view_id": view_id,
        "knobs": [asdict(knob) for knob in scales],
        "heard": _told(key).get("serial", 0),
        "rests": rests,
        "reveal": reveal,
    }
    define("sliders")(key=key, data=data, on_turned_change=on_turned or (lambda: None))


def _told(key: str) -> dict[str, float]:
    """What the sliders told last, {} before they told anything."""
    return dict((st.session_state.get(key) or {}).get("turned") or {})
