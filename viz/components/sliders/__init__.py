"""Sliders that report their values while they are dragged, where Streamlit's own do on release."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from viz.components import Component
from viz.components.reports import finite, flag, serial
from viz.components.streamlit_host import mount, reported

SLIDERS = Component("sliders")


@dataclass(frozen=True)
class Slider:
    """One slider.

    Attributes:
        name: of its value.
        label: the text above it.
        low, high, step, start: its range, its increment, and its first value.
        power: show 10 to the value instead of the value.
        hint: further text, shown on hover.
        follows: whether the slider moves to ``start`` whenever ``start`` changes, and not only at first.
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
class SliderChange:
    """The last change of the sliders made by dragging or by keys.

    Attributes:
        values: of each slider, by name.
        drag: a number of its own for each drag, from press to release, or for a run of key presses.
        released: whether the drag has ended, or paused for a moment.
    """

    values: Mapping[str, float]
    drag: int
    released: bool


def slider_values(sliders: Sequence[Slider], key: str) -> dict[str, float]:
    """Return the current value of each slider, by its name."""
    found, values = reported(key, "values", dict.fromkeys((slider.name for slider in sliders), finite)) or {}, {}
    for slider in sliders:
        value = found.get(slider.name, slider.start)
        values[slider.name] = min(max(value, slider.low), slider.high)
    return values


def last_change(key: str, *names: str) -> SliderChange | None:
    """Return the last change of the sliders with these names, or None before the first one."""
    found = reported(key, "values", {"drag": serial, "released": flag} | dict.fromkeys(names, finite))
    if found is None:
        return None
    return SliderChange({name: found[name] for name in names}, found["drag"], found["released"])


def sliders(
    view_id: str,
    sliders: Sequence[Slider],
    *,
    key: str,
    on_change: Callable[[], None] | None = None,
    reports_release: bool = False,
    reveal: bool = False,
) -> None:
    """Mount the sliders in one row.

    Mount them after what depends on them, in a container above it: the next value is reported when the sliders' data shows
    that the last one has been drawn, so that no run of the page is interrupted and the page follows the drag.

    Args:
        view_id: a store of the page.
        sliders: the sliders.
        key: of the component in the page.
        on_change: called before the page runs with another value; see ``slider_values`` and ``last_change``.
        reports_release: whether the end of a drag is reported, too.
        reveal: whether the page scrolls to the sliders when they appear.
    """
    drawn = (reported(key, "values", {"serial": serial}) or {"serial": 0})["serial"]
    data = sliders_data(view_id, sliders, drawn=drawn, reports_release=reports_release, reveal=reveal)
    mount(SLIDERS, data, key=key, on={"values": on_change or (lambda: None)})


def sliders_data(
    view_id: str, sliders: Sequence[Slider], *, drawn: float = 0, reports_release: bool = False, reveal: bool = False
) -> dict[str, Any]:
    """Return the data of the sliders; ``drawn``: the serial number of the last report that the page has been drawn for."""
    return {
        "view_id": view_id,
        "sliders": [asdict(slider) for slider in sliders],
        "drawn": drawn,
        "reports_release": reports_release,
        "reveal": reveal,
    }
