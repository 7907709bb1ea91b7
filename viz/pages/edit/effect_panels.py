"""Effects of the edits: in words, on the prediction, on the states."""

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from models.networks.forward_run import ForwardRun
from viz.components.array_loader import array_loader
from viz.components.edited_prediction import edited_prediction
from viz.components.heatmap import heatmap
from viz.components.sync_views import sync_views
from viz.components.trace_loader import trace_loader
from viz.escape import escape_markdown
from viz.i18n import _
from viz.pages import cache
from viz.pages.edit import edit_cache
from viz.pages.edit.edit_cache import CHANGED_ID, VIEW_ID
from viz.pages.edit.effect_text import describe_effects
from viz.pages.edit.live_redraw import RedrawParts
from viz.pages.left_out import left_out_caption
from viz.pages.nonfinite_notes import run_note
from viz.pages.output_table import output_table
from viz.pages.panels import panel
from viz.payloads.edited_payload import compared_names
from viz.quantity_names import quantity_names
from viz.session import Session


def effect_panel(session: Session, parts: RedrawParts) -> None:
    """Declare the panel of the changed prediction and its description; nothing without edits.

    The function that loads the changed states, and the one that writes the description, are added to ``parts``."""
    if not session.edits.on:
        return

    @panel(
        "effect",
        _("Effect of the edits"),
        _(
            "How the predictions and states differ from the original run. Does the change stay where you made it, "
            "or does it spread?"
        ),
    )
    def draw_effect() -> None:
        text_place = st.container()
        edited_prediction(CHANGED_ID, key="changed_prediction")
        left_out_caption(cache.network(session.view.net or ""))
        parts.texts.append(lambda after: _write_text(session, after, text_place))

    array_loader(
        edit_cache.unedited_values(
            edit_cache.unedited_run(session), session.view.layer or "", session.view.quantity or ""
        ),
        key="edit_before",
    )
    payload_place = st.container()
    sync_views(VIEW_ID, CHANGED_ID, key="edit_together")

    def payload(after: ForwardRun) -> bytes:
        before, steps = edit_cache.unedited_run(session), edit_cache.step_origins(session)
        layer, quantity = session.view.layer or "", session.view.quantity or ""
        return edit_cache.state_change_payload(before, after, layer, quantity, steps)

    def load_payload(after: ForwardRun) -> None:
        with payload_place:
            trace_loader(payload(after), key="edit_changed")

    parts.preparations.append(payload)
    parts.payloads.append(load_payload)


def _write_text(session: Session, after: ForwardRun, text_place: DeltaGenerator) -> None:
    before, steps = edit_cache.unedited_run(session), edit_cache.step_origins(session)
    with text_place:
        card = cache.network(session.view.net or "").card
        found = edit_cache.run_effects(before, after, steps, card.scored == "last")
        note = run_note(after)
        if note is not None:
            st.warning(note, icon=":material/error:")
        st.markdown(
            escape_markdown(
                describe_effects(found, edit_cache.tracked_unit_effect(session, before, after, steps), before, after)
            )
        )
        output_table(after, "changed_outputs", before)


def state_change_panel(session: Session) -> None:
    """Show heatmaps of every unit at every step: the change, and the values before and after. Nothing without edits."""
    if not session.edits.on:
        return
    quantity = session.view.quantity or ""
    before, after, change = compared_names(quantity)
    name = quantity_names()[quantity]
    names = {
        before: _("{quantity}, before").format(quantity=name),
        after: _("{quantity}, after").format(quantity=name),
        change: _("{quantity}: after − before").format(quantity=name),
    }

    @panel(
        "changed_units",
        _("All units before and after the edits"),
        _(
            "Each row is a unit, each column a time step; color shows the change. Follow it to the right from the "
            "first colored column: does it die out or last?"
        ),
        opened=True,
    )
    def draw_changed_units() -> None:
        heatmap(CHANGED_ID, form="sequence", key="changed_states", quantities=[change], names=names)
        heatmap(CHANGED_ID, form="sequence", key="changed_pair", quantities=[before, after], names=names)
