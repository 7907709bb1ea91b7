"""The panel of the counts of n-grams, and of the sentences behind a count."""

from __future__ import annotations

import streamlit as st

from models.language.corpus import MAX_ORDER
from models.language.corpus_counts import CountedNgram
from viz.escape import escape_markdown
from viz.i18n import _, ngettext
from viz.pages.language.language_controls import LanguageView, corpus_summary, symbol_names
from viz.pages.page_elements import caption, scrolling_table
from viz.pages.panels import panel
from viz.pages.view_widgets import COUNT, view_widget

MAX_ROWS, MAX_SENTENCES = 1000, 100
"""Rows of the table and sentences below it, at most."""

MAX_CHARACTERS = 300
"""Characters of a sentence that are shown."""


def ngram_counts_panel(view: LanguageView) -> None:
    """Declare the panel."""

    @panel(
        "ngram_counts",
        _("Counts of n-grams"),
        _("Select a row to see the sentences behind its count. How many n-grams occur only once as n grows?"),
    )
    def draw() -> None:
        order = _order_choice(view)
        left, right = st.columns([3, 2], gap="medium")
        with left:
            selected = _table(view, order)
        with right:
            if selected is None:
                factor = view.factor
                name = f"{factor.given} {factor.word}".strip()
                _sentences(view, name, (*factor.context, factor.id), factor.count)
            else:
                _sentences(view, symbol_names(view.corpus, selected.ids), selected.ids, selected.count)
        caption(corpus_summary(view.corpus))


def _order_choice(view: LanguageView) -> int:
    """Show the choice of n, in the whole width for large counts; at first it is that of the factor on the right."""
    counts = view.counted.counts
    return view_widget(
        st.segmented_control,
        _("Words of an n-gram"),
        list(range(1, MAX_ORDER + 1)),
        name="tablen",
        key="language_table_n",
        form=COUNT,
        default=view.order,
        is_valid=range(1, MAX_ORDER + 1).__contains__,
        initial_argument="default",
        format_func=lambda n: f"n = {n} ({counts.kinds_of(n):,})",
        required=True,
    )


def _table(view: LanguageView, order: int) -> CountedNgram | None:
    """Show the table; return the selected row, or None."""
    counts, corpus = view.counted.counts, view.corpus
    rows = counts.most_frequent(order, MAX_ROWS)
    shown = [
        {
            _("n-gram"): symbol_names(corpus, row.ids),
            _("Count"): row.count,
            _("Count of the context"): row.context_count,
            _("Probability"): row.count / row.context_count,
        }
        for row in rows
    ]
    event = scrolling_table(
        shown,
        height=320,
        key=f"language_table_{view.counted.digest[:8]}_{order}",
        on_select="rerun",
        selection_mode="single-row",
        column_config={_("Probability"): st.column_config.NumberColumn(format="%.4g")},
    )
    once = sum(1 for row in rows if row.count == 1)
    if len(rows) == counts.kinds_of(order):
        caption(
            _("{once} of {kinds} n-grams occur once.").format(once=f"{once:,}", kinds=f"{len(rows):,}")
            + " "
            + _("The probability is the count divided by the count of the n − 1 words before the last.")
        )
    else:
        caption(
            _("The {n:,} most frequent of {kinds:,}.").format(n=len(rows), kinds=counts.kinds_of(order))
            + " "
            + _("The probability is the count divided by the count of the n − 1 words before the last.")
        )
    chosen = event.selection.rows
    return rows[chosen[0]] if chosen and chosen[0] < len(rows) else None


def _sentences(view: LanguageView, name: str, ids: tuple[int, ...], count: int) -> None:
    """Show the sentences that contain an n-gram."""
    corpus = view.corpus
    numbers = view.counted.counts.sentences_with(ids)
    st.markdown(
        ngettext("“{name}” occurs {n:,} time:", "“{name}” occurs {n:,} times:", count).format(
            name=escape_markdown(name), n=count
        )
        if count
        else _("“{name}” occurs in no sentence.").format(name=escape_markdown(name))
    )
    if not numbers:
        return
    with st.container(height=300, border=False, key="language_sentences"):
        texts = [corpus.sentences[each] for each in numbers[:MAX_SENTENCES]]
        st.markdown(
            "\n".join(f"{place}. {escape_markdown(text[:MAX_CHARACTERS])}" for place, text in enumerate(texts, 1))
        )
    if len(numbers) > MAX_SENTENCES:
        caption(_("{n:,} more sentences are not shown.").format(n=len(numbers) - MAX_SENTENCES))
