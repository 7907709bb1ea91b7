"""States: what did each unit do over the whole sequence? Which unit tracks what?"""

import streamlit as st

from models.reading import Reading
from models.states.orderings import By
from viz.components.player import player
from viz.components.sequence import sequence
from viz.pages.carrier import parts
from viz.pages.controls import choose
from viz.pages.states import sources
from viz.pages.states.brush import brushed
from viz.pages.states.compare import compared
from viz.pages.states.heatmaps import heatmaps, order_chosen, window_chosen
from viz.pages.states.ink import ink
from viz.pages.states.memory import gates
from viz.pages.states.padding import padded
from viz.pages.states.path import walked
from viz.pages.states.tracking import tracking
from viz.payloads.excerpt import Excerpt
from viz.payloads.picture import Window
from viz.payloads.states import states_excerpt, whole
from viz.session import Session, session

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
    _carry(here, reading, by, window)
    player(
        VIEW_ID,
        view={"step": view.step, "unit": view.unit, "quantity": view.quantity, "revision": here.revision},
        key=PLAYER,
        on_view_change=_moved,
    )
    above = st.container()
    heatmaps(reading, layer, VIEW_ID, quantity)  # first: the ranking above them takes longer
    with above:
        tracking(here, reading, VIEW_ID, window)
    gates(reading, layer, view.unit, view.step)
    ink(here, reading, layer, view.step)
    walked(reading, layer, view.step, VIEW_ID)
    brushed(here, reading, layer, VIEW_ID)
    compared(here, reading, layer)
    padded(here, layer)


def _carry(here: Session, reading: Reading, by: By, window: Window | None) -> None:
    """Bring the layer to the browser, whole or in parts."""
    view = here.view
    name, place, quantity = view.layer or "", (view.step or 0, view.unit or 0), view.quantity or ""
    if whole(reading, name):
        sequence(sources.payload(VIEW_ID, reading, name), key=f"{VIEW_ID}_sequence")
        return

    def payloads(part: Excerpt, _step: int) -> tuple[bytes]:
        picture = sources.picture(reading, name, by, quantity, window)
        return (states_excerpt(VIEW_ID, reading, name, part, picture),)

    parts(VIEW_ID, reading, name, place, payloads)


def _moved() -> None:
    reported = st.session_state[PLAYER]["view"]
    session().heard(reported["revision"], step=reported["step"], unit=reported["unit"], quantity=reported["quantity"])
