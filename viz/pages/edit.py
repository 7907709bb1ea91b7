"""Edit: what if this weight, gate, unit or token were different?"""

import streamlit as st

from viz.components.player import player
from viz.i18n import _
from viz.pages import sources
from viz.pages.carrier import carry
from viz.pages.controls import choose
from viz.pages.edit_actions import actions
from viz.pages.edit_experiments import experiments
from viz.pages.edit_list import listed
from viz.pages.edit_matrix import weights
from viz.pages.edit_results import results
from viz.pages.edit_sources import VIEW_ID
from viz.session import session

PLAYER = "edit_player"


def page() -> None:
    """The Edit lens."""
    here = session()
    reading = choose(here)
    view = here.view
    if not sources.is_network(view.net):
        st.info(
            _("A saved run holds numbers, not the network that made them: choose a network above to edit it."),
            icon=":material/info:",
        )
        return
    experiments(here)
    carry(here, reading, VIEW_ID)
    player(
        VIEW_ID,
        view={"step": view.step, "unit": view.unit, "quantity": view.quantity, "revision": here.revision},
        key=PLAYER,
        on_view_change=_moved,
    )
    left, right = st.columns([3, 2], gap="medium")
    turning = []
    with left:
        turning += weights(here, reading)
    with right:
        turning += listed(here)
        actions(here, reading)
    results(here, reading)
    for mount in turning:  # last: the sliders then hear that all of this has been drawn
        mount()


def _moved() -> None:
    reported = st.session_state[PLAYER]["view"]
    session().heard(reported["revision"], step=reported["step"], unit=reported["unit"], quantity=reported["quantity"])
