"""The distribution of units at the matches of a regular expression, or where an annotation has a value, against elsewhere."""

from __future__ import annotations

import numpy as np
import streamlit as st

from models.core.messages import Problem
from models.corpus.corpus_index import CorpusIndex
from models.corpus.text_places import MAX_PATTERN, TokenPlaces, annotation_places, regex_places
from models.corpus.unit_distribution import (
    UnitDistribution,
    check_some,
    separating_units,
    separating_units_in_worker,
    unit_distribution,
)
from viz.figures.two_distributions import two_distributions
from viz.i18n import _
from viz.pages.page_elements import chart, page_theme, show_problem
from viz.pages.panels import panel
from viz.pages.search.hit_list import Hit
from viz.pages.search.index_answers import cached_index_answer
from viz.pages.search.queued_answer import is_read_at_once, queued_answer
from viz.pages.search.search_view import SearchView
from viz.pages.view_widgets import TEXT, view_widget
from viz.quantity_names import quantity_names
from viz.session import get_session

BEST, SHOWN = 8, 20
PROPERTY = "property:"
"""Begins a question about an annotation, in a link: ``property:inside_quotes=1``."""


def place_panel(view: SearchView) -> None:
    """Draw the question and the distributions."""

    @panel(
        "text_search",
        _("Units at the matches of a text"),
        _("Is the unit's distribution at these tokens another than elsewhere, and which unit's is the most so?"),
    )
    def draw_places() -> None:
        asked = view_widget(
            st.text_input,
            _("Regular expression, or property:NAME=VALUE"),
            name="find",
            key="search_find",
            form=TEXT,
            default=_default_question(view),
            max_chars=MAX_PATTERN,
            help=_("Properties of this corpus: {names}.").format(names=", ".join(view.index.about["annotations"])),
        )
        try:
            places = _places(view.index, asked)
            if not places.count:
                st.markdown(_("No token of the corpus matches."))
                return
            check_some(view.index, places)
        except Problem as problem:
            show_problem(problem)
            return
        st.markdown(
            _("{tokens:,} tokens match ({share:.1%}), in {n:,} places.").format(
                tokens=places.count, share=places.count / view.index.steps, n=len(places.start)
            )
        )
        found = _distribution(view.index, view.layer, view.quantity, view.unit, asked)
        name = _("{quantity} of unit {unit}").format(quantity=quantity_names()[view.quantity], unit=view.unit)
        figure = two_distributions(*found.histogram(), name=name, theme=page_theme())
        chart(figure, "search_distribution", names=(view.layer, view.quantity, str(view.unit), "distribution"))
        (mean, spread), (other, other_spread) = found.moments()
        st.markdown(
            _(
                "Unit {unit}: mean {mean:.3f} (standard deviation {spread:.3f}) at these tokens, {other:.3f} "
                "({other_spread:.3f}) at all others. With a probability of {auc:.0%} it is larger at one of these tokens "
                "than at another; 50 % says that it does not tell them apart."
            )
            .format(unit=view.unit, mean=mean, spread=spread, other=other, other_spread=other_spread, auc=found.auc)
            .replace("-", "−")
        )
        apart = _separating_units(view, places, asked)
        if apart is not None:
            _choose_unit(view, apart)
        some = np.unique(np.linspace(0, len(places.start) - 1, min(SHOWN, len(places.start))).astype(int))
        view.show(
            [Hit(int(places.start[each]), int(places.stop[each]), "") for each in some],
            "text_search",
        )


def _separating_units(view: SearchView, places: TokenPlaces, asked: str) -> np.ndarray | None:
    """Return how far each unit's means are apart; None while that is computed, or before the reader starts it."""
    if is_read_at_once(view.index):
        return _separated_at_once(view.index, view.layer, view.quantity, asked)
    return queued_answer(
        view.index,
        "text_search",
        (view.layer, view.quantity, asked),
        separating_units_in_worker,
        (str(view.index.folder.resolve()), view.layer, view.quantity, places),
        button=_("Compare all units"),
        text=_("The units are being compared …"),
    )


def _choose_unit(view: SearchView, apart: np.ndarray) -> None:
    """Show the units whose means are farthest apart; one that is picked becomes the view's."""
    order = np.argsort(-np.abs(np.nan_to_num(apart)), kind="stable")[:BEST]
    picked = st.pills(
        _("Units whose means are farthest apart, in standard deviations"),
        [int(unit) for unit in order],
        format_func=lambda unit: f"{unit} ({apart[unit]:+.1f})".replace("-", "−"),
        key="search_apart",
    )
    if picked is not None and picked != view.unit:
        get_session().navigate(unit=picked)
        st.rerun()


MAX_PLACES = 2
"""Cached questions: the places of one can be as many as the tokens."""


def _find_places(index: CorpusIndex, asked: str) -> TokenPlaces:
    """Return the tokens that a question is about. Raises Problem: it is not a question to this corpus."""
    if not asked.startswith(PROPERTY):
        return regex_places(index, asked)
    name, _sign, value = asked[len(PROPERTY) :].partition("=")
    if name not in index.about["annotations"]:
        raise Problem(
            "The corpus has no property “{name}”. It has {names}.",
            name=name,
            names=", ".join(index.about["annotations"]) or "—",
        )
    low, _dots, high = value.partition("..")
    try:
        return annotation_places(index, name, low, float(high) if high else None)
    except ValueError as error:
        if isinstance(error, Problem):
            raise
        raise Problem("“{value}” is not a number.", value=high) from error


_places = cached_index_answer(_find_places, MAX_PLACES)


@cached_index_answer
def _distribution(index: CorpusIndex, layer: str, quantity: str, unit: int, asked: str) -> UnitDistribution:
    return unit_distribution(index, layer, quantity, unit, _places(index, asked))


@cached_index_answer
def _separated_at_once(index: CorpusIndex, layer: str, quantity: str, asked: str) -> np.ndarray:
    return separating_units(index, layer, quantity, _places(index, asked))


def _default_question(view: SearchView) -> str:
    """Return a question to begin with: strings of Python code, else the first token of the text."""
    if view.index.about["network"]["name"] == "python-lm":
        return '"[^"\\n]*"'
    annotations = view.index.about["annotations"]
    if view.index.vocabulary is None:
        return f"{PROPERTY}{annotations[0]}=1" if annotations else ""
    token = view.index.token_texts(0, 1)[0]
    return "".join(f"\\{character}" if character in "\\.^$*+?()[]{}|" else character for character in token)
