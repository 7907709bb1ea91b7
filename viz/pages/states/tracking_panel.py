"""Ranking of the units that track a property of the text, and the text colored by one unit."""

import streamlit as st

from models.core.saved_cell import SavedCell
from models.core.trace import LayerTrace
from models.networks.forward_run import ForwardRun
from models.states.tracked_units import default_quantity
from models.states.unit_tracking import MIN_CORRELATION, MIN_MARGIN, Match, Ranking
from viz.components.colored_text import colored_text
from viz.components.reports import index, word
from viz.components.streamlit_host import reported
from viz.components.unit_ranking import unit_ranking
from viz.escape import widget_key
from viz.figures.unit_stack import unit_stack
from viz.i18n import N_, _
from viz.pages import cache
from viz.pages.page_elements import chart, page_theme
from viz.pages.page_fragment import page_fragment
from viz.pages.panels import panel
from viz.pages.states import states_cache
from viz.pages.view_widgets import COUNTS, view_widget
from viz.panel_texts.states_texts import colored_text_text
from viz.payloads.heatmap_image import Window
from viz.quantity_names import quantity_names
from viz.session import Session, get_session

PROPERTIES = {
    "inside_quotes": N_("inside quotes"),
    "inside_brackets": N_("inside brackets"),
    "bracket_depth": N_("bracket depth"),
    "inside_comment": N_("inside a comment"),
    "indentation": N_("indentation"),
    "after_negation": N_("after a negation"),
    "first_word": N_("the word to remember"),
    "line_position": N_("position in the line"),
    "line_length": N_("line length"),
    "position": N_("position in the text"),
}
"""Titles of the properties: those of the content before those that only count, which any slow unit tracks."""

COUNTING = ("line_position", "line_length", "position")

MAX_TRACKED, MAX_UNTRACKED, MAX_PER_PROPERTY = 10, 3, 2
"""Rows that are shown: units that track a property, the best others after them, and units per property."""

MAX_AUTOMATIC = 2e10
"""Multiplications up to which the untrained layers are run without a request."""

DEFAULT_STACKED, MAX_STACKED = 4, 8
"""Units in the comparison: by default, and at most."""


def tracking_panel(session: Session, run: ForwardRun, view_id: str, window: Window | None) -> None:
    """Declare the panels of the ranking, of the colored text beside it, and of the curves of several units."""
    layer = run.trace.layers[session.view.layer or ""]
    listed, shown = st.columns([6, 5], gap="medium")
    with listed:

        @panel(
            "tracking",
            _("Units that track a property of the text"),
            _(
                "Click a row and check the text: does the color change where the property changes? Only agreement on "
                "held-out text counts."
            ),
            late=True,
        )
        def draw_tracking() -> None:
            found = _rankings(session, run)
            rows = _rows(found or {}, run)
            if found is None:
                _request_ranking(run)
                return
            verdict = _verdict(found)
            if verdict:
                st.markdown(verdict)
            if rows:
                unit_ranking(view_id, rows, revision=session.revisions.last, key="ranking", on_picked_change=_picked)
            _explain(session, layer, rows)

    with shown:

        @panel("colored_text", *colored_text_text())
        def draw_colored_text() -> None:
            colored_text(view_id, key="text")

    _stack(session, run, layer, window)


def _rankings(session: Session, run: ForwardRun) -> dict[str, Ranking] | None:
    """Return the ranking of every layer, or None if it takes long and has not been requested."""
    view = session.view
    if session.startup_file is None or view.net != session.startup_file.name:
        if cache.changes_weights_only(edits := cache.active_edits(session.edits)):
            net, text = view.net or "", view.text or ""
            return {name: states_cache.ranked_units(net, text, name, edits) for name in run.trace.layers}
        # Fixed values and edited tokens exist in this run only, so its own second half is held out.
        return {name: states_cache.ranking_in_halves(run, name) for name in run.trace.layers}
    layers = {name: layer for name, layer in run.trace.layers.items() if not isinstance(layer, SavedCell)}
    if sum(map(_effort, layers.values())) > MAX_AUTOMATIC and not st.session_state.get(f"rank_{run.serial}"):
        return None
    with st.spinner(_("Comparing with untrained layers …")):
        return {name: states_cache.ranking_in_halves(run, name) for name in layers}


def _effort(layer: LayerTrace) -> float:
    batch, steps, units = layer.shape
    return 12.0 * batch * steps * units * (units + layer.weights.input_size)


def _request_ranking(run: ForwardRun) -> None:
    st.markdown(
        _(
            "This run is large. Ranking its units first runs three untrained layers of the same shape on it, "
            "which can take a minute or more."
        )
    )
    st.button(_("Rank the units"), on_click=lambda: st.session_state.update({f"rank_{run.serial}": True}))


def _verdict(found: dict[str, Ranking]) -> str | None:
    if any(ranking.tracked for ranking in found.values()):
        return None
    if not any(ranking.matches for ranking in found.values()):
        return _("Tracking cannot be measured in this text: no property of it changes, or no unit does.")
    return (
        _("No unit tracks any of these properties.")
        + " "
        + _("The correlations found here do not hold on the held-out text, or untrained layers reach them as well.")
    )


def _rows(found: dict[str, Ranking], run: ForwardRun) -> list[dict]:
    """Return the rows of the list: the best units of each property, properties of the content before counting ones."""
    pairs = [(name, match) for name, ranking in found.items() for match in ranking.matches]
    tracked = [pair for pair in pairs if pair[1].tracked]
    tracked.sort(key=lambda pair: (pair[1].name in COUNTING, -pair[1].strength))
    seen: dict[str, int] = {}
    rows = []
    for name, match in tracked:
        seen[match.name] = seen.get(match.name, 0) + 1
        if seen[match.name] <= MAX_PER_PROPERTY:
            rows.append((name, match))
    others = [pair for pair in pairs if not pair[1].tracked and pair[1].name not in seen]
    others.sort(key=lambda pair: -abs(pair[1].correlation))
    return [_row(run.trace.layers[name], match) for name, match in (*rows[:MAX_TRACKED], *others[:MAX_UNTRACKED])]


def _row(layer: LayerTrace, match: Match) -> dict:
    return {
        "name": match.name,
        "title": _(PROPERTIES[match.name]),
        "layer": layer.name,
        "unit": match.unit,
        "quantity": default_quantity(layer),
        "correlation": _number(match.correlation),
        "held_out": _number(match.held_out),
        "untrained": match.untrained,
        "tracked": match.tracked,
    }


def _number(value: float) -> float | None:
    return value if value == value else None


def _explain(session: Session, layer: LayerTrace, rows: list[dict]) -> None:
    file = session.startup_file is not None and session.view.net == session.startup_file.name
    held_out = (
        _("Held-out text: the second half of the run.")
        if file
        else _("Held-out text: the other examples of this network.")
    )
    with st.popover(_("How this is measured"), icon=":material/help:"):
        st.markdown(
            _(
                "r is Pearson's correlation between the unit's {quantity} and the property over all time steps. A "
                "unit tracks a property if (1) r has the same sign in this text and in the held-out text, (2) |r| is "
                "at least {least} in both, and (3) |r| is in both at least {more} higher than what any unit of three "
                "untrained layers of the same shape reaches in both."
            ).format(quantity=quantity_names()[default_quantity(layer)], least=MIN_CORRELATION, more=MIN_MARGIN)
            + " "
            + held_out
        )
        if any(row["name"] == "first_word" for row in rows):
            st.markdown(
                _(
                    "“The word to remember”: the unit's value after the last word of other texts of the same kind, half "
                    "of which are held out. Here r is the correlation ratio η: η² is the share of the unit's variance "
                    "that the word explains."
                )
            )
        st.latex(
            r"r = \frac{\sum_t (s_t - \bar s)(p_t - \bar p)}{\sqrt{\sum_t (s_t - \bar s)^2 \sum_t (p_t - \bar p)^2}}"
        )


def _picked() -> None:
    picked = reported("ranking", "picked", {"revision": index, "layer": word, "unit": index, "quantity": word})
    session = get_session()
    if picked is not None and picked["revision"] == session.revisions.last:
        session.navigate(layer=picked["layer"], unit=picked["unit"], quantity=picked["quantity"])


def _stack(session: Session, run: ForwardRun, layer: LayerTrace, window: Window | None) -> None:
    view = session.view

    @panel(
        "unit_stack",
        _("Comparison of several units"),
        _("Values of several units over time. Which units change together, and which change alone?"),
        opened=False,  # the first chart of plotly, whose script takes longer than the rest of the page
        late=True,
    )
    def draw_unit_stack() -> None:
        rows = _rows(_rankings(session, run) or {}, run)
        _curves(
            run,
            layer,
            view.quantity or "",
            view.unit or 0,
            view.step or 0,
            _first(rows, layer, view.unit or 0),
            window,
        )


def _first(rows: list[dict], layer: LayerTrace, unit: int) -> tuple[int, ...]:
    """Return the selected unit, then the best ones of this layer."""
    units = [unit, *(row["unit"] for row in rows if row["layer"] == layer.name and row["tracked"])]
    units += range(layer.weights.hidden_size)
    return tuple(dict.fromkeys(units))[:DEFAULT_STACKED]


@page_fragment
def _curves(
    run: ForwardRun,
    layer: LayerTrace,
    quantity: str,
    unit: int,
    step: int,
    first: tuple[int, ...],
    window: Window | None,
) -> None:
    values = states_cache.state_values(run, layer.name, quantity)
    key = f"stack_{run.serial}_{widget_key(layer.name)}_{unit}"
    units = view_widget(
        st.multiselect,
        _("Units"),
        range(values.shape[1]),
        name="stack",
        key=key,
        form=COUNTS,
        default=[each for each in first if each < values.shape[1]],
        is_valid=lambda units: len(units) <= MAX_STACKED and all(0 <= unit < values.shape[1] for unit in units),
        initial_argument="default",
        max_selections=MAX_STACKED,
    )
    begin, end = window.steps if window else (0, len(values))
    labels = run.labels_of(layer.name)[begin:end]
    if not units:
        st.caption(_("Choose at least one unit."))
        return
    figure = unit_stack(values[begin:end], units, quantity, labels, step=step, first=begin, theme=page_theme())
    chart(figure, "unit_stack", names=(layer.name, quantity, "units"))
