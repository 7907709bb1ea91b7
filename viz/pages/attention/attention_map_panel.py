"""The alignment of all steps, and the contribution of each source token."""

import streamlit as st

from viz.components.attention_alignment import attention_alignment
from viz.components.token_contributions import token_contributions
from viz.i18n import _
from viz.pages.attention.attention_controls import AttentionSelection
from viz.pages.attention.decoder_panel import CONTRIBUTIONS_KEY, CONTRIBUTIONS_PANEL, VIEW_ID, shows_contributions
from viz.pages.panels import panel


def alignment_panel() -> None:
    """Show the attention weights of all steps as curves and as a map."""

    @panel(
        "alignment",
        _("Alignment: the attention weights of all steps"),
        _(
            "The attention weight of each source token (column) at each output step (row). Do the year, month and "
            "day attend to the right characters? Which steps spread their attention (high entropy), and which "
            "characters get almost none?"
        ),
    )
    def draw_alignment() -> None:
        attention_alignment(VIEW_ID, key="alignment")


def contribution_panel(selection: AttentionSelection) -> None:
    """Show attention weight, weight times value norm, and gradient times input of each source token."""

    @panel(
        CONTRIBUTIONS_PANEL,
        _("Contribution of each source token"),
        _(
            "Three measures for each source token, one per row. Does the token with the most attention also have "
            "the largest contribution?"
        ),
        opened=False,
    )
    def draw_token_contributions() -> None:
        st.markdown(
            _(
                "Attention weights alone do not explain an output. Different weights can give the same output (Jain "
                "and Wallace 2019; but see the reply by Wiegreffe and Pinter 2019), and a token with little attention "
                "can still act through the encoder states of its neighbors."
            )
        )
        if shows_contributions(selection):
            token_contributions(VIEW_ID, key="contributions")
            return
        st.markdown(_("The text is long, so this takes a while: one backward pass for each output token."))
        st.button(_("Compute the contributions"), key="ask_contributions", on_click=_ask, args=(selection,))


def _ask(selection: AttentionSelection) -> None:
    st.session_state[CONTRIBUTIONS_KEY] = (selection.net, selection.text, selection.changes, selection.edits)
