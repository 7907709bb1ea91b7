"""Comparison of two runs: two texts in one network, or one text in two networks."""

import numpy as np
import streamlit as st

from models.core.messages import Problem
from models.core.trace import LayerTrace
from models.networks.forward_run import ForwardRun
from models.states.compare_states import compare_states
from viz.escape import escape_markdown, widget_key
from viz.figures.state_distance import state_distance
from viz.i18n import _, translate
from viz.pages import cache
from viz.pages.nonfinite_notes import state_note
from viz.pages.page_elements import chart, page_theme
from viz.pages.page_fragment import page_fragment
from viz.pages.panels import panel
from viz.pages.states import states_cache
from viz.pages.view_widgets import COUNT, TEXT, view_buttons, view_widget
from viz.quantity_names import quantity_names
from viz.session import Session, get_session

SWAPS = (('"hello"', " hello "), (" not ", " really "), ("Moscow", "Paris"), ("모스크바", "파리"))
"""Replacements for the default of the other text; they keep the number of steps, so that the runs stay aligned."""

NamedRun = tuple[str, ForwardRun, LayerTrace]


def compare_runs(session: Session, run: ForwardRun, layer: LayerTrace) -> None:
    """Draw both runs on one axis, and their distance."""

    @panel(
        "comparison",
        _("Comparison of two texts or two networks"),
        _("Change one word: from which time step on do the states diverge, and do they converge again?"),
    )
    def draw_comparison() -> None:
        if session.startup_file is not None and session.view.net == session.startup_file.name:
            _other_sequence(session, run, layer)
        else:
            _other_run(run, layer)


@page_fragment
def _other_run(run: ForwardRun, layer: LayerTrace) -> None:
    view = get_session().view
    net, text = view.net or "", view.text or ""
    modes = {"texts": _("two texts, this network"), "networks": _("this text, two networks")}
    which, what = st.columns([4, 5], gap="medium", vertical_alignment="top")
    with which:
        mode = view_buttons(_("Compare"), modes, name="compare", key="compare_way", default="texts")
    names = {"first": _("this run"), "second": _("the other run")}
    try:
        with what:
            if mode == "networks":
                others = _others(net)
                other = view_widget(
                    st.selectbox,
                    _("The other network"),
                    others,
                    name="against",
                    key=f"compare_net_{widget_key(net)}",
                    form=TEXT,
                    default=others[0],
                    is_valid=others.__contains__,
                    initial_argument="index",
                    format_func=cache.named(others),
                )
                second = cache.forward_run(other, text)
                names = {"first": cache.display_name(net), "second": cache.display_name(other)}
            else:
                typed = view_widget(
                    st.text_area,
                    _("Other text"),
                    name="other",
                    key=f"compare_text_{widget_key(net, text)}",
                    form=TEXT,
                    default=_other_text(net, text),
                    height=104,
                )
                second = cache.forward_run(net, typed, get_session().edits)
                names = {"first": _("the text above"), "second": _("the other text")}
    except ValueError as problem:
        st.warning(translate(problem), icon=":material/info:")
        return
    if mode == "networks":
        st.caption(
            _(
                "Unit numbers of separately trained networks do not correspond. Compare when the states change, not "
                "how far apart they are."
            )
        )
    layers = second.trace.layers
    other_layer = layers[layer.name] if layer.name in layers else list(layers.values())[-1]
    _draw((names["first"], run, layer), (names["second"], second, other_layer), view.quantity or "", view.unit or 0)


def _others(net: str) -> list[str]:
    """Return the other networks: those with the same kind of input first, then those that share most symbols."""
    own = cache.network(net).card

    def difference(name: str) -> tuple[bool, int]:
        card = cache.network(name).card
        return card.kind != own.kind, -len(set(card.vocabulary or ()) & set(own.vocabulary or ()))

    names = [name for name in cache.network_choices(None) if name != net and cache.has_recurrent_layers(name)]
    return sorted(names, key=difference)


def _other_text(net: str, text: str) -> str:
    """Return the text with one symbol replaced, if one of ``SWAPS`` fits, else another example."""
    card = cache.network(net).card
    for old, new in SWAPS:
        if old in text:
            return text.replace(old, new, 1)
    others = [example.text for example in card.examples if example.text != text]
    return others[0] if others else text


@page_fragment
def _other_sequence(session: Session, run: ForwardRun, layer: LayerTrace) -> None:
    batch = layer.shape[0]
    if batch == 1:
        st.markdown(_("This saved run contains only one sequence, so there is no second one to compare with."))
        return
    other = view_widget(
        st.number_input,
        _("The other sequence"),
        1,
        batch,
        name="other",
        key=f"compare_row_{run.serial}",
        form=COUNT,
        default=1 if run.row else 2,
        is_valid=lambda row: 1 <= row <= batch,
    )
    assert session.startup_file is not None
    second = cache.saved_forward_run(session.startup_file, int(other) - 1)
    name = _("sequence {n}")
    first_run = (name.format(n=run.row + 1), run, layer)
    view = get_session().view
    _draw(
        first_run, (name.format(n=other), second, second.trace.layers[layer.name]), view.quantity or "", view.unit or 0
    )


def _draw(first: NamedRun, second: NamedRun, quantity: str, unit: int) -> None:
    chosen = quantity if quantity in second[2].quantities else "hidden"
    runs = [
        (name, states_cache.state_values(run, layer.name, chosen), run.labels_of(layer.name))
        for name, run, layer in (first, second)
    ]
    title = quantity_names()[chosen]
    if chosen != quantity:
        st.caption(_("The other network has no {quantity}, so the hidden states are compared.").format(
            quantity=quantity_names()[quantity]))  # fmt: skip
    try:
        found = compare_states(runs[0][1], runs[1][1])
    except Problem as problem:
        st.caption(translate(problem))
        found = None
    drawn = unit if all(unit < values.shape[1] for _name, values, _labels in runs) else 0
    if drawn != unit:
        st.caption(_("One of the two has no unit {unit}, so unit 0 is shown.").format(unit=unit))
    figure = state_distance(
        runs,
        found,
        unit=drawn,
        title=_("{quantity}, unit {unit}").format(quantity=title, unit=drawn),
        theme=page_theme(),
    )
    chart(figure, "comparison", names=(runs[0][0], runs[1][0], chosen, f"unit{drawn}"))
    for name, run, layer in (first, second):
        note = state_note(layer, run.row)
        if note is not None:
            st.markdown(f"{escape_markdown(name)}: {note}")
    if found is None:
        return
    if found.first_difference is None:
        st.markdown(_("The two runs are identical at all common time steps."))
        return
    if not np.isfinite(found.distance).all():
        st.markdown(
            _(
                "The states diverge at time step {step}. From time step {end} on there is no finite distance between them."
            ).format(step=found.first_difference + 1, end=int((~np.isfinite(found.distance)).argmax()) + 1)
        )
        return
    st.markdown(
        _(
            "The states diverge at time step {step}. At the last common time step the distance is {distance} (L2 "
            "norm); the largest distance is {most}."
        ).format(
            step=found.first_difference + 1, distance=f"{found.distance[-1]:.3g}", most=f"{found.distance.max():.3g}"
        )
    )
    st.latex(
        rf"d_t = \|s'_t - s_t\|_2,\quad "
        rf"d_{{{found.first_difference + 1}}} = {found.distance[found.first_difference]:.3g},\quad "
        rf"d_{{{len(found.distance)}}} = {found.distance[-1]:.3g}"
    )
