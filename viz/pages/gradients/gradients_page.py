"""Gradients: how large is the gradient of the loss at step t with respect to step k? Where does it vanish or explode?"""

import streamlit as st

from models.core.local_derivatives import has_local_derivatives
from models.core.saved_cell import SavedCell
from models.networks.forward_run import ForwardRun
from viz.i18n import _
from viz.pages.controls import show_controls
from viz.pages.find_elsewhere import STATE, UNIT, find_elsewhere
from viz.pages.gradients.compare_cells import compare_cells
from viz.pages.gradients.gradient_map_panel import gradient_map_panel
from viz.pages.gradients.jacobian_panels import activation_slope_panel, jacobian_panels
from viz.pages.gradients.loss_choice import loss_menu
from viz.pages.gradients.norm_panels import gradient_norm_panel
from viz.pages.gradients.saved_cell_gradients import saved_cell_gradients
from viz.pages.gradients.weight_gradients import clipping_panel, weight_gradient_panel
from viz.pages.keep_panels import keep_panels_button
from viz.session import Session, get_session


def page() -> None:
    """Draw the Gradients page."""
    session = get_session()
    run = show_controls(session)
    _gradient_panels(session, run)
    keep_panels_button(session, "gradients", further=True)


def _gradient_panels(session: Session, run: ForwardRun) -> None:
    layer = run.trace.layers[session.view.layer or ""]
    if isinstance(layer, SavedCell):
        saved_cell_gradients(session, run, layer)
        return
    loss = loss_menu(session, run)
    find_elsewhere(layer, STATE, UNIT, key="gradients")
    gradient_norm_panel(session, run, loss)
    if session.edits.interventions:
        st.info(
            _("Some values are fixed: no gradient flows through them, here and below."),
            icon=":material/pause_circle:",
        )
    layers = [each for each in run.trace.layers.values() if not isinstance(each, SavedCell)]
    if not all(map(has_local_derivatives, layers)):
        st.info(
            _(
                "A hidden state is fixed after its projection, so the Jacobians between time steps and the gradient "
                "map cannot be computed. The gradient norms above are exact."
            ),
            icon=":material/info:",
        )
        compare_cells(session)
        clipping_panel(session, loss)
        return
    gradient_map_panel(session, run, loss)
    compare_cells(session)
    activation_slope_panel(session, run)
    jacobian_panels(session, run, loss)
    weight_gradient_panel(session, run, loss)
    clipping_panel(session, loss)
