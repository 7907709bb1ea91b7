"""Search: where else in a corpus does the network enter this state? What does a unit code for?"""

from __future__ import annotations

import streamlit as st

from models.core.saved_cell import SavedCell
from viz.i18n import _
from viz.pages import cache
from viz.pages.controls import show_controls
from viz.pages.keep_panels import keep_panels_button
from viz.pages.page_elements import caption
from viz.pages.search.contexts_panel import contexts_panel
from viz.pages.search.corpus_choice import chosen_index
from viz.pages.search.fixed_points_panel import fixed_points_panel
from viz.pages.search.nearest_panel import nearest_panel
from viz.pages.search.pattern_panel import pattern_panel
from viz.pages.search.place_panel import place_panel
from viz.pages.search.probe_panel import probe_panel
from viz.pages.search.readable_panel import readable_panel
from viz.pages.search.search_view import SearchView
from viz.session import get_session


def page() -> None:
    """Draw the Search page."""
    session = get_session()
    run = show_controls(session)
    view = session.view
    layer = run.trace.layers[view.layer or ""]
    file = session.startup_file
    if isinstance(layer, SavedCell) or (file is not None and view.net == file.name):
        st.markdown(_("A saved run has no network that could read a corpus. Choose a network."))
        return
    if view.edits:
        caption(_("The corpus is read by the network without your edits."))
    index = chosen_index(session, cache.network(view.net or ""))
    if index is None:
        return
    if view.layer not in index.layers:
        st.markdown(_("The index has no states of this layer. Choose another layer."))
        return
    states = [each for each in index.quantities if f"states/{view.layer}/{each}" in index.group]
    quantity = view.quantity if view.quantity in states else states[0]
    assert view.unit is not None and view.step is not None
    step = min(view.step, layer.shape[1] - 1)
    shown = SearchView(index, run, view.layer or "", quantity, view.unit, step)
    pattern_panel(shown)
    contexts_panel(shown)
    place_panel(shown)
    nearest_panel(shown)
    probe_panel(shown)
    readable_panel(shown)
    fixed_points_panel(shown)
    keep_panels_button(session, "search")
