"""Edit: what if this weight, gate, unit or token were different?"""

import streamlit as st

from models.networks.forward_run import ForwardRun
from viz.components.player import player
from viz.i18n import _
from viz.pages import cache
from viz.pages.controls import show_controls
from viz.pages.edit.edit_actions import actions
from viz.pages.edit.edit_cache import VIEW_ID
from viz.pages.edit.edit_list import listed
from viz.pages.edit.edited_gradients import gradients
from viz.pages.edit.effect_panels import compared, told
from viz.pages.edit.experiments import experiments
from viz.pages.edit.live_redraw import live
from viz.pages.edit.unit_weight_panel import unit_weights
from viz.pages.edit.weight_matrix_panel import weights
from viz.pages.send_trace import send_trace
from viz.session import get_session

PLAYER = "edit_player"


def page() -> None:
    """The Edit lens."""
    session = get_session()
    reading = show_controls(session)
    view = session.view
    if not cache.is_network(view.net):
        st.info(
            _(
                "A saved run cannot be edited: it contains recorded values, not a network that can be run again. "
                "Choose a network above."
            ),
            icon=":material/info:",
        )
        return
    experiments(session)
    spot = st.container()
    player(
        VIEW_ID,
        view={"step": view.step, "unit": view.unit, "quantity": view.quantity, "revision": session.revision},
        key=PLAYER,
        on_view_change=_moved,
    )

    def bring(after: ForwardRun) -> None:
        with spot:
            send_trace(session, after, VIEW_ID, weights=False)

    left, right = st.columns([3, 2], gap="medium")
    with left:
        draw_matrix, entry, loss = weights(session, reading)
        unit_weights(session, reading)
    with right:
        drawn, said = told(session)
        last = listed(session)
        actions(session, reading)
    compared(session)
    # The numbers first, then the words. The sliders come last: they then hear that all that hangs on them has been drawn.
    live([bring, *drawn, draw_matrix, *said, entry, *last])
    gradients(session, reading, loss)


def _moved() -> None:
    reported = st.session_state[PLAYER]["view"]
    get_session().apply_report(
        reported["revision"], step=reported["step"], unit=reported["unit"], quantity=reported["quantity"]
    )
