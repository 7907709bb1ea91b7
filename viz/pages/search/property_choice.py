"""The choice of a property of the corpus: a built-in one, or a column of the reader's."""

from __future__ import annotations

import numpy as np
import streamlit as st

from models.corpus.corpus_index import CorpusIndex
from viz.i18n import _
from viz.pages.search.index_answers import cached_index_answer
from viz.pages.search.property_titles import property_title
from viz.pages.search.search_view import SearchView
from viz.pages.states.tracking_panel import PROPERTIES
from viz.pages.view_widgets import TEXT, view_widget

BEGINNING = 1 << 15
"""Steps of the corpus that decide which property is shown first."""


def property_choice(view: SearchView, option: str) -> str | None:
    """Show the choice of a property as an option of the view, and return it; None if the corpus has none."""
    names = view.index.about["annotations"]
    if not names:
        st.markdown(_("The corpus has no properties. Give it columns of your own."))
        return None
    return view_widget(
        st.selectbox,
        _("Property"),
        names,
        name=option,
        key=f"search_{option}",
        form=TEXT,
        default=_first_informative(view.index, names),
        is_valid=names.__contains__,
        initial_argument="index",
        format_func=property_title,
    )


@cached_index_answer
def _first_informative(index: CorpusIndex, names: list[str]) -> str:
    """Return the first property that is 0 or 1 and is both at the beginning of the corpus, else the first one."""
    for name in (*PROPERTIES, *names):
        if name in names and "labels" not in index.array(f"annotations/{name}").attrs:
            values = index.read(f"annotations/{name}", slice(0, BEGINNING))
            if set(np.unique(values[np.isfinite(values)]).tolist()) == {0.0, 1.0}:
                return name
    return names[0]
