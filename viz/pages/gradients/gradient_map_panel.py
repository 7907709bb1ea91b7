"""Gradient map: the gradient of the loss at every time step with respect to the state at every time step."""

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from models.core.messages import Problem
from models.gradients.losses import Loss
from models.networks.forward_run import ForwardRun
from viz.components.gradient_heatmap import gradient_heatmap
from viz.components.trace_loader import trace_loader
from viz.i18n import _, translate
from viz.pages import cache
from viz.pages.costly_panel import is_asked
from viz.pages.gradients import gradient_cache
from viz.pages.gradients.loss_choice import has_network, loss_step
from viz.pages.keep_page import keep_page_button, kept_source
from viz.pages.nonfinite_notes import invalid_gradient, state_note
from viz.pages.panels import panel
from viz.panel_texts.gradients_texts import gradient_map_rows, gradient_map_text
from viz.payloads.gradient_payload import loss_rows
from viz.session import Session
from viz.show.gradients_view import map_view

MAP_WORK = 10**11
"""Steps, times losses, times recurrent weights of a map that is computed at once: about two seconds."""
VIEW_ID, LOSS_TURN = "gradients", "gradient_map_loss"


def gradient_map_panel(session: Session, run: ForwardRun, loss: Loss) -> None:
    """Draw the map of all losses and all states, and the selected pair of them."""
    layer = session.view.layer or ""
    steps = len(run.labels_of(layer))
    of_unit = loss.kind in ("unit", "saved") or not _has_losses(session)
    unit = (
        min(loss.unit if loss.kind == "unit" else session.view.unit or 0, _width(run, layer) - 1) if of_unit else None
    )

    @panel("gradient_map", *gradient_map_text())
    def draw_gradient_map() -> None:
        st.caption(gradient_map_rows(unit))
        note = state_note(run.trace.layers[layer], run.row)
        if note is not None:
            st.markdown(f"{note} {invalid_gradient()}")
        weights = run.trace.layers[layer].weights
        cost = steps * len(loss_rows(steps)) * weights.weight_hh.size
        if not is_asked("gradient_map", (run.serial, layer, unit), cost, MAP_WORK):
            return
        bar = st.empty()
        request = gradient_cache.GradientMapRequest(
            VIEW_ID,
            session.view.net or "",
            session.view.text or "",
            session.edits,
            run.serial,
            layer,
            unit,
            loss.classes if unit is None else None,
            run,
            progress=lambda done: _show_progress(bar, done),
        )
        try:
            payload = gradient_cache.requested_map(request)
        except Problem as problem:
            bar.empty()
            st.caption(translate(problem))
            return
        bar.empty()
        trace_loader(payload, key="gradients_payload")
        at = loss_step(session, run, loss)
        if at is None:
            at = 0 if run.trace.layers[layer].reverse else steps - 1
        _keep_button(session, run, unit, payload)
        rows = loss_rows(steps)
        row = min(range(len(rows)), key=lambda place: abs(rows[place] - at))
        first = steps - 1 if run.trace.layers[layer].reverse else 0
        # Another loss selects its own pair, as a link to it does; both numbers only increase.
        chosen, turn = st.session_state.get(LOSS_TURN, (loss, 0))
        turn += chosen != loss
        st.session_state[LOSS_TURN] = (loss, turn)
        view = {"step": first, "unit": row, "revision": session.revisions.last + turn}
        gradient_heatmap(VIEW_ID, view=view, key="gradient_map")


def _keep_button(session: Session, run: ForwardRun, unit: int | None, payload: bytes) -> None:
    view = session.view
    keep_page_button(session, lambda: map_view(kept_source(session, run), VIEW_ID, view.layer or "", unit, payload))


def _show_progress(bar: DeltaGenerator, done: float) -> None:
    bar.progress(done, _("Backpropagating all losses …"))


def _has_losses(session: Session) -> bool:
    """Return whether the network predicts the next token or value, or a class, at every step."""
    return has_network(session) and cache.network(session.view.net or "").card.predicts in ("next", "tag")


def _width(run: ForwardRun, layer: str) -> int:
    return run.trace.layers[layer].weights.output_size
