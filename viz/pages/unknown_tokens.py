"""What a page says where a text contains words or characters that the network's vocabulary lacks."""

from collections.abc import Sequence

import streamlit as st

from models.networks.forward_run import ForwardRun
from models.networks.network import ModelCard
from viz.escape import escape_markdown
from viz.i18n import ngettext
from viz.unknown_text import list_unknown, unknown_text


def unknown_note(card: ModelCard, unknown: Sequence[str]) -> None:
    """Show below a text what of it is unknown: a caption about characters, a warning about words, which have meanings."""
    if not unknown:
        return
    text = unknown_text(unknown, escape_markdown)
    if card.kind == "words":
        st.warning(text, icon=":material/unknown_document:")
    else:
        st.caption(text)


def unknown_answer_warning(card: ModelCard, run: ForwardRun) -> None:
    """Show beside the prediction for a text of words how many of them are unknown."""
    if not run.unknown or card.kind != "words":
        return
    marked = [f"[{symbol}]" for symbol in run.unknown]
    count = sum(label in marked for label in run.labels)
    st.warning(
        ngettext(
            "{n} of the {count} tokens of this text is not in the vocabulary: {symbols}. Its meaning cannot influence "
            "the prediction, because the network gets the same unknown token for every such word.",
            "{n} of the {count} tokens of this text are not in the vocabulary: {symbols}. Their meaning cannot influence "
            "the prediction, because the network gets the same unknown token for every such word.",
            count,
        ).format(n=count, count=len(run.labels), symbols=list_unknown(run.unknown, escape_markdown)),
        icon=":material/unknown_document:",
    )
