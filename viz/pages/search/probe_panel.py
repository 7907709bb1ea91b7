"""Probes: is a property of the text linearly readable from the state, and which unit agrees with it?"""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import Any

import streamlit as st

from models.core.messages import Problem
from models.probes.bootstrap import Estimate
from models.probes.probe_index import AnnotationProbe, probe_annotation
from models.training.run_queue import shared_queue
from viz.i18n import _, translate
from viz.pages import cache
from viz.pages.page_elements import dense_table, show_problem
from viz.pages.panels import panel
from viz.pages.search.search_view import SearchView
from viz.pages.states.tracking_panel import PROPERTIES
from viz.pages.view_widgets import TEXT, view_widget
from viz.session import get_session

MAX_KEPT = 50

_futures: OrderedDict[tuple[str, ...], Any] = OrderedDict()
_lock = Lock()


def probe_panel(view: SearchView) -> None:
    """Draw the choice of a property, and its probes."""

    @panel(
        "probes",
        _("Probe a property of the text"),
        _("Is it readable from the state, better than from an untrained network's or from the token alone?"),
    )
    def draw_probes() -> None:
        names = view.index.about["annotations"]
        if not names:
            st.markdown(_("The corpus has no properties. Give it columns of your own."))
            return
        name = view_widget(
            st.selectbox,
            _("Property"),
            names,
            name="probed",
            key="search_probed",
            form=TEXT,
            default="inside_quotes" if "inside_quotes" in names else names[0],
            is_valid=names.__contains__,
            initial_argument="index",
            format_func=lambda each: _(PROPERTIES[each]) if each in PROPERTIES else each,
        )
        key = (str(view.index.folder), view.layer, view.quantity, name)
        with _lock:
            future = _futures.get(key)
        if future is None:
            if st.button(_("Train the probes"), key="search_probe"):
                _start(view, key)
                st.rerun()
            return
        if not future.done():
            _wait(key)
            return
        error = None if future.cancelled() else future.exception()
        if error is not None or future.cancelled():
            with _lock:
                _futures.pop(key, None)
            show_problem(
                error
                if isinstance(error, Problem)
                else Problem("The process that trained the probes ended before it had finished. Start it again.")
            )
            return
        _show(future.result())


def _start(view: SearchView, key: tuple[str, ...]) -> None:
    network = cache.network(get_session().view.net or "")
    with _lock:
        if key not in _futures:
            _futures[key] = shared_queue().compute(probe_annotation, network, *key)
        while len(_futures) > MAX_KEPT:
            _futures.popitem(last=False)[1].cancel()


def _wait(key: tuple[str, ...]) -> None:
    @st.fragment(run_every=1.0)
    def show() -> None:
        with _lock:
            future = _futures.get(key)
        if future is None or future.done():
            st.rerun()
        st.markdown(_("The probes are being trained …"))

    show()
    if st.button(_("Stop"), key="search_probe_stop"):
        with _lock:
            future = _futures.pop(key, None)
        if future is not None:
            future.cancel()
        st.rerun()


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
    st.markdown(
        _("Trained on {train} documents and tested on {test} others; intervals are over the test documents.").format(
            train=scores.documents[0], test=scores.documents[1]
        )
    )
    if not found.untrained:
        st.markdown(_("This network cannot be initialized anew, so no untrained one is compared."))
    agreement = found.agreement
    if agreement is not None:
        unit = agreement.unit
        st.markdown(f"**{translate(agreement.verdict)}**")
        st.markdown(
            _(
                "Unit {unit}: r = {r} ({low} to {high}), F1 = {f1} ({f1_low} to {f1_high}) on test documents. By chance the "
                "best of all units reaches |r| = {chance} in one of twenty cases."
            ).format(
                unit=unit,
                r=_number(float(agreement.correlation[unit])),
                low=_number(float(agreement.correlation_low[unit])),
                high=_number(float(agreement.correlation_high[unit])),
                f1=_number(float(agreement.f1[unit])),
                f1_low=_number(float(agreement.f1_low[unit])),
                f1_high=_number(float(agreement.f1_high[unit])),
                chance=_number(agreement.chance_correlation),
            )
        )


def _number(value: float) -> str:
    return f"{value:.3f}".replace("-", "−")
