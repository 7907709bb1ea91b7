"""Every gate and state of every unit at every step, in the order that is asked for; a large layer in blocks, with a zoom."""

from dataclasses import replace
from typing import Any, cast

import streamlit as st

from models.orderings import By
from models.reading import Reading
from models.trace import LayerTrace
from viz.components.heatmap import heatmap
from viz.i18n import _
from viz.names import quantity_names
from viz.pages import states_sources
from viz.pages.panel import panel
from viz.picture import Window
from viz.states_payload import whole

ORDER, SHOWS, MAP = "order", "block_shows", "states_heatmap"
ZOOM, ZOOMED, STEPS, PLACES = "zoom", "zoomed", "zoom_steps", "zoom_places"


def order_chosen() -> By:
    """The order of the units that the reader chose."""
    return cast(By, st.session_state.get(ORDER) or "index")


def window_chosen(reading: Reading, layer: LayerTrace) -> Window | None:
    """The part of a large layer that the reader chose; None for all of it."""
    if whole(reading, layer.name):
        return None
    window: Window | None = st.session_state.get(_key(reading, layer))
    return None if window == _all(reading, layer) else window


def heatmaps(reading: Reading, layer: LayerTrace, view_id: str, quantity: str) -> None:
    """The heatmaps, the order above them, and where they are of blocks, the zoom."""
    with panel(
        _("Every unit at every step"),
        _("Sort by similarity, then look for bands: units that open and shut together. Columns are moments of change."),
    ):
        words = {
            "index": _("index"),
            "mean": _("mean, rising"),
            "variance": _("variance, falling"),
            "similarity": _("similarity"),
        }
        st.segmented_control(
            _("Order of the units, by their {quantity}").format(quantity=quantity_names()[quantity]),
            list(words),
            format_func=words.__getitem__,
            default="index" if ORDER not in st.session_state else None,
            key=ORDER,
            required=True,
        )
        by = order_chosen()
        if whole(reading, layer.name):
            order = None if by == "index" else states_sources.ordered(reading, layer.name, quantity, by).tolist()
            heatmap(view_id, form="sequence", key=MAP, order=order)
            return
        shows = _zoom(reading, layer)
        heatmap(
            view_id,
            form="sequence",
            key=MAP,
            shows=shows,
            on_window_change=lambda: _dragged(reading, layer),
        )


def _zoom(reading: Reading, layer: LayerTrace) -> Any:
    """Which part is shown, and what stands for a block of it."""
    steps, units = int(layer.lengths[reading.row]), layer.weights.hidden_size
    st.caption(
        _(
            "{n} numbers a gate or state are more than a screen can show: each block stands for several. "
            "Choose a part below, or drag over it, for its exact numbers."
        ).format(n=f"{steps * units:,}")
    )
    across, down, choose = st.columns([4, 4, 3], gap="medium", vertical_alignment="bottom")
    window = window_chosen(reading, layer) or _all(reading, layer)
    for place, name, label, count, (start, stop) in (
        (across, STEPS, _("Steps shown"), steps, window.steps),
        (down, PLACES, _("Units shown, by their place in the order"), units, window.places),
    ):
        if count > 1:
            # Other sliders for each part that was not chosen by them: a browser that has not seen it yet would take it back.
            times = st.session_state.get(ZOOMED, 0)
            key = f"{name}_{times}_{reading.serial}_{layer.name}"
            with place:
                st.slider(
                    label,
                    1,
                    count,
                    (start + 1, stop),
                    key=key,
                    on_change=_slid,
                    args=(reading, layer, key, name, times),
                )
    words = {"strongest": _("the strongest"), "mean": _("the mean")}
    with choose:
        shows = st.segmented_control(
            _("A block shows"),
            list(words),
            format_func=words.__getitem__,
            default="strongest" if SHOWS not in st.session_state else None,
            key=SHOWS,
            required=True,
        )
    if window_chosen(reading, layer) is not None:
        st.button(_("Show all of it"), icon=":material/zoom_out_map:", on_click=_show_all, args=(reading, layer))
    return shows or "strongest"


def _slid(reading: Reading, layer: LayerTrace, key: str, name: str, times: int) -> None:
    if times != st.session_state.get(ZOOMED, 0):  # a slider that is gone
        return
    first, last = st.session_state[key]
    before = window_chosen(reading, layer) or _all(reading, layer)
    changed = {"steps" if name == STEPS else "places": (first - 1, last)}
    st.session_state[_key(reading, layer)] = replace(before, **changed)


def _show_all(reading: Reading, layer: LayerTrace) -> None:
    _zoom_to(reading, layer, None)


def _zoom_to(reading: Reading, layer: LayerTrace, window: Window | None) -> None:
    st.session_state[_key(reading, layer)] = window
    st.session_state[ZOOMED] = st.session_state.get(ZOOMED, 0) + 1


def _all(reading: Reading, layer: LayerTrace) -> Window:
    return Window((0, int(layer.lengths[reading.row])), (0, layer.weights.hidden_size))


def _dragged(reading: Reading, layer: LayerTrace) -> None:
    dragged = st.session_state[MAP]["window"]
    if not dragged:
        return
    counts = {"steps": int(layer.lengths[reading.row]), "places": layer.weights.hidden_size}
    spans = {}
    for name, count in counts.items():
        first, last = (int(edge) for edge in dragged[name])
        first = min(max(first, 0), count - 1)
        spans[name] = (first, min(max(last, first + 1), count))
    _zoom_to(reading, layer, Window(**spans))


def _key(reading: Reading, layer: LayerTrace) -> str:
    return f"{ZOOM}_{reading.serial}_{layer.name}"
