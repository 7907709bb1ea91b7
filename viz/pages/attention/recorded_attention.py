"""Attention of a saved run, recorded from any torch module: one head of one module at a time."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import streamlit as st

from models.core.attention import AttentionTrace
from models.core.tokenize_text import display
from models.decoding import entropy
from viz.escape import widget_key
from viz.figures.attention_map import attention_map, min_map_width
from viz.i18n import _
from viz.pages import cache
from viz.pages.attention.attention_controls import network_menu
from viz.pages.controls import sequence_menu
from viz.pages.page_elements import chart, page_theme
from viz.pages.panels import panel
from viz.session import Session

MODULE_KEY, HEAD_KEY = "recorded_module", "recorded_head"


def recorded_attention(session: Session, file: Path) -> None:
    """Show the attention of a saved run."""
    trace = cache.load_saved_run(file)
    session.fill_defaults(net=file.name, text=None, edits="", attend="")
    session.mark_good()
    which, sequence = st.columns([1, 1], gap="medium", vertical_alignment="bottom")
    with which:
        network_menu(session)
    with sequence:
        sequence_menu(session, next(iter(trace.attention.values())).shape[0])

    @panel(
        "recorded_attention",
        _("Attention of a saved run"),
        _(
            "The attention weights of one head. Look for diagonals, for columns with attention from every row, "
            "and for heads with different patterns."
        ),
    )
    def draw_recorded_attention() -> None:
        left, right = st.columns(2, gap="medium")
        with left:
            name = st.selectbox(_("Module"), list(trace.attention), key=MODULE_KEY)
        attention = trace.attention[name]
        with right:
            head = st.number_input(_("Head"), 1, attention.shape[1], 1, key=f"{HEAD_KEY}_{widget_key(name)}") - 1
        row = min(st.session_state.get("row", 1), attention.shape[0]) - 1
        weights = attention.weights[row, head]
        queries, keys = (_labels(trace.tokens, count) for count in weights.shape)
        # the largest weight of all heads, so that their colours are comparable
        known = attention.weights[row]
        most = float(known.max(initial=0.0, where=np.isfinite(known))) or 1.0
        figure = attention_map(weights, queries, keys, max_weight=most, theme=page_theme())
        chart(figure, "recorded_map", names=(file.name, name, str(head + 1)), min_width=min_map_width(keys))
        st.markdown(_entropy_text(attention, row, head))


def _labels(tokens: Sequence[str] | None, count: int) -> list[str]:
    """Return the run's tokens if their number is ``count``, else numbers from 1."""
    if tokens is not None and len(tokens) == count:
        return list(map(display, tokens))
    return [str(place + 1) for place in range(count)]


def _entropy_text(attention: AttentionTrace, row: int, head: int) -> str:
    weights = attention.weights[row, head]
    finite = np.isfinite(weights).all(axis=-1)
    text = ""
    if not finite.all():
        text = _(
            "The attention weights of position {position} are NaN or infinite: all of its scores are masked, or a score is "
            "not finite."
        ).format(position=int(finite.argmin()) + 1)
    if not finite.any():
        return text
    bits = entropy(weights[finite])
    text += " " + _(
        "Mean attention entropy: {bits} bits, like equal attention to about {n} of {count} positions."
    ).format(bits=f"{bits.mean():.2f}", n=f"{2 ** bits.mean():.1f}", count=attention.shape[3])
    if attention.dropout_unknown:
        text += " " + _("Dropout was active in this run. The weights shown are those before dropout.")
    return text
