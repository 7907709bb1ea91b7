"""Attention that was recorded elsewhere, in anybody's module, and saved: one head of one module at a time."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import streamlit as st

from models.core.attention import AttentionTrace
from models.core.tokenize_text import display
from models.decoding import entropy
from viz.figures.attention_map import attention_map
from viz.i18n import _
from viz.pages import cache
from viz.pages.attention.attention_controls import pick_network
from viz.pages.controls import sequence_menu
from viz.pages.page_elements import chart, page_theme, panel
from viz.session import Session

MODULE, HEAD = "recorded_module", "recorded_head"


def recorded(session: Session, file: Path) -> None:
    """The attention of a saved run."""
    trace = cache.load_saved_run(file)
    session.fill_defaults(net=file.name, text=None, edits="", attend="")
    session.mark_good()
    which, sequence = st.columns([1, 1], gap="medium", vertical_alignment="bottom")
    with which:
        pick_network(session)
    with sequence:
        sequence_menu(session, next(iter(trace.attention.values())).shape[0])
    with panel(
        _("Attention of a saved run"),
        _(
            "The attention weights of one head. Look for diagonals, for columns with attention from every row, "
            "and for heads with different patterns."
        ),
    ):
        left, right = st.columns(2, gap="medium")
        with left:
            name = st.selectbox(_("Module"), list(trace.attention), key=MODULE)
        attention = trace.attention[name]
        with right:
            head = st.number_input(_("Head"), 1, attention.shape[1], 1, key=f"{HEAD}_{name}") - 1
        row = min(st.session_state.get("row", 1), attention.shape[0]) - 1
        weights = attention.weights[row, head]
        asking, asked = (_labels(trace.tokens, count) for count in weights.shape)
        most = (
            float(np.nan_to_num(attention.weights[row]).max()) or 1.0
        )  # of all its heads, so that they can be compared
        figure = attention_map(weights, asking, asked, most=most, theme=page_theme())
        chart(figure, "recorded_map", names=(file.name, name, str(head + 1)))
        st.markdown(_in_words(attention, row, head))


def _labels(tokens: Sequence[str] | None, count: int) -> list[str]:
    """The run's tokens where they are as many, else numbers from 1."""
    if tokens is not None and len(tokens) == count:
        return list(map(display, tokens))
    return [str(place + 1) for place in range(count)]


def _in_words(attention: AttentionTrace, row: int, head: int) -> str:
    spread = entropy(attention.weights[row, head])
    said = _("Mean attention entropy: {bits} bits, like equal attention to about {n} of {count} positions.").format(
        bits=f"{spread.mean():.2f}", n=f"{2 ** spread.mean():.1f}", count=attention.shape[3]
    )
    if attention.dropout_unknown:
        said += " " + _("Dropout was active in this run. The weights shown are those before dropout.")
    return said
