"""The alignment of all steps, and the contribution of each source token."""

import streamlit as st

from viz.components.attention_alignment import attention_alignment
from viz.components.token_contributions import token_contributions
from viz.i18n import _
from viz.pages.attention.attention_controls import AttentionSelection
from viz.pages.attention.decoder_panel import CONTRIBUTIONS_KEY, CONTRIBUTIONS_PANEL, VIEW_ID, shows_contributions
from viz.pages.panels import panel
from viz.panel_texts.attention_texts import alignment_text, contributions_text, explanation_note


def alignment_panel() -> None:
    """Show the attention weights of all steps as curves and as a map."""

    @panel("alignment", *alignment_text())
    def draw_alignment() -> None:
        attention_alignment(VIEW_ID, key="alignment")


def contribution_panel(selection: AttentionSelection) -> None:
    """Show attention weight, weight times value norm, and gradient times input of each source token."""

    @panel(CONTRIBUTIONS_PANEL, *contributions_text(), opened=False)
    def draw_token_contributions() -> None:
        st.markdown(explanation_note())
        if shows_contributions(selection):
            token_contributions(VIEW_ID, key="contributions")
            return
        st.markdown(_("The text is long, so this takes a while: one backward pass for each output token."))
        st.button(_("Compute the contributions"), key="ask_contributions", on_click=_ask, args=(selection,))


def _ask(selection: AttentionSelection) -> None:
    st.session_state[CONTRIBUTIONS_KEY] = (selection.net, selection.text, selection.changes, selection.edits)
