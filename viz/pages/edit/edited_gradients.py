"""What the edits did to the gradients: taken only when asked for, since it costs two backward passes."""

from dataclasses import replace

import streamlit as st

from models.core.messages import Problem
from models.gradients.losses import Loss
from models.networks.forward_run import ForwardRun, SymbolPrediction
from viz.figures.changed_gradients import changed_gradients
from viz.i18n import _, translate
from viz.pages.edit import edit_cache as edit_sources
from viz.pages.gradients import gradient_cache as gradients_sources
from viz.pages.gradients.loss_choice import in_words, pick_loss
from viz.pages.page_elements import chart, page_theme, panel
from viz.session import Session


def gradients(session: Session, after: ForwardRun, loss: Loss | None) -> None:
    """The norms of the loss's gradient by the hidden states, before and after; nothing while nothing is edited.

    Args:
        session: the session.
        after: what the edited network does.
        loss: that which was chosen further up; None to have it chosen here.
    """
    if not session.edits.on:
        return
    with panel(
        _("Gradients before and after the edits"),
        _(
            "Gradient norm at each time step, before and after the edits. Does the gradient now reach further "
            "back, or vanish sooner?"
        ),
    ):
        if st.toggle(_("Backpropagate through both runs"), key="edit_gradients"):
            _norms(session, edit_sources.before(session), after, loss or pick_loss(session, after))


def _norms(session: Session, before: ForwardRun, after: ForwardRun, loss: Loss) -> None:
    net, text, layer = session.view.net or "", session.view.text or "", session.view.layer or ""
    try:
        first = gradients_sources.gradients(before, net, text, layer, loss)
        same = _as_before(before, net, text, loss)
        second = gradients_sources.gradients(after, net, text, layer, same, session.edits)
    except Problem as problem:
        st.caption(translate(problem))
        return
    st.caption(in_words(session, after if before.decoder_inputs is None else before, same, same.target))
    old, new = (gradients_sources.norms_of(run)["hidden"] for run in (first, second))
    labels = before.labels_of(layer), after.labels_of(layer)
    chart(changed_gradients(old, new, labels, theme=page_theme()), "changed_gradients", names=(net, layer, "gradients"))
    st.latex(
        rf"\|\partial L/\partial h_1\|:\quad {old[0]:.4g} \;\to\; {new[0]:.4g},\qquad "
        rf"\|\partial L/\partial h_{{{len(new)}}}\|:\quad {old[-1]:.4g} \;\to\; {new[-1]:.4g}"
    )


def _as_before(before: ForwardRun, net: str, text: str, loss: Loss) -> Loss:
    """The loss that asks both runs for the same symbol or class: the first run's own where its own is asked for."""
    if loss.kind == "unit":
        return loss
    if before.decoder_inputs is None:
        return replace(loss, target=gradients_sources.differentiated(net, text, loss).target)
    if loss.kind != "next" or not isinstance(before.prediction, SymbolPrediction):
        return loss
    return replace(loss, target=int(before.prediction.target[loss.step]))
