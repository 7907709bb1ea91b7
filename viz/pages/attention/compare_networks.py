"""The limits of a fixed context vector: the same text through other networks, longer texts, and beam search."""

import re
from math import exp
from typing import Literal

import numpy as np
import streamlit as st

from models.decoding import BeamTree
from models.networks.input_limit import MAX_INPUT_STEPS
from models.zoo.dates_measures import TRAINING_LENGTHS
from models.zoo.written_dates import AFTER, BEFORE, DateText, sample_date_text
from viz.escape import escape_markdown
from viz.figures.accuracy_by_length import accuracy_by_length
from viz.figures.beam_tree import beam_tree
from viz.i18n import _, language
from viz.pages import cache
from viz.pages.attention import attention_cache
from viz.pages.attention.answer_panel import format_probability, output_rows
from viz.pages.attention.attention_cache import DEFAULT_NETWORK, FIXED_CONTEXT_NETWORK
from viz.pages.attention.attention_controls import AttentionSelection
from viz.pages.page_elements import chart, page_theme
from viz.pages.panels import panel
from viz.pages.view_widgets import COUNT, view_widget
from viz.session import Session

WIDTH_KEY, SAMPLE_KEY = "attention_width", "attention_drawn"
PHRASE_COUNTS = (0, 2, 4, 7, 11)
"""Numbers of phrases that are added around the text."""

MAX_SIDE_BY_SIDE = 13
"""Largest length of two outputs that fit side by side."""


def compare_networks(session: Session, selection: AttentionSelection) -> None:
    """Show the text through all networks, ever longer texts, two dates, and the accuracy on held-out dates."""
    others = [name for name in attention_cache.translator_names() if name != selection.net]

    @panel(
        "same_text",
        _("The same text without attention and with other score functions"),
        _(
            "The first row is the selected network; outputs that differ from it are highlighted. Where does the "
            "fixed-context network disagree with the attention networks?"
        ),
    )
    def draw_same_text() -> None:
        answers = [(selection.net, selection.decoding)]
        answers += [(name, attention_cache.cached_decoding(name, selection.text)) for name in others]
        output_rows(answers, "compared_output", title=cache.display_name)
        if FIXED_CONTEXT_NETWORK in (selection.net, *others):
            _longer_texts(selection)

    _two_dates(session, selection, [selection.net, *others])
    measured = {
        title: {
            name: cache.network(name).card.metrics[key]
            for name in attention_cache.translator_names()  # in a fixed order, so that each keeps its colour
            if key in cache.network(name).card.metrics
        }
        for title, key in (
            (_("one date"), "exact_date_by_length"),
            (_("interval (two dates)"), "exact_interval_by_length"),
        )
    }
    if all(measured.values()):
        _measured(selection, measured)


def _longer_texts(selection: AttentionSelection) -> None:
    """Show the outputs for the text with irrelevant words around it."""
    st.markdown("##### " + _("Output as irrelevant text is added"))
    st.caption(
        _("Highlighted: output characters that change as irrelevant text is added. The date itself stays the same.")
    )
    with_attention = selection.net if selection.net != FIXED_CONTEXT_NETWORK else DEFAULT_NETWORK
    texts = [
        text for text in (add_phrases(selection.text, count) for count in PHRASE_COUNTS) if len(text) <= MAX_INPUT_STEPS
    ]
    answers = {
        name: [attention_cache.cached_decoding(name, text) for text in texts]
        for name in (FIXED_CONTEXT_NETWORK, with_attention)
    }
    long = any(len(each.target) > MAX_SIDE_BY_SIDE for decodings in answers.values() for each in decodings)
    places = [st.container(), st.container()] if long else st.columns(2, gap="large")
    for place, (name, decodings) in zip(places, answers.items(), strict=True):
        with place:
            st.markdown(f"**{escape_markdown(cache.display_name(name))}**")
            output_rows(
                [(_("{n} characters").format(n=len(each.source)), each) for each in decodings],
                f"grown_output_{'without' if name == FIXED_CONTEXT_NETWORK else 'with'}",
            )


def _two_dates(session: Session, selection: AttentionSelection, names: list[str]) -> None:
    """Show the outputs of all networks for a held-out text with two dates, and the correct output."""

    @panel(
        "two_dates",
        _("Bottleneck: two dates in one fixed context vector"),
        _("The first row is the correct answer. Which parts of the output does the fixed-context network get wrong?"),
    )
    def draw_two_dates() -> None:
        sample = _unseen(st.session_state.get(SAMPLE_KEY, 0), language())
        st.markdown(f"“{escape_markdown(sample.text)}”")
        answers = [(name, attention_cache.cached_decoding(name, sample.text)) for name in names]
        output_rows(answers, "unseen_output", right=sample.answer, title=cache.display_name)
        with st.container(horizontal=True, gap="small"):
            st.button(_("Another text"), key="attention_another", icon=":material/casino:", on_click=_draw)
            st.button(
                _("Open this text"),
                key="attention_take",
                icon=":material/visibility:",
                on_click=lambda: session.navigate(text=sample.text, step=0, source=None, attend=""),
            )


def _draw() -> None:
    st.session_state[SAMPLE_KEY] = st.session_state.get(SAMPLE_KEY, 0) + 1


def _unseen(number: int, lang: str) -> DateText:
    text_language: Literal["en", "ko"] = "ko" if lang == "ko" else "en"
    return sample_date_text(
        np.random.default_rng((7, number)), 48, held_out=True, interval=True, language=text_language
    )


def add_phrases(text: str, count: int) -> str:
    """Return ``text`` with ``count`` phrases around it, in its own language."""
    text_language = "ko" if re.search("[가-힣]", text) else "en"
    before, after = BEFORE[text_language], AFTER[text_language]  # type: ignore[index]
    for place in range(count):
        phrases = before if place % 2 == 0 else after
        phrase = phrases[(place // 2) % len(phrases)]
        text = phrase + text if place % 2 == 0 else text + phrase
    return text


def _measured(selection: AttentionSelection, measured: dict[str, dict[str, dict[str, float]]]) -> None:
    @panel(
        "accuracy",
        _("Accuracy by text length on held-out dates"),
        _(
            "Which lines stay high? The fixed context mostly handles one date in a short text, but not two dates "
            "or long texts."
        ),
    )
    def draw_accuracy() -> None:
        for column, (title, found) in zip(st.columns(2, gap="medium"), measured.items(), strict=True):
            with column:
                st.markdown(f"**{title}**")
                figure = accuracy_by_length(found, length=len(selection.decoding.source), theme=page_theme())
                chart(figure, f"accuracy_{list(measured).index(title)}", names=("dates", "accuracy", title))
        st.caption(
            _(
                "Training texts had about {low} to {high} characters. On longer texts the Transformer gets positions "
                "not seen in training. A recurrent network gets no new positions, but its states can leave the range "
                "seen in training, so it can fail too."
            ).format(low=TRAINING_LENGTHS[0], high=TRAINING_LENGTHS[1])
        )


def beam_search_panel(selection: AttentionSelection, names: list[str]) -> None:
    """Show a beam search and its tree for each of these networks."""

    @panel(
        "beam_search",
        _("Beam search: several candidate outputs in parallel"),
        _(
            "Dotted lines are candidates with probability below 1%. Where do the solid lines fork? There the "
            "network is uncertain; with beam width 1 (greedy) the first choice cannot be undone."
        ),
    )
    def draw_beam_search() -> None:
        width = view_widget(
            st.slider,
            _("Beam width"),
            1,
            6,
            name="beam",
            key=WIDTH_KEY,
            form=COUNT,
            default=3,
            is_valid=range(1, 7).__contains__,
        )
        for name in names:
            changes = selection.changes if name == selection.net else ""
            edits = selection.edits if name == selection.net else cache.NO_EDITS
            tree = attention_cache.cached_beam_search(name, selection.text, width, changes, edits)
            st.markdown(f"**{escape_markdown(cache.display_name(name))}** · {escape_markdown(_candidates(tree))}")
            chart(beam_tree(tree, theme=page_theme()), f"beam_{name}", names=(name, "beam"))


def _candidates(tree: BeamTree) -> str:
    shown = [
        f"{tree.answer(end) or '∅'} ({format_probability(exp(tree.nodes[end].log_probability))})"
        for end in tree.leaves[: tree.width]
    ]
    return _("candidates kept: {answers}").format(answers=", ".join(shown))
