"""Gradients of a saved run of a cell of the user's own: those that its file contains, of every gate and state."""

import streamlit as st

from models.core.saved_cell import SavedCell
from models.networks.forward_run import ForwardRun
from viz.components.heatmap import heatmap
from viz.components.player import player
from viz.components.reports import VIEW
from viz.components.streamlit_host import reported
from viz.components.trace_loader import trace_loader
from viz.figures.gradient_norms import gradient_norms
from viz.i18n import _
from viz.pages.gradients.gradient_cache import step_norms
from viz.pages.gradients.norm_panels import norms_panel
from viz.pages.page_elements import norm_chart, page_theme
from viz.pages.panels import panel
from viz.pages.player_view import player_view
from viz.pages.screen_reader_table import hidden_curves
from viz.payloads.excerpt import MAX_PAGE, fits_whole, states_bytes
from viz.payloads.gradient_payload import saved_cell_payload
from viz.quantity_names import quantity_names
from viz.session import Session, get_session

VIEW_ID = "cell_gradients"
PLAYER = "cell_gradients_player"


def saved_cell_gradients(session: Session, run: ForwardRun, layer: SavedCell) -> None:
    """Draw the norms of the saved gradients by every gate and state, and the gradients of all units."""
    if not layer.has_gradients:
        st.info(
            _(
                "This run was saved without gradients of this layer. Call loss.backward() inside the capture block and "
                "save the run again."
            ),
            icon=":material/info:",
        )
        return
    view, labels = session.view, run.labels_of(layer.name)
    gradients = {name: getattr(layer, f"{name}_grad")[run.row] for name in layer.quantities}

    @norms_panel()
    def draw_gradient_norms() -> None:
        st.markdown(_("L: the loss that was backpropagated before this run was saved"))
        norms = {name: step_norms(values) for name, values in gradients.items()}
        figure = gradient_norms(norms, labels, theme=page_theme())
        norm_chart(figure, "gradient_norms", names=(view.net, layer.name, "gradient-norms"))
        curves = [(f"{name}_grad_norm", view.net or "", layer.name, values) for name, values in norms.items()]
        words = _("Norms of the gradient of the loss with respect to the gates and states, at every time step.")
        hidden_curves(curves, labels, words, "gradient-norms")

    if len(labels) > MAX_PAGE or not fits_whole(states_bytes(layer, run.row), labels):
        return
    names = {f"{name}_grad": f"∂L/∂ {quantity_names().get(name, name)}" for name in layer.quantities}
    trace_loader(saved_cell_payload(VIEW_ID, run, layer), key=f"{VIEW_ID}_sequence")
    player(
        VIEW_ID,
        view={**player_view(session), "quantity": None},
        key=PLAYER,
        on_view_change=_player_moved,
        names=names,
    )

    @panel(
        "unit_gradients",
        _("Gradient of every unit at all time steps"),
        _("Which units pass the gradient back to early time steps, and at which gates does it vanish?"),
    )
    def draw_unit_gradients() -> None:
        heatmap(VIEW_ID, form="sequence", key="unit_gradients_map", names=names)


def _player_moved() -> None:
    view = reported(PLAYER, "view", {name: VIEW[name] for name in ("revision", "step", "unit")})
    if view is not None:
        get_session().apply_report(**view)
