"""States: what did each unit do over the whole sequence? Which unit tracks what?"""

import streamlit as st

from viz.components.player import player
from viz.components.sequence import sequence
from viz.pages import states_sources
from viz.pages.controls import choose
from viz.pages.states_brush import brushed
from viz.pages.states_compare import compared
from viz.pages.states_heatmaps import heatmaps, order_chosen, window_chosen
from viz.pages.states_ink import ink
from viz.pages.states_memory import gates
from viz.pages.states_padding import padded
from viz.pages.states_path import walked
from viz.pages.states_tracking import tracking
from viz.session import session

VIEW_ID = "states"
PLAYER = "states_player"


def page() -> None:
    """The States lens."""
    here = session()
    reading = choose(here)
    view = here.view
    layer, quantity = reading.trace.layers[view.layer or ""], view.quantity or ""
    assert view.unit is not None and view.step is not None
    by, window = order_chosen(), window_chosen(reading, layer)
    sequence(
        states_sources.payload(VIEW_ID, reading, layer.name, view.unit, by, quantity, window), key="states_sequence"
    )
    player(
        VIEW_ID,
        view={"step": view.step, "unit": view.unit, "quantity": view.quantity, "revision": here.revision},
        key=PLAYER,
        on_view_change=_moved,
    )
    tracking(here, reading, VIEW_ID, window)
    heatmaps(reading, layer, VIEW_ID, quantity)
    gates(reading, layer, view.unit, view.step)
    ink(here, reading, layer, view.step)
    walked(reading, layer, VIEW_ID)
    brushed(here, reading, layer)
    compared(here, reading, layer)
    padded(here, layer)


def _moved() -> None:
    reported = st.session_state[PLAYER]["view"]
    session().heard(reported["revision"], step=reported["step"], unit=reported["unit"], quantity=reported["quantity"])
