"""States: what did each unit do over the whole sequence? Which unit tracks what?"""

import streamlit as st

from models.networks.forward_run import ForwardRun
from models.states.unit_order import UnitOrder
from viz.components.player import player
from viz.components.trace_loader import trace_loader
from viz.pages.controls import show_controls
from viz.pages.send_trace import send_excerpt
from viz.pages.states import states_cache
from viz.pages.states.compare_runs import compared
from viz.pages.states.memory_panel import gates
from viz.pages.states.padding_panel import padded
from viz.pages.states.sensitivity_panel import ink
from viz.pages.states.span_panel import brushed
from viz.pages.states.state_heatmaps import heatmaps, order_chosen, window_chosen
from viz.pages.states.tracking_panel import tracking
from viz.pages.states.trajectory_panel import walked
from viz.payloads.excerpt import Excerpt
from viz.payloads.heatmap_image import Window
from viz.payloads.states_payload import states_excerpt, whole
from viz.session import Session, get_session

VIEW_ID = "states"
PLAYER = "states_player"


def page() -> None:
    """The States lens."""
    session = get_session()
    reading = show_controls(session)
    view = session.view
    layer, quantity = reading.trace.layers[view.layer or ""], view.quantity or ""
    assert view.unit is not None and view.step is not None
    by, window = order_chosen(), window_chosen(reading, layer)
    _carry(session, reading, by, window)
    player(
        VIEW_ID,
        view={"step": view.step, "unit": view.unit, "quantity": view.quantity, "revision": session.revision},
        key=PLAYER,
        on_view_change=_moved,
    )
    above = st.container()
    heatmaps(reading, layer, VIEW_ID, quantity)  # first: the ranking above them takes longer
    with above:
        tracking(session, reading, VIEW_ID, window)
    gates(reading, layer, view.unit, view.step)
    ink(session, reading, layer, view.step)
    walked(reading, layer, view.step, VIEW_ID)
    brushed(session, reading, layer, VIEW_ID)
    compared(session, reading, layer)
    padded(session, layer)


def _carry(session: Session, reading: ForwardRun, by: UnitOrder, window: Window | None) -> None:
    """Bring the layer to the browser, whole or in send_excerpt."""
    view = session.view
    name, place, quantity = view.layer or "", (view.step or 0, view.unit or 0), view.quantity or ""
    if whole(reading, name):
        trace_loader(states_cache.payload(VIEW_ID, reading, name), key=f"{VIEW_ID}_sequence")
        return

    def payloads(part: Excerpt, _step: int) -> tuple[bytes]:
        picture = states_cache.picture(reading, name, by, quantity, window)
        return (states_excerpt(VIEW_ID, reading, name, part, picture),)

    send_excerpt(VIEW_ID, reading, name, place, payloads)


def _moved() -> None:
    reported = st.session_state[PLAYER]["view"]
    get_session().apply_report(
        reported["revision"], step=reported["step"], unit=reported["unit"], quantity=reported["quantity"]
    )
