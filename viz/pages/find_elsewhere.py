"""Buttons of the other lenses that open Search with the question that their view asks: find this elsewhere in a corpus."""

from __future__ import annotations

from typing import Any

import streamlit as st

from models.core.saved_cell import SavedCell
from models.core.trace import LayerTrace
from viz.i18n import _
from viz.pages import cache
from viz.session import get_session

SPAN, STATE, UNIT = "found_spans", "nearest_states", "unit_contexts"
"""Panels of Search: the same units on as in the view's span, states like that of its step, contexts of its unit."""


def find_elsewhere(layer: LayerTrace | SavedCell, /, *questions: str, key: str, **place: Any) -> None:
    """Show a button for each question about the view's span, step or unit; none where no network can read a corpus.

    Args:
        layer: whose states are searched.
        questions: names of panels of Search, as ``SPAN``.
        key: of the buttons.
        place: fields of the view that are others in Search, such as the layer.
    """
    session = get_session()
    if isinstance(layer, SavedCell) or not cache.is_network(session.view.net):
        return
    titles = {
        SPAN: _("Find this span's units elsewhere in a corpus"),
        STATE: _("Find states like this step's in a corpus"),
        UNIT: _("Find what this unit codes for in a corpus"),
    }
    with st.container(horizontal=True, gap="small", key=f"find_{key}"):
        asked = [
            each
            for each in questions
            if st.button(titles[each], icon=":material/search:", type="tertiary", key=f"{key}_to_search_{each}")
        ]
    if not asked:
        return
    session.navigate(**place)
    session.open_panel(asked[0], default=True, scroll=True)
    from viz.pages import find_lens  # here, because viz.pages imports the pages with these buttons

    st.switch_page(find_lens("search").page())
