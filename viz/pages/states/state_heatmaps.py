"""Heatmaps of all gates and states, with a choice of the order of units; of a large layer in blocks, with a zoom."""

from collections.abc import Callable
from typing import Any, cast, get_args

import streamlit as st

from models.core.trace import LayerTrace
from models.networks.forward_run import ForwardRun
from models.states.unit_order import UnitOrder
from viz.components.heatmap import heatmap
from viz.components.reports import finite, row_of
from viz.components.streamlit_host import reported
from viz.escape import widget_key
from viz.i18n import _
from viz.pages.panels import panel
from viz.pages.states import states_cache
from viz.pages.view_widgets import SPAN, TEXT, view_buttons, view_choice, view_widget
from viz.panel_texts.states_texts import units_over_time_text
from viz.payloads.excerpt import unit_count
from viz.payloads.heatmap_image import Window
from viz.payloads.states_payload import states_fit
from viz.quantity_names import quantity_names
from viz.session import get_session

HEATMAP = "states_heatmap"


def chosen_order() -> UnitOrder:
    """Return the order of the units that the reader chose."""
    return cast(UnitOrder, view_choice("order", TEXT, "index", get_args(UnitOrder).__contains__))


def chosen_window(run: ForwardRun, layer: LayerTrace) -> Window | None:
    """Return the part of a large layer that the reader chose, or None for all of it."""
    if states_fit(run, layer.name):
        return None
    counts = _counts(run, layer)
    spans = {name: view_choice(name, SPAN, (1, count), _within(count)) for name, count in counts.items()}
    window = Window(*((first - 1, last) for first, last in spans.values()))
    return None if window == Window(*((0, count) for count in counts.values())) else window


def state_heatmaps(run: ForwardRun, layer: LayerTrace, view_id: str, quantity: str) -> None:
    """Draw the heatmaps, the choice of the order above them, and the zoom if they are drawn in blocks."""

    @panel("units_over_time", *units_over_time_text())
    def draw_units_over_time() -> None:
        words = {
            "index": _("unit number"),
            "mean": _("mean (ascending)"),
            "variance": _("variance (descending)"),
            "similarity": _("similarity"),
        }
        label = _("Order of the units (by {quantity})").format(quantity=quantity_names().get(quantity, quantity))
        small = states_fit(run, layer.name)
        left, right = (st.container(), None) if small else st.columns(2, gap="medium")
        with left:
            view_buttons(label, words, name="order", key="order", default="index")
        by = chosen_order()
        if right is None:
            order = None if by == "index" else states_cache.unit_order(run, layer.name, quantity, by).tolist()
            heatmap(view_id, form="sequence", key=HEATMAP, order=order)
            return
        with right:
            shows = _block_shows()
        _zoom(run, layer)
        heatmap(
            view_id,
            form="sequence",
            key=HEATMAP,
            shows=shows,
            on_window_change=lambda: _dragged(run, layer),
        )


def _block_shows() -> Any:
    """Show the choice of the value that is drawn for a block."""
    words = {"spikes": _("mean, rare values kept"), "mean": _("mean"), "low": _("minimum"), "high": _("maximum")}
    return view_buttons(_("Value shown per block"), words, name="blocks", key="blocks", default="spikes")


def _zoom(run: ForwardRun, layer: LayerTrace) -> None:
    """Show the choice of the part that is drawn."""
    steps, units = int(layer.lengths[run.row]), unit_count(layer)
    st.caption(
        _(
            "{n} values per gate or state do not fit on one screen. Each block shows the mean of several values "
            "or, if it contains a value that is rare for its unit, that value. For exact values, choose a part "
            "below or drag over the map."
        ).format(n=f"{steps * units:,}")
    )
    across, down = st.columns(2, gap="medium", vertical_alignment="top")
    labels = {"steps": (across, _("Time steps shown")), "units": (down, _("Units shown (position in the order)"))}
    for name, count in _counts(run, layer).items():
        place, label = labels[name]
        if count > 1:
            with place:
                view_widget(
                    st.slider,
                    label,
                    1,
                    count,
                    name=name,
                    key=f"{name}_{run.serial}_{widget_key(layer.name)}",
                    form=SPAN,
                    default=(1, count),
                    is_valid=_within(count),
                )
    if chosen_window(run, layer) is not None:
        st.button(_("Show the whole map"), icon=":material/zoom_out_map:", on_click=_zoom_to, args=(None, None))


def _counts(run: ForwardRun, layer: LayerTrace) -> dict[str, int]:
    return {"steps": int(layer.lengths[run.row]), "units": unit_count(layer)}


def _within(count: int) -> Callable[[tuple[int, int]], bool]:
    return lambda span: span[1] <= count


def _zoom_to(steps: str | None, units: str | None) -> None:
    get_session().set_view_options(steps=steps, units=units)


def _dragged(run: ForwardRun, layer: LayerTrace) -> None:
    dragged = reported(HEATMAP, "window", {"steps": row_of(finite, finite), "places": row_of(finite, finite)})
    if dragged is None:
        return
    spans = []
    for edges, count in zip((dragged["steps"], dragged["places"]), _counts(run, layer).values(), strict=True):
        first = min(max(int(edges[0]), 0), count - 1)
        spans.append(SPAN.format((first + 1, min(max(int(edges[1]), first + 1), count))))
    _zoom_to(*spans)
