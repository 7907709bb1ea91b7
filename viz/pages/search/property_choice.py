"""The choice of a property of the corpus: a built-in one, or a column of the reader's."""

from __future__ import annotations

import streamlit as st

from viz.i18n import _
from viz.pages.search.property_titles import property_title
from viz.pages.search.search_view import SearchView
from viz.pages.view_widgets import TEXT, view_widget


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
        default="inside_quotes" if "inside_quotes" in names else names[0],
        is_valid=names.__contains__,
        initial_argument="index",
        format_func=property_title,
    )
