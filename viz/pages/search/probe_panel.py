"""Probes: is a property of the text linearly readable from the state, and which units agree with it?"""

from __future__ import annotations

import numpy as np
import streamlit as st

from models.probes.bootstrap import Estimate
from models.probes.probe_index import AnnotationProbe, probe_annotation
from models.probes.unit_agreement import UnitAgreement
from viz.i18n import _, translate
from viz.pages import cache
from viz.pages.page_elements import caption, dense_table
from viz.pages.panels import panel
from viz.pages.search.property_choice import property_choice
from viz.pages.search.queued_answer import queued_answer
from viz.pages.search.search_view import SearchView
from viz.session import get_session

BEST = 6
"""Units that are listed."""


def probe_panel(view: SearchView) -> None:
    """Draw the choice of a property, and its probes."""

    @panel(
        "probes",
        _("Probe a property of the text"),
        _("Is it readable from the state, better than from an untrained network's or from the token alone?"),
    )
    def draw_probes() -> None:
        name = property_choice(view, "probed")
        if name is None:
            return
        place = view.layer, view.quantity, name
        found = queued_answer(
            view.index,
            "probes",
            place,
            probe_annotation,
            (cache.network(get_session().view.net or ""), str(view.index.folder), *place),
            button=_("Train the probes"),
            text=_("The probes are being trained …"),
        )
        if found is not None:
            _show(found)


def _show(found: AnnotationProbe) -> None:
    scores = found.scores
    st.markdown(f"**{translate(scores.verdict)}**")
    if scores.warning is not None:
        st.markdown(translate(scores.warning))
    rows: list[tuple[str, Estimate | None]] = [
        (_("the whole state"), scores.test),
        (_("the best single unit ({unit})").format(unit=scores.unit), scores.unit_test),
        *((_("an untrained network's state"), each) for each in scores.untrained),
        (_("the current token alone"), scores.token),
        (_("random labels of the tokens (control task)"), scores.control),
        (_("shuffled labels"), scores.shuffled),
        (_("always the most frequent label, or the mean"), scores.baseline),
    ]
    measure = "R²" if scores.numeric else _("accuracy")
    dense_table(
        [
            {
                _("read from"): title,
                measure: _number(each.value),
                _("95 % interval"): f"{_number(each.low)} – {_number(each.high)}",
            }
            for title, each in rows
            if each is not None
        ]
    )
    caption(
        _(
            "Trained on {train} texts and tested on {test} others, {used:,} of the {all:,} steps of the corpus; intervals "
            "are over the test texts."
        ).format(train=scores.documents[0], test=scores.documents[1], used=found.steps[0], all=found.steps[1])
    )
    if found.note is not None:
        st.markdown(translate(found.note))
    if not found.untrained:
        st.markdown(_("This network cannot be initialized anew, so no untrained one is compared."))
    if found.agreement is not None:
        _show_agreement(found.agreement)


def _show_agreement(found: UnitAgreement) -> None:
    """Show how well single units agree with the property."""
    st.markdown(f"**{translate(found.verdict)}**")
    own = get_session().view.unit or 0
    units = found.ranked[:BEST].tolist()
    if own not in units and own < len(found.threshold):
        units.append(own)
    dense_table(
        [
            {
                _("unit"): f"{unit}",
                _("is on"): f"{'≥' if found.above[unit] else '<'} {_number(float(found.threshold[unit]))}",
                "F1": _interval(found.f1, found.f1_low, found.f1_high, unit),
                _("correlation r"): _interval(found.correlation, found.correlation_low, found.correlation_high, unit),
                "p": f"{found.p_value[unit]:.3f}",
            }
            for unit in units
        ]
    )
    caption(
        _(
            "The units with the largest |r| in the training texts, and the selected one, on the test texts with 95 % "
            "intervals; p is corrected for all units. By chance the best of all units reaches |r| = {r} or F1 = {f1} in one "
            "of twenty cases, and a unit that is always on has F1 = {always}."
        ).format(r=_number(found.chance_correlation), f1=_number(found.chance_f1), always=_number(found.always_f1))
    )


def _interval(values: np.ndarray, low: np.ndarray, high: np.ndarray, unit: int) -> str:
    """Return a unit's number with its interval."""
    return f"{_number(float(values[unit]))} ({_number(float(low[unit]))} – {_number(float(high[unit]))})"


def _number(value: float) -> str:
    return f"{value:.3f}".replace("-", "−")
