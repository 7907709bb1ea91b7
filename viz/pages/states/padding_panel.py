"""Padding and masking: the effect of padding on the last state, and so on the prediction."""

import numpy as np
import streamlit as st

from models.core.messages import Problem
from models.core.trace import LayerTrace
from models.networks.forward_run import ClassPrediction
from models.states.padding_effect import PaddingEffect
from viz.figures.padding_curves import padding_curves
from viz.i18n import _, language, translate
from viz.pages import cache
from viz.pages.nonfinite_notes import run_note
from viz.pages.page_elements import chart, page_theme, scrolling_table
from viz.pages.page_fragment import page_fragment
from viz.pages.panels import panel
from viz.pages.states import states_cache
from viz.pages.view_widgets import COUNT, view_widget
from viz.quantity_names import quantity_names
from viz.session import Session, get_session

MAX_PADDING, DEFAULT_PADDING = 50, 10
"""Padding tokens."""


def padding_panel(session: Session, layer: LayerTrace) -> None:
    """Draw the run on the text with and without the mask; nothing if the network has no padding symbol."""
    view = session.view
    if session.startup_file is not None and view.net == session.startup_file.name:
        return
    if cache.network(view.net or "").card.padding is None:
        return
    if not cache.changes_weights_only(session.edits):
        return  # fixed values and edited tokens have nothing to do with padding

    @panel(
        "padding",
        _("Padding and masking"),
        _(
            "Follow the dashed line into the shaded area: without the mask, padding changes the final state, from "
            "which the answer is computed."
        ),
    )
    def draw_padding() -> None:
        _padded(layer.name)


@page_fragment
def _padded(name: str) -> None:
    session = get_session()
    view = session.view
    net, unit = view.net or "", view.unit or 0
    count = view_widget(
        st.slider,
        _("Padding tokens after the text"),
        0,
        MAX_PADDING,
        name="padding",
        key="padding",
        form=COUNT,
        default=DEFAULT_PADDING,
        is_valid=lambda count: 0 <= count <= MAX_PADDING,
    )
    try:
        found = states_cache.run_with_padding(net, view.text or "", count, cache.active_edits(session.edits))
    except Problem as problem:
        st.markdown(translate(problem))
        return
    quantity = view.quantity or "hidden"
    masked = states_cache.state_values(found.masked, name, quantity)
    read = states_cache.state_values(found.unmasked, name, quantity)
    reverse = found.masked.trace.layers[name].reverse
    title = _("{quantity}, unit {unit}").format(quantity=quantity_names()[quantity], unit=unit)
    labels = found.unmasked.labels_of(name)
    figure = padding_curves(masked[:, unit], read[:, unit], labels, reverse=reverse, title=title, theme=page_theme())
    chart(figure, "padding_states", names=(net, name, quantity, f"unit{unit}", "padding"))
    if reverse:
        st.caption(
            _(
                "The backward direction starts at the end of the sequence: without the mask it processes the padding "
                "first."
            )
        )
    _answers(found)
    note = run_note(found.unmasked)
    if note is not None:
        st.warning(note, icon=":material/error:")
    _distance(found, count)
    measured = cache.network(net).card.metrics.get("accuracy_by_padding")
    if measured:
        st.markdown(_("Accuracy on test reviews, by number of padding tokens"))
        rows = {"masked": _("with mask"), "read": _("without mask (padding is processed)")}
        scrolling_table(
            [{_("padding"): rows[way]} | {n: f"{share:.0%}" for n, share in measured[way].items()} for way in rows]
        )


def _answers(found: PaddingEffect) -> None:
    """Show the predictions with and without the mask."""
    lines = []
    for way, run in ((_("with mask"), found.masked), (_("without mask (padding is processed)"), found.unmasked)):
        prediction = run.prediction
        assert isinstance(prediction, ClassPrediction)
        names = prediction.classes.get(language(), prediction.classes["en"])
        chances = ", ".join(f"{name} {chance:.1%}" for name, chance in zip(names, prediction.probability, strict=True))
        lines.append(f"- {way}: **{names[prediction.best]}** ({chances})")
    st.markdown("\n".join(lines))


def _distance(found: PaddingEffect, count: int) -> None:
    """Show the distance that the padding adds to the last state of each direction."""
    parts = []
    for name, layer in found.masked.trace.layers.items():
        own = states_cache.state_values(found.masked, name, "hidden")
        other = states_cache.state_values(found.unmasked, name, "hidden")
        last = (0, 0) if layer.reverse else (-1, -1)
        before, after = own[last[0]], other[last[1]]
        distance = float(np.linalg.norm(after - before))
        arrow = r"\overleftarrow{h}" if layer.reverse else r"\overrightarrow{h}"
        size = float(np.linalg.norm(before))
        share = rf" = {100 * distance / size:.0f}\,\%" if size > 0 and np.isfinite([distance, size]).all() else ""
        parts.append(
            rf"\frac{{\|{arrow}_{{+{count}}} - {arrow}\|}}{{\|{arrow}\|}} = \frac{{{distance:.3g}}}{{{size:.3g}}}{share}"
        )
    st.latex(r"\qquad ".join(parts))
