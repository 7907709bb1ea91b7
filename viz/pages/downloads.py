"""Downloads of what a page shows: the selected unit's curves as a figure, the forward run as arrays."""

from io import BytesIO

import plotly.graph_objects as go
import streamlit as st

from models.core.saved_cell import SavedCell
from models.networks.forward_run import ForwardRun
from viz.command_line import COMMAND
from viz.escape import file_name
from viz.figures.unit_curves import unit_curves
from viz.i18n import _
from viz.pages import cache
from viz.pages.page_elements import chart, page_theme
from viz.pages.panels import panel
from viz.session import Session


def download_panel(session: Session, run: ForwardRun) -> None:
    """Show the selected unit over the sequence, and buttons that download the figure and the whole run."""
    view = session.view
    layer = run.trace.layers[view.layer or ""]
    assert view.unit is not None
    theme = page_theme()

    def make_figure() -> go.Figure:
        return unit_curves(layer, view.unit or 0, run.labels_of(layer.name), row=run.row, step=view.step, theme=theme)

    @panel(
        "unit_curves",
        _("Unit {unit} over the sequence").format(unit=view.unit),
        curves_caption("" if isinstance(layer, SavedCell) else layer.kind),
    )
    def draw_unit_curves() -> None:
        chart(make_figure(), "curves", names=(view.net, layer.name, f"unit{view.unit}"))

    with st.container(horizontal=True):
        st.download_button(
            _("Figure (HTML)"),
            lambda: make_figure().to_html(include_plotlyjs=True),
            file_name=f"{file_name(cache.download_name(view.net or ''))}-{file_name(layer.name)}-unit{view.unit}.html",
            mime="text/html",
            icon=":material/download:",
            on_click="ignore",
        )
        st.download_button(
            _("Run data (npz)"),
            lambda: _npz(run),
            file_name=f"{file_name(cache.download_name(view.net or ''))}.npz",
            mime="application/octet-stream",
            icon=":material/download:",
            on_click="ignore",
            help=_("Gates, states and weights of every layer. Open it with `{command} FILE`.").format(command=COMMAND),
        )


def curves_caption(kind: str) -> str:
    """Return what to look for in the curves of a unit; ``kind`` is "" for a cell of the user's own."""
    if kind == "RNN":
        return _("Look for time steps at which the hidden state changes abruptly or stays the same.")
    if not kind:
        return _("Which of its gates and states change at the same time step, and which stay constant?")
    open_or_closed = _("Look for long stretches where a gate is open or closed.")
    meanings = {
        "LSTM": _(
            "Forget gate: keeps or erases the cell state. Input gate: adds to it or not. Output gate: outputs it or not."
        ),
        "GRU": _(
            "Update gate near 1: keeps the hidden state; near 0: replaces it by the candidate. Reset gate near 0: the "
            "candidate ignores the previous state."
        ),
    }
    return f"{open_or_closed} {meanings[kind]}"


def _npz(run: ForwardRun) -> bytes:
    buffer = BytesIO()
    run.trace.save(buffer)
    return buffer.getvalue()
