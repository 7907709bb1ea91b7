"""Edit: what if this weight, gate, unit or token were different?"""

import streamlit as st

from models.networks.forward_run import ForwardRun
from viz.components.player import player
from viz.components.reports import VIEW
from viz.components.streamlit_host import reported
from viz.i18n import _
from viz.pages import cache
from viz.pages.controls import show_controls
from viz.pages.edit.edit_actions import add_edit_panel
from viz.pages.edit.edit_cache import VIEW_ID
from viz.pages.edit.edit_list import edit_list
from viz.pages.edit.edited_gradients import edited_gradients
from viz.pages.edit.effect_panels import effect_panel, state_change_panel
from viz.pages.edit.experiments import experiments
from viz.pages.edit.live_redraw import RedrawParts, live_redraw
from viz.pages.edit.unit_weight_panel import unit_weight_panel
from viz.pages.edit.weight_matrix_panel import weight_matrix_panel
from viz.pages.find_elsewhere import SPAN, STATE, UNIT, find_elsewhere
from viz.pages.keep_panels import keep_panels_button
from viz.pages.panels import after_panels
from viz.pages.player_view import player_view
from viz.pages.send_trace import send_trace
from viz.session import get_session

PLAYER = "edit_player"


def page() -> None:
    """Show the Edit page."""
    session = get_session()
    run = show_controls(session)
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
        view=player_view(session),
        key=PLAYER,
        on_view_change=_moved,
    )

    def load_trace(after: ForwardRun) -> None:
        with spot:
            send_trace(session, after, VIEW_ID, player_alone=True)

    parts = RedrawParts(payloads=[load_trace])
    left, right = st.columns([3, 2], gap="medium")
    with left:
        weight_matrix_panel(session, run, parts)
        unit_weight_panel(session, run)
    with right:
        effect_panel(session, parts)
        edit_list(session, parts)
        add_edit_panel(session, run)
    find_elsewhere(run.trace.layers[view.layer or ""], STATE, UNIT, SPAN, key="edit")
    state_change_panel(session)
    edited_gradients(session, run, parts)
    keep_panels_button(session, "edit")
    after_panels(lambda: live_redraw(parts.in_order()))


def _moved() -> None:
    view = reported(PLAYER, "view", VIEW)
    if view is not None:
        get_session().apply_report(**view)
