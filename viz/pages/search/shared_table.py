"""What places of a corpus share: tokens and properties that are more frequent there than elsewhere, with their tests."""

from __future__ import annotations

import numpy as np
import streamlit as st

from models.core.tokenize_text import display
from models.corpus.corpus_index import CorpusIndex
from models.corpus.shared_tokens import SharedAnnotation, shared_annotations, shared_tokens
from models.corpus.text_places import TokenPlaces
from viz.i18n import _
from viz.pages.page_elements import dense_table
from viz.pages.search.index_answers import cached_index_answer
from viz.pages.search.property_titles import property_title

TOKENS, SHOWN = 8, 6
"""Tokens and properties that are listed."""

_tokens, _annotations = cached_index_answer(shared_tokens), cached_index_answer(shared_annotations)


def show_shared(index: CorpusIndex, start: np.ndarray, stop: np.ndarray) -> None:
    """Show what places share.

    Args:
        index: of the corpus.
        start, stop: (n) int64, the first token of each place, and the one after its last, in any order.
    """
    order = np.argsort(start, kind="stable")
    places = TokenPlaces(start[order], stop[order])
    vocabulary = index.vocabulary
    if vocabulary is not None:
        tokens = [each for each in _tokens(index, places, TOKENS) if each.significant]
        if tokens:
            st.markdown(
                _("More frequent at these places than in the corpus (Fisher's exact test, false findings held at 5 %):")
            )
            dense_table(
                [
                    {
                        _("token"): display(vocabulary[each.token]),
                        _("at these places"): f"{each.inside:,}",
                        _("expected"): f"{each.expected:,.1f}",
                        "p": f"{each.p:.1g}",
                    }
                    for each in tokens
                ]
            )
        else:
            st.markdown(_("No token is more frequent at these places than chance explains."))
    tested = _annotations(index, places)
    properties = [each for each in tested if each.significant][:SHOWN]
    if properties:
        st.markdown(_("Properties at the first token of these places, against the corpus (5 % false findings):"))
        dense_table(
            [
                {
                    _("property"): _title(each),
                    _("at these places"): f"{each.inside:.3g}",
                    _("elsewhere"): f"{each.outside:.3g}",
                    "p": f"{each.p:.1g}",
                }
                for each in properties
            ]
        )
    elif tested:
        st.markdown(_("No property differs at these places from the corpus more than chance explains."))


def _title(found: SharedAnnotation) -> str:
    """Return a property's title, and its value if it is a label."""
    title = property_title(found.name)
    return title if found.value is None else f"{title} = {found.value}"
