"""What the edits did: in words, to the prediction, to the states."""

import streamlit as st

from models.networks.forward_run import ForwardRun
from viz.components.edited_prediction import edited_prediction
from viz.components.heatmap import heatmap
from viz.components.sync_views import sync_views
from viz.components.trace_loader import trace_loader
from viz.i18n import _
from viz.pages import cache
from viz.pages.edit import edit_cache as edit_sources
from viz.pages.edit.edit_cache import CHANGED_ID, VIEW_ID
from viz.pages.edit.effect_text import in_words
from viz.pages.edit.live_redraw import Part
from viz.pages.page_elements import escape_markdown, panel
from viz.payloads.edited_payload import changed_names
from viz.quantity_names import quantity_names
from viz.session import Session


def told(session: Session) -> tuple[list[Part], list[Part]]:
    """What changed, in the prediction and in words; nothing while nothing is edited. Gives what draws each of them."""
    if not session.edits.on:
        return [], []
    with panel(
        _("Effect of the edits"),
        _(
            "How the predictions and states differ from the original run. Does the change stay where you made it, "
            "or does it spread?"
        ),
    ):
        words = st.container()
        edited_prediction(CHANGED_ID, key="changed_prediction")
    carrier = st.container()
    sync_views(VIEW_ID, CHANGED_ID, key="edit_together")

    def carry(after: ForwardRun) -> None:
        before, steps = edit_sources.before(session), edit_sources.origin(session)
        layer, quantity = session.view.layer or "", session.view.quantity or ""
        with carrier:
            trace_loader(edit_sources.changed(before, after, layer, quantity, steps), key="edit_changed")

    def tell(after: ForwardRun) -> None:
        before, steps = edit_sources.before(session), edit_sources.origin(session)
        with words:
            card = cache.network(session.view.net or "").card
            found = edit_sources.compared(before, after, steps, card.scored == "last")
            st.markdown(
                escape_markdown(in_words(found, edit_sources.tracked(session, before, after, steps), before, after))
            )

    return [carry], [tell]


def compared(session: Session) -> None:
    """Every unit at every step: how far it was moved, and from where to where; nothing while nothing is edited."""
    if not session.edits.on:
        return
    quantity = session.view.quantity or ""
    before, after, change = changed_names(quantity)
    name = quantity_names()[quantity]
    names = {
        before: _("{quantity}, before").format(quantity=name),
        after: _("{quantity}, after").format(quantity=name),
        change: _("{quantity}: after − before").format(quantity=name),
    }
    with panel(
        _("All units before and after the edits"),
        _(
            "Each row is a unit, each column a time step; color shows the change. Follow it to the right from the "
            "first colored column: does it die out or last?"
        ),
    ):
        heatmap(CHANGED_ID, form="sequence", key="changed_states", quantities=[change], names=names)
        heatmap(CHANGED_ID, form="sequence", key="changed_pair", quantities=[before, after], names=names)
