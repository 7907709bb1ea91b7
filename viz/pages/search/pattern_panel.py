"""Spans of the corpus in which the same units are on as in a span of the reader's text (LSTMVis)."""

from __future__ import annotations

from math import isfinite

import streamlit as st

from models.core.messages import Problem
from models.corpus.pattern_search import PatternHits, UnitPattern, find_pattern, pattern_of_span
from models.states.span_selectivity import THRESHOLD
from viz.escape import code_span, escape_markdown
from viz.i18n import _, ngettext, translate
from viz.pages.panels import panel
from viz.pages.search.hit_list import Hit
from viz.pages.search.index_answers import cached_index_answer
from viz.pages.search.search_view import SearchView
from viz.pages.search.shared_table import show_shared
from viz.pages.states.span_panel import span_slider
from viz.pages.view_widgets import COUNTS, NUMBER, OptionFormat, view_widget

SHOWN = 20
"""Spans that are listed."""

COMPARED = 2000
"""Spans of which the tokens and annotations are compared with the corpus."""

_matching_spans = cached_index_answer(find_pattern)


def pattern_panel(view: SearchView) -> None:
    """Draw the choice of a span, the units that are on in it, and the spans of the corpus with the same units."""

    @panel(
        "found_spans",
        _("Find the same units elsewhere"),
        _("Select a word, bracket or quotation: what do the places share at which the same units are on?"),
    )
    def draw_spans() -> None:
        labels = view.run.labels_of(view.layer)
        values = view.run.trace.layers[view.layer][view.quantity][view.run.row]
        count = len(values)
        if count < 2:
            st.markdown(_("The sequence has only one time step; a span needs others to compare with."))
            return
        span, level = st.columns([5, 2], gap="medium")
        with span:
            first, last = span_slider(labels, view.step, key=f"search_span_{view.run.serial}")
        with level:
            threshold = view_widget(
                st.number_input,
                _("Threshold"),
                name="threshold",
                key="search_threshold",
                form=NUMBER,
                default=THRESHOLD,
                is_valid=lambda value: isfinite(value) and value > 0,
                min_value=0.01,
                step=0.05,
                format="%.2f",
            )
        joined = "" if view.index.about["network"]["kind"] == "characters" else " "
        spanned = joined.join(labels[first - 1 : min(last, first + 79)])
        st.markdown(_("Span: {tokens}").format(tokens=code_span(spanned.strip() or spanned)))
        try:
            pattern = pattern_of_span(values, first - 1, last, threshold)
        except Problem as problem:
            st.markdown(escape_markdown(translate(problem)))
            return
        pattern = _chosen_units(pattern, (first, last), view.run.serial)
        if not pattern.units:
            st.markdown(_("Choose at least one unit."))
            return
        found = _matching_spans(view.index, view.layer, view.quantity, pattern, COMPARED)
        _say(found, pattern)
        if not found.total:
            return
        doubled = 2 * len(pattern.units)
        hits = [
            Hit(int(start), int(stop), _("off around: {n} of {all}").format(n=int(around), all=doubled))
            for start, stop, around in zip(
                found.start[:SHOWN], found.stop[:SHOWN], found.off_around[:SHOWN], strict=True
            )
        ]
        shown = view.unit if view.unit in pattern.units else pattern.units[0]
        view.show(hits, "found_spans", shown)
        show_shared(view.index, found.start, found.stop)


def _chosen_units(pattern: UnitPattern, span: tuple[int, int], serial: int) -> UnitPattern:
    """Show the units of a pattern and return those that the reader keeps; a link has them with their span."""
    titles = {
        unit: f"{unit} {'≤ −' if negative else '≥ '}{pattern.threshold:g}"
        for unit, negative in zip(pattern.units, pattern.negative, strict=True)
    }
    ending = f"@{span[0] - 1}-{span[1] - 1}"

    def parse(text: str) -> list[int]:
        return COUNTS.parse(text.removesuffix(ending)) if text.endswith(ending) else list(pattern.units)

    form = OptionFormat(parse, lambda units: COUNTS.format(units) + ending)
    chosen = view_widget(
        st.pills,
        _("Units that are on throughout the span and off just before and after"),
        list(pattern.units),
        name="kept",
        key=f"search_units_{span}_{pattern.threshold:g}_{serial}",
        form=form,
        default=list(pattern.units),
        is_valid=set(pattern.units).issuperset,
        initial_argument="default",
        selection_mode="multi",
        format_func=titles.__getitem__,
    )
    kept = [place for place, unit in enumerate(pattern.units) if unit in chosen]
    return UnitPattern(
        tuple(pattern.units[place] for place in kept),
        tuple(pattern.negative[place] for place in kept),
        pattern.threshold,
        pattern.length,
    )


def _say(found: PatternHits, pattern: UnitPattern) -> None:
    if not found.total:
        st.markdown(_("In no span of the corpus are all these units on. Choose fewer units, or another threshold."))
        return
    units = len(pattern.units)
    st.markdown(
        ngettext(
            "{n:,} span of the corpus has these units on ({tokens:,} tokens); in {exact:,} of them all are off around.",
            "{n:,} spans of the corpus have these units on ({tokens:,} tokens); in {exact:,} of them all are off around.",
            found.total,
        ).format(n=found.total, tokens=found.tokens, exact=found.exact)
        + " "
        + ngettext(
            "First come spans in which the unit is off around, then those of a similar length.",
            "First come spans in which most units are off around, then those of a similar length.",
            units,
        )
    )
