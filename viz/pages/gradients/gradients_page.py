"""Gradients: how much does the loss at step t teach step k? Where does it vanish or explode, and why?"""

import streamlit as st

from models.core.local_derivatives import has_local_derivatives
from models.core.messages import Problem
from viz.i18n import _, translate
from viz.pages.controls import show_controls
from viz.pages.gradients import gradient_cache
from viz.pages.gradients.compare_cells import cells
from viz.pages.gradients.gradient_map_panel import pairs
from viz.pages.gradients.jacobian_panels import matrices, slopes
from viz.pages.gradients.loss_choice import bundled, in_words, pick_loss
from viz.pages.gradients.norm_panels import norms_over_time
from viz.pages.gradients.weight_gradients import clip, feeding
from viz.session import get_session


def page() -> None:
    """The Gradients lens."""
    session = get_session()
    reading = show_controls(session)
    loss = pick_loss(session, reading)
    view, found, last = session.view, None, None
    try:
        found = gradient_cache.gradients(
            reading, view.net or "", view.text or "", view.layer or "", loss, session.edits
        )
    except Problem as problem:
        session.add_notice(translate(problem))
    else:
        if bundled(session) and loss.kind not in ("unit", "saved"):
            last = gradient_cache.differentiated(view.net or "", view.text or "", loss, session.edits).target
        norms_over_time(session, reading, loss, found, in_words(session, reading, loss, last))
    if session.edits.interventions:
        st.info(
            _("Some values are fixed: no gradient flows through them, here and below."),
            icon=":material/pause_circle:",
        )
    if not all(map(has_local_derivatives, reading.trace.layers.values())):
        st.info(
            _(
                "A hidden state is fixed after its projection, so the Jacobians between time steps and the gradient "
                "map cannot be computed. The gradient norms above are exact."
            ),
            icon=":material/info:",
        )
        cells(session)
        clip(session, loss)
        return
    pairs(session, reading, loss)
    cells(session)
    slopes(session, reading)
    matrices(session, reading, loss, found)
    if found is not None:
        feeding(session, reading.labels_of(view.layer or ""), found)
    clip(session, loss)
