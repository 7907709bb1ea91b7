"""The contexts of the corpus in which the selected unit is strongest, weakest, or spread over its range."""

from __future__ import annotations

import streamlit as st

from models.corpus.unit_contexts import contexts_over_range, strongest_contexts
from viz.i18n import _
from viz.pages.panels import panel
from viz.pages.search.hit_list import Hit
from viz.pages.search.index_answers import cached_index_answer
from viz.pages.search.search_view import SearchView
from viz.pages.search.shared_table import show_shared
from viz.pages.view_widgets import view_buttons

CONTEXTS = 20

_over_range, _strongest = cached_index_answer(contexts_over_range), cached_index_answer(strongest_contexts)


def contexts_panel(view: SearchView) -> None:
    """Draw the contexts of the selected unit."""

    @panel(
        "unit_contexts",
        _("Contexts of unit {unit}").format(unit=view.unit),
        _("What do the contexts of its largest values share that those of its smallest do not have?"),
    )
    def draw_contexts() -> None:
        ways = {"largest": _("Largest values"), "smallest": _("Smallest values"), "range": _("Over its range")}
        way = view_buttons(_("Contexts"), ways, name="contexts", key="search_contexts", default="largest")
        place = view.index, view.layer, view.quantity, view.unit
        if way == "range":
            found = _over_range(*place, CONTEXTS)
        else:
            found = _strongest(*place, CONTEXTS, weakest=way == "smallest")
        st.markdown(_("No two contexts end in the same eight tokens, and no more than two come from one document."))
        view.show(
            [
                Hit(step, step + 1, f"{value:.3f}".replace("-", "−"))
                for step, value in zip(found.steps.tolist(), found.values.tolist(), strict=True)
            ],
            "unit_contexts",
        )
        if way != "range":
            show_shared(view.index, found.steps, found.steps + 1)
