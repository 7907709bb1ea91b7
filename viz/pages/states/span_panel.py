"""Selection of a span of the text, and the units that are active in it and inactive elsewhere."""

from collections.abc import Sequence
from math import isfinite

import streamlit as st

from models.core.messages import Problem
from models.core.trace import LayerTrace
from models.corpus.read_states import STATES
from models.networks.forward_run import ForwardRun
from models.states.span_selectivity import THRESHOLD, span_selectivity
from viz.components.reports import index
from viz.components.span_picker import span_picker
from viz.components.streamlit_host import reported
from viz.escape import code_span, widget_key
from viz.figures.selective_units import selective_units
from viz.i18n import _, ngettext, translate
from viz.pages.find_elsewhere import SPAN as SPAN_QUESTION
from viz.pages.find_elsewhere import find_elsewhere
from viz.pages.nonfinite_notes import state_note
from viz.pages.page_elements import chart, page_theme
from viz.pages.page_fragment import page_fragment
from viz.pages.panels import panel
from viz.pages.states import states_cache
from viz.pages.view_widgets import NUMBER, SPAN, view_buttons, view_widget
from viz.quantity_names import quantity_names
from viz.session import Session, get_session

DRAGGED = "brush_span"

MAX_UNITS = 12
"""Units that are drawn."""

MARGIN = 3
"""Steps on each side of the current one in the default span, if the step is not inside a word."""


def span_panel(session: Session, run: ForwardRun, layer: LayerTrace, view_id: str) -> None:
    """Draw the choice of span and threshold, and the units that mark the span."""

    @panel(
        "span",
        _("Find units that mark a span"),
        _("Select a word, bracket or quotation: the best unit is active inside the frame and inactive outside."),
    )
    def draw_span() -> None:
        _span_units(run, layer, session.view.quantity or "", session.view.step or 0, view_id)


def _dragged() -> None:
    dragged = reported(DRAGGED, "span", {"first": index, "last": index})
    if dragged is not None:
        get_session().set_view_options(span=SPAN.format((dragged["first"] + 1, dragged["last"] + 1)))


def span_slider(labels: Sequence[str], step: int, *, key: str) -> tuple[int, int]:
    """Show the slider of the view's span, and return its first and last step, from 1; at first those around ``step``."""
    count = len(labels)
    return view_widget(
        st.slider,
        _("Span (time steps)"),
        1,
        count,
        name="span",
        key=key,
        form=SPAN,
        default=_default_span(labels, step),
        is_valid=lambda span: span[1] <= count,
    )


def _default_span(labels: Sequence[str], step: int) -> tuple[int, int]:
    """Return the first and last step, from 1, of the word around ``step``, or of a few steps around it."""
    first = last = step
    while first > 0 and _is_letter(labels[first - 1]):
        first -= 1
    while last < len(labels) - 1 and _is_letter(labels[last + 1]):
        last += 1
    if _are_words(labels) or not _is_letter(labels[step]) or (first, last) in ((step, step), (0, len(labels) - 1)):
        return max(1, step + 1 - MARGIN), min(len(labels), step + 1 + MARGIN)
    return first + 1, last + 1


def _are_words(labels: Sequence[str]) -> bool:
    """Return whether the tokens are words or numbers rather than characters."""
    return any(len(label) > 1 for label in labels)


def _is_letter(label: str) -> bool:
    return len(label) == 1 and (label.isalnum() or label == "_")


@page_fragment
def _span_units(run: ForwardRun, layer: LayerTrace, quantity: str, step: int, view_id: str) -> None:
    values = states_cache.state_values(run, layer.name, quantity)
    labels = run.labels_of(layer.name)
    count = len(labels)
    if count < 2:
        st.markdown(_("The sequence has only one time step; a span needs others to compare with."))
        return
    note = state_note(layer, run.row)
    if note is not None:
        st.markdown(f"{note} {_('Where the state is NaN, the unit does not count as active.')}")
    above = st.container()
    span, level, side = st.columns([5, 2, 3], gap="medium", vertical_alignment="top")
    with span:
        first, last = span_slider(labels, step, key=f"span_{run.serial}_{widget_key(layer.name)}")
    with level:
        threshold = view_widget(
            st.number_input,
            _("Threshold"),
            name="threshold",
            key="brush_threshold",
            form=NUMBER,
            default=THRESHOLD,
            is_valid=isfinite,
            step=0.05,
            format="%.2f",
        )
    with above:
        span_picker(view_id, (first - 1, last - 1), key=DRAGGED, on_span_change=_dragged)
    signed = {"above": values, "below": -values}
    try:
        selectivities = {way: span_selectivity(signed[way], first - 1, last, threshold) for way in signed}
    except Problem as problem:
        st.markdown(translate(problem))
        return
    ways = {"above": _("≥ threshold"), "below": _("≤ −threshold")}
    with side:
        clearest = max(ways, key=lambda way: selectivities[way].best_margin)
        way = view_buttons(_("Active when"), ways, name="on", key="brush_way", default=clearest)
    found = selectivities[way]
    spanned = (" " if _are_words(labels) else "").join(labels[first - 1 : min(last, first + 79)])
    st.markdown(_("Span: {tokens}").format(tokens=code_span(spanned.strip())))
    if not len(found.units):
        st.markdown(
            _(
                "No unit has its {quantity} active more often inside this span than outside. Try another threshold or "
                "span."
            ).format(quantity=quantity_names()[quantity])
        )
        return
    shown = found.units[:MAX_UNITS]
    on = signed[way][:, shown] >= threshold
    figure = selective_units(on, shown.tolist(), (first - 1, last), labels, quantity=quantity, theme=page_theme())
    chart(figure, "brushed", names=(layer.name, quantity, "brush", f"{first}-{last}"))
    best = int(shown[0])
    sign = "≤ −" if way == "below" else "≥ "
    st.markdown(
        _(
            "Best match: unit {unit}. Its {quantity} is {sign}{threshold} at {inside} of the time steps in the "
            "span and at {outside} of the others."
        ).format(
            unit=best,
            quantity=quantity_names()[quantity],
            sign=sign,
            threshold=f"{threshold:g}",
            inside=f"{found.inside[0]:.0%}",
            outside=f"{found.outside[0]:.1%}",
        )
        + " "
        + _exact_matches(len(found.exact))
    )
    if quantity in STATES:
        find_elsewhere(layer, SPAN_QUESTION, key="span")
    picked = st.pills(
        _("Show a unit in the text"), [int(unit) for unit in shown], key=f"brush_pick_{best}_{first}_{last}"
    )
    if picked is not None and picked != get_session().view.unit:
        get_session().navigate(unit=picked)
        st.rerun()


def _exact_matches(count: int) -> str:
    """Return in words how many units are active in the span and nowhere else."""
    if not count:
        return _("No unit matches the span exactly.")
    return ngettext("{n} unit matches the span exactly.", "{n} units match the span exactly.", count).format(n=count)
