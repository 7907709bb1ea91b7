"""The second part of the Gradients lens: which step teaches which?"""

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from models.gradients.losses import Loss
from models.networks.forward_run import ForwardRun
from viz.components.gradient_heatmap import gradient_heatmap
from viz.components.trace_loader import trace_loader
from viz.i18n import _
from viz.pages import cache
from viz.pages.gradients import gradient_cache as gradients_sources
from viz.pages.gradients.loss_choice import bundled, loss_step
from viz.pages.page_elements import panel
from viz.payloads.gradient_payload import rows_shown
from viz.session import Session

VIEW_ID = "gradients"


def pairs(session: Session, reading: ForwardRun, loss: Loss) -> None:
    """The map of all losses and all states, and the pair that is picked in it."""
    layer = session.view.layer or ""
    steps = len(reading.labels_of(layer))
    of_unit = loss.kind in ("unit", "saved") or not _has_losses(session)
    unit = (
        min(loss.unit if loss.kind == "unit" else session.view.unit or 0, _width(reading, layer) - 1)
        if of_unit
        else None
    )
    with panel(
        _("2 · Gradient map: which loss reaches which time step?"),
        _(
            "Each row is one loss. Which rows stay strong far from the diagonal? From those losses the network "
            "can learn long-term dependencies."
        ),
    ):
        st.caption(
            _("Each row: l = hidden state of unit {unit} at time step t").format(unit=unit)
            if unit is not None
            else _("Each row: the loss l of the prediction after time step t")
        )
        bar = st.empty()
        asked = gradients_sources.Map(
            VIEW_ID,
            session.view.net or "",
            session.view.text or "",
            session.edits,
            reading.serial,
            layer,
            unit,
            reading,
            progress=lambda done: _tell(bar, done),
        )
        payload = gradients_sources.gradient_map(asked)
        bar.empty()
        trace_loader(payload, key="gradients_payload")
        at = loss_step(session, reading, loss)
        if at is None:
            at = 0 if reading.trace.layers[layer].reverse else steps - 1
        rows = rows_shown(steps)
        row = min(range(len(rows)), key=lambda place: abs(rows[place] - at))
        first = steps - 1 if reading.trace.layers[layer].reverse else 0
        gradient_heatmap(VIEW_ID, view={"step": first, "unit": row, "revision": session.revision}, key="gradient_map")


def _tell(bar: DeltaGenerator, done: float) -> None:
    bar.progress(done, _("Backpropagating all losses …"))


def _has_losses(session: Session) -> bool:
    """Whether the network predicts something after every step."""
    return bundled(session) and cache.network(session.view.net or "").card.predicts == "next"


def _width(reading: ForwardRun, layer: str) -> int:
    return reading.trace.layers[layer].weights.output_size
