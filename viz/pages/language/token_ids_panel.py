"""The panel of the ids of the words, the size of the vocabulary, and the words that ``num_words`` leaves out."""

from __future__ import annotations

import json

import streamlit as st

from models.language.corpus import SYMBOLS, UNKNOWN
from models.language.frequency_ids import frequency_ids, kept_ids
from viz.i18n import _, ngettext
from viz.pages.language.language_controls import LanguageView
from viz.pages.page_elements import caption, dense_table
from viz.pages.panels import panel
from viz.pages.screen_reader_table import HiddenNumber, hidden_numbers
from viz.pages.view_widgets import COUNT, view_widget

MOST = 10_000_000
"""The largest ``num_words``: more than the words of any corpus here."""


def token_ids_panel(view: LanguageView) -> None:
    """Declare the panel."""

    @panel(
        "token_ids",
        _("From words to ids"),
        _("Each word of the vocabulary has one id. Which words of the sentence does num_words leave out?"),
    )
    def draw() -> None:
        corpus = view.corpus
        counts, ids = frequency_ids(corpus)
        with st.columns(3)[0]:
            num_words = view_widget(
                st.number_input,
                _("num_words (0: all words)"),
                name="numwords",
                key="language_num_words",
                form=COUNT,
                default=0,
                is_valid=lambda number: 0 <= number <= MOST,
                min_value=0,
                max_value=MOST,
            )
        rows, hidden = [], []
        for place, (word, own) in enumerate(zip(view.words, corpus.encode(view.words), strict=True)):
            rank = int(ids[own])
            rows.append(
                {
                    _("Word"): word + (" " + _("(not in the vocabulary)") if own == UNKNOWN else ""),
                    _("Count"): f"{counts[own]:,}",
                    _("Id by frequency (Keras)"): _id_text(rank, num_words),
                    _("Id of the models below"): f"{own:,}",
                }
            )
            hidden += [HiddenNumber("token_id", "keras", rank, place), HiddenNumber("token_id", "model", own, place)]
        dense_table(rows)
        hidden_numbers(hidden, _("From words to ids"), "language_token_ids")
        lines = _keras_lines(view.words, kept_ids(corpus, ids, view.words, num_words), len(corpus.words), num_words)
        st.code(lines, language="python", wrap_lines=True)
        _captions(view, int(counts[(ids > 0) & (ids < num_words)].sum()) if num_words else None, num_words)


def _id_text(rank: int, num_words: int) -> str:
    """Return the id of a word by frequency; that of a word without one or that is cut is said to be left out."""
    if rank == 0:
        return _("– (left out)")
    return _("{id:,} (left out)").format(id=rank) if num_words and rank >= num_words else f"{rank:,}"


def _keras_lines(words: list[str], kept: list[int], symbols: int, num_words: int) -> str:
    """Return the same as lines of Keras, with what they return."""
    size = symbols - len(SYMBOLS) + 1
    sentence = json.dumps(" ".join(words), ensure_ascii=False)
    return "\n".join(
        (
            f'tokenizer = Tokenizer(num_words={num_words or None}, lower=False, filters="")',
            "tokenizer.fit_on_texts(sentences)",
            f"tokenizer.texts_to_sequences([{sentence}])  # [{kept}]",
            f"vocab_size = len(tokenizer.word_index) + 1  # {size}",
        )
    )


def _captions(view: LanguageView, kept: int | None, num_words: int) -> None:
    """Show the size of the vocabulary, what the cut leaves, and which ids the models of the page use."""
    corpus = view.corpus
    kinds = len(corpus.words) - len(SYMBOLS)
    sizes = ngettext(
        "{kinds:,} different word, and id 0 for padding: an embedding needs {rows:,} rows.",
        "{kinds:,} different words, and id 0 for padding: an embedding needs {rows:,} rows.",
        kinds,
    ).format(kinds=kinds, rows=kinds + 1)
    if kept is not None:
        sizes += " " + _(
            "num_words = {count:,} keeps only ids below {count:,}: {kept:,} of {all:,} different words, which are "
            "{share:.1%} of all words of the corpus. len(word_index) still counts every word."
        ).format(count=num_words, kept=min(num_words - 1, kinds), all=kinds, share=kept / corpus.word_count)
    caption(sizes)
    caption(
        _(
            "By default Tokenizer() also turns all words into lower case and removes punctuation. The models on this page "
            "use all words as they are written. Their ids are in the order of first appearance, after 0 for ⊢, 1 for ⊣ and 2 "
            "for the unknown word."
        )
    )
