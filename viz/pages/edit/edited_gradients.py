"""Effect of the edits on the gradients: computed on request only, since it needs two backward passes."""

from dataclasses import replace

import streamlit as st

from models.core.messages import Problem
from models.edits.edit_effects import StepOrigins, classes_before
from models.gradients.losses import Loss
from models.networks.forward_run import ForwardRun, SymbolPrediction, TagPrediction
from viz.figures.changed_gradients import changed_gradients
from viz.i18n import _, translate
from viz.pages.edit import edit_cache
from viz.pages.edit.live_redraw import RedrawParts
from viz.pages.gradients import gradient_cache
from viz.pages.gradients.loss_choice import describe_loss, loss_menu
from viz.pages.nonfinite_notes import gradient_note, invalid_gradient, shown_norms
from viz.pages.page_elements import chart, page_theme
from viz.pages.panels import panel
from viz.session import Session


def edited_gradients(session: Session, after: ForwardRun, parts: RedrawParts) -> None:
    """Declare the panel of the gradient norms of the hidden states before and after the edits; nothing without edits.

    Args:
        session: the session.
        after: the run of the edited network.
        parts: has the loss chosen above, or None to show the menu here.
    """
    if not session.edits.on:
        return

    @panel(
        "edited_gradients",
        _("Gradients before and after the edits"),
        _(
            "Gradient norm at each time step, before and after the edits. Does the gradient now reach further "
            "back, or vanish sooner?"
        ),
        late=True,
    )
    def draw_edited_gradients() -> None:
        if st.toggle(_("Backpropagate through both runs"), key="edit_gradients"):
            _norms(session, edit_cache.unedited_run(session), after, parts.loss or loss_menu(session, after))


def _norms(session: Session, before: ForwardRun, after: ForwardRun, loss: Loss) -> None:
    net, text, layer = session.view.net or "", session.view.text or "", session.view.layer or ""
    try:
        if isinstance(before.prediction, TagPrediction) and loss.kind in ("next", "every"):
            earlier, same = _with_classes(before.prediction, loss, edit_cache.step_origins(session))
        else:
            earlier, same = loss, _as_before(before, net, text, loss)
        first = gradient_cache.gradients(before, net, text, layer, earlier)
        second = gradient_cache.gradients(after, net, text, layer, same, session.edits)
    except Problem as problem:
        st.caption(translate(problem))
        return
    st.caption(describe_loss(session, after if before.decoder_input is None else before, same, same.target))
    old, new = (gradient_cache.state_gradient_norms(run)["hidden"] for run in (first, second))
    noted = False
    for name, run in ((_("before"), first), (_("after"), second)):
        note = gradient_note(run)
        if note is not None:
            noted = True
            st.markdown(f"{name}: {note} {invalid_gradient()}")
    drawn = shown_norms(old, first), shown_norms(new, second)
    labels = before.labels_of(layer), after.labels_of(layer)
    chart(changed_gradients(*drawn, labels, theme=page_theme()), "changed_gradients", names=(net, layer, "gradients"))
    if noted:
        return
    st.latex(
        rf"\|\partial L/\partial h_1\|:\quad {old[0]:.4g} \;\to\; {new[0]:.4g},\qquad "
        rf"\|\partial L/\partial h_{{{len(new)}}}\|:\quad {old[-1]:.4g} \;\to\; {new[-1]:.4g}"
    )


def _with_classes(before: TagPrediction, loss: Loss, origin: StepOrigins) -> tuple[Loss, Loss]:
    """Return a tagger's loss before and after the edits, with the same class at each step that both runs have.

    These are the classes of ``loss`` where it has some, else those that were predicted before the edits.
    """
    after = [int(each) for each in classes_before(before, origin)]
    if loss.classes is not None:
        after = [own if chosen < 0 else chosen for chosen, own in zip(loss.classes, after, strict=True)]
    own = [-1] * len(before.best)
    for step, was in enumerate(range(len(after)) if origin is None else origin):
        if was is not None:
            own[was] = after[step]
    return replace(loss, classes=tuple(own)), replace(loss, classes=tuple(after))


def _as_before(before: ForwardRun, net: str, text: str, loss: Loss) -> Loss:
    """Return the loss with the target of the unedited run, so that both runs are compared on the same symbol or class."""
    if loss.kind == "unit":
        return loss
    if before.decoder_input is None:
        return replace(loss, target=gradient_cache.differentiated(net, text, loss).target)
    if loss.kind != "next" or not isinstance(before.prediction, SymbolPrediction):
        return loss
    return replace(loss, target=int(before.prediction.target[loss.step]))
