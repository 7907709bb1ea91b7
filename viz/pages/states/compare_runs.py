"""Two runs on one axis: two texts through one network, or one text through two networks."""

import streamlit as st

from models.core.messages import Problem
from models.core.trace import LayerTrace
from models.networks.forward_run import ForwardRun
from models.states.compare_states import compare_states
from viz.figures.state_distance import comparison
from viz.i18n import _, translate
from viz.pages import cache
from viz.pages.page_elements import chart, page_theme, panel
from viz.pages.states import states_cache as states_sources
from viz.pages.view_widgets import COUNT, TEXT, view_buttons, view_widget
from viz.quantity_names import quantity_names
from viz.session import Session, get_session

SWAPS = (('"hello"', " hello "), (" not ", " really "), ("Moscow", "Paris"), ("모스크바", "파리"))
"""What is changed first in a text that has it; the number of steps stays, so that both stay side by side."""

Run = tuple[str, ForwardRun, LayerTrace]


def compared(session: Session, reading: ForwardRun, layer: LayerTrace) -> None:
    """The runs side by side, with their difference."""
    with panel(
        _("Comparison of two texts or two networks"),
        _("Change one word: from which time step on do the states diverge, and do they converge again?"),
    ):
        if session.startup_file is not None and session.view.net == session.startup_file.name:
            _rows(session, reading, layer)
        else:
            _bundled(reading, layer)


@st.fragment
def _bundled(reading: ForwardRun, layer: LayerTrace) -> None:
    view = get_session().view
    net, text = view.net or "", view.text or ""
    ways = {"texts": _("two texts, this network"), "networks": _("this text, two networks")}
    which, what = st.columns([4, 5], gap="medium", vertical_alignment="top")
    with which:
        way = view_buttons(_("Compare"), ways, name="compare", key="compare_way", default="texts")
    names = {"first": _("this run"), "second": _("the other run")}
    try:
        with what:
            if way == "networks":
                others = _others(net)
                other = view_widget(
                    st.selectbox,
                    _("The other network"),
                    others,
                    name="against",
                    key=f"compare_net_{net}",
                    form=TEXT,
                    default=others[0],
                    fits=others.__contains__,
                    begins="index",
                    format_func=cache.display_name,
                )
                second = cache.forward_run(other, text)
                names = {"first": cache.display_name(net), "second": cache.display_name(other)}
            else:
                typed = view_widget(
                    st.text_area,
                    _("Other text"),
                    name="other",
                    key=f"compare_text_{net}_{hash(text)}",
                    form=TEXT,
                    default=_other_text(net, text),
                    height=104,
                )
                second = cache.forward_run(net, typed, get_session().edits)
                names = {"first": _("the text above"), "second": _("the other text")}
    except ValueError as problem:
        st.warning(translate(problem), icon=":material/info:")
        return
    if way == "networks":
        st.caption(
            _(
                "Unit numbers of separately trained networks do not correspond. Compare when the states change, not "
                "how far apart they are."
            )
        )
    layers = second.trace.layers
    theirs = layers[layer.name] if layer.name in layers else list(layers.values())[-1]
    _draw((names["first"], reading, layer), (names["second"], second, theirs), view.quantity or "", view.unit or 0)


def _others(net: str) -> list[str]:
    """The other networks, first those that read as this one does, then those that know most of its symbols."""
    mine = cache.network(net).card

    def unlike(name: str) -> tuple[bool, int]:
        card = cache.network(name).card
        return card.kind != mine.kind, -len(set(card.vocabulary or ()) & set(mine.vocabulary or ()))

    names = [name for name in cache.network_choices(None) if name != net and cache.has_recurrent_layers(name)]
    return sorted(names, key=unlike)


def _other_text(net: str, text: str) -> str:
    """The same text with one symbol changed, if the network can read that, else another example."""
    card = cache.network(net).card
    for old, new in SWAPS:
        if old in text:
            return text.replace(old, new, 1)
    others = [example.text for example in card.examples if example.text != text]
    return others[0] if others else text


@st.fragment
def _rows(session: Session, reading: ForwardRun, layer: LayerTrace) -> None:
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
        key=f"compare_row_{reading.serial}",
        form=COUNT,
        default=1 if reading.row else 2,
        fits=lambda row: 1 <= row <= batch,
    )
    assert session.startup_file is not None
    second = cache.saved_forward_run(session.startup_file, int(other) - 1)
    name = _("sequence {n}")
    first_run = (name.format(n=reading.row + 1), reading, layer)
    view = get_session().view
    _draw(
        first_run, (name.format(n=other), second, second.trace.layers[layer.name]), view.quantity or "", view.unit or 0
    )


def _draw(first: Run, second: Run, quantity: str, unit: int) -> None:
    chosen = quantity if quantity in second[2].quantities else "hidden"
    runs = [
        (name, states_sources.values(reading, layer.name, chosen), reading.labels_of(layer.name))
        for name, reading, layer in (first, second)
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
    figure = comparison(
        runs,
        found,
        unit=drawn,
        title=_("{quantity}, unit {unit}").format(quantity=title, unit=drawn),
        theme=page_theme(),
    )
    chart(figure, "comparison", names=(runs[0][0], runs[1][0], chosen, f"unit{drawn}"))
    if found is None:
        return
    if found.first_difference is None:
        st.markdown(_("The two runs are identical at all common time steps."))
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
        rf"d_t = \|s'_t - s_t\|_2,\quad d_{{{found.first_difference + 1}}} = {found.distance[found.first_difference]:.3g},\quad "
        rf"d_{{{len(found.distance)}}} = {found.distance[-1]:.3g}"
    )
