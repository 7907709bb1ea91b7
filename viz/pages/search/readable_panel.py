"""When a property of the text becomes readable from the state: after its onset, or along the text."""

from __future__ import annotations

import streamlit as st

from models.probes.onset_probe import OnsetProbe, probe_onset
from viz.figures.readable_offsets import readable_offsets
from viz.i18n import _, translate
from viz.pages import cache
from viz.pages.page_elements import caption, chart, page_theme
from viz.pages.panels import panel
from viz.pages.search.property_choice import property_choice
from viz.pages.search.queued_answer import queued_answer
from viz.pages.search.search_view import SearchView
from viz.session import get_session


def readable_panel(view: SearchView) -> None:
    """Draw the choice of a property, and the scores of probes by offset."""

    @panel(
        "readable_when",
        _("When a property becomes readable"),
        _("How many steps after it begins is it readable from the state, and for how long?"),
    )
    def draw_offsets() -> None:
        name = property_choice(view, "onset")
        if name is None:
            return
        place = view.layer, view.quantity, name
        found = queued_answer(
            view.index,
            "readable_when",
            place,
            probe_onset,
            (cache.network(get_session().view.net or ""), str(view.index.folder), *place),
            button=_("Train a probe at each offset"),
            text=_("The probes are being trained …"),
        )
        if found is not None:
            _show_offsets(view, found)


def _show_offsets(view: SearchView, probe: OnsetProbe) -> None:
    """Show the verdict and the figure."""
    found = probe.found
    st.markdown(f"**{translate(found.verdict)}**")
    numeric = probe.numeric
    figure = readable_offsets(
        found.offsets,
        found.score,
        (found.low, found.high),
        found.readable,
        baseline=found.baseline,
        token=found.token,
        untrained=found.untrained,
        numeric=numeric,
        measure="R²" if numeric else _("accuracy"),
        axis=_("time steps after its onset") if probe.since == "onset" else _("time steps after the text's start"),
        theme=page_theme(),
    )
    chart(figure, "search_offsets", names=(view.layer, view.quantity, probe.name, "readable"))
    train, test = (int(each) for each in found.events.max(axis=0))
    if probe.since == "onset":
        text = _(
            "The question at each offset: is this the property's onset, or a step without it near? A probe of its own is "
            "trained on {train} such steps and tested on {test} of other texts; {used:,} of the {all:,} steps of the corpus "
            "were used. The band contains the scores at all offsets together with 95 %."
        )
    else:
        text = _(
            "The question at each place: which label has this text? A probe of its own is trained on {train} texts and "
            "tested on {test} others; {used:,} of the {all:,} steps of the corpus were used. The band contains the scores at "
            "all places together with 95 %."
        )
    caption(text.format(train=train, test=test, used=probe.steps[0], all=probe.steps[1]))
    if probe.note is not None:
        st.markdown(translate(probe.note))
