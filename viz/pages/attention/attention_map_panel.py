"""The whole alignment, and what each source symbol contributed."""

import streamlit as st

from viz.components.attention_alignment import alignment
from viz.components.token_contributions import contributions
from viz.i18n import _
from viz.pages.attention.attention_controls import AttentionSelection
from viz.pages.attention.decoder_panel import ASKED, VIEW_ID, explained
from viz.pages.panel import panel


def mapped() -> None:
    """Curves and map of all steps."""
    with panel(
        _("Every step at once: the alignment"),
        _("Do year, month and day find their symbols? Which steps look around (high entropy), and what is never read?"),
    ):
        alignment(VIEW_ID, key="alignment")


def contributed(selection: AttentionSelection) -> None:
    """Weight, weight times value, gradient times input, beside each other."""
    with panel(
        _("What did each symbol contribute?"),
        _("Compare the rows: is the symbol that is read most also the one that decides what is written?"),
    ):
        st.markdown(
            _(
                "A weight is no explanation: other weights can lead to the same output (Jain and Wallace 2019), and a symbol "
                "that is hardly read can still act through the encoder's states of its neighbours."
            )
        )
        if explained(selection):
            contributions(VIEW_ID, key="contributions")
            return
        st.markdown(_("The text is long, so this takes a while: one backward pass for each symbol that was written."))
        st.button(_("Compute the contributions"), key="ask_contributions", on_click=_ask, args=(selection,))


def _ask(selection: AttentionSelection) -> None:
    st.session_state[ASKED] = (selection.net, selection.text, selection.changes, selection.edits)
