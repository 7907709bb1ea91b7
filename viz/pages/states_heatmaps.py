"""Every gate and state of every unit at every step, in the order that is asked for; a large layer in blocks, with a zoom."""

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
from viz.states_payload import Window, whole

ORDER, STEPS, PLACES, SHOWS, MAP = "order", "zoom_steps", "zoom_places", "block_shows", "states_heatmap"


def order_chosen() -> By:
    """The order of the units that the reader chose."""
    return cast(By, st.session_state.get(ORDER) or "index")


def window_chosen(reading: Reading, layer: LayerTrace) -> Window | None:
    """The part of a large layer that the reader chose; None for all of it."""
    if whole(layer, reading.row):
        return None
    steps, units = int(layer.lengths[reading.row]), layer.weights.hidden_size
    first, last = st.session_state.get(_key(STEPS, reading, layer), (1, steps))
    low, high = st.session_state.get(_key(PLACES, reading, layer), (1, units))
    window = Window((first - 1, last), (low - 1, high))
    return None if window == Window((0, steps), (0, units)) else window


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
        if whole(layer, reading.row):
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
    for place, name, label, count in (
        (across, STEPS, _("Steps shown"), steps),
        (down, PLACES, _("Units shown, by their place in the order"), units),
    ):
        key = _key(name, reading, layer)
        if count > 1:
            if key not in st.session_state:
                st.session_state[key] = (1, count)
            with place:
                st.slider(label, 1, count, key=key)
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


def _show_all(reading: Reading, layer: LayerTrace) -> None:
    st.session_state[_key(STEPS, reading, layer)] = (1, int(layer.lengths[reading.row]))
    st.session_state[_key(PLACES, reading, layer)] = (1, layer.weights.hidden_size)


def _dragged(reading: Reading, layer: LayerTrace) -> None:
    window = st.session_state[MAP]["window"]
    if not window:
        return
    steps, units = int(layer.lengths[reading.row]), layer.weights.hidden_size
    for name, count in (("steps", steps), ("places", units)):
        first, last = (int(edge) for edge in window[name])
        key = _key(STEPS if name == "steps" else PLACES, reading, layer)
        st.session_state[key] = (min(first + 1, count), min(max(last, first + 1), count))


def _key(name: str, reading: Reading, layer: LayerTrace) -> str:
    return f"{name}_{reading.serial}_{layer.name}"
