"""Step: what does the cell compute at this step, number by number?"""

import streamlit as st

from models.core.saved_cell import SavedCell
from viz.components.cell_diagram import cell_diagram
from viz.components.equations import FORMS, equations
from viz.components.gate_sum import gate_sum
from viz.components.heatmap import heatmap
from viz.components.player import player
from viz.components.prediction import prediction
from viz.components.reports import VIEW
from viz.components.streamlit_host import reported
from viz.escape import escape_markdown
from viz.i18n import _
from viz.pages import cache
from viz.pages.controls import show_controls
from viz.pages.downloads import download_panel
from viz.pages.find_elsewhere import SPAN, STATE, UNIT, find_elsewhere
from viz.pages.keep_page import keep_page_button, kept_place, kept_source
from viz.pages.keep_panels import keep_panels_button
from viz.pages.left_out import left_out_caption
from viz.pages.output_table import output_table
from viz.pages.panels import panel
from viz.pages.player_view import player_view
from viz.pages.send_trace import send_trace
from viz.pages.step.first_visit import first_visit
from viz.pages.step.introduction import introduction
from viz.pages.step.output_panels import activation_panel, output_step_panel
from viz.pages.unknown_tokens import unknown_answer_warning
from viz.pages.view_widgets import TEXT, view_choice
from viz.panel_texts.step_texts import (
    cell_text,
    equations_text,
    gate_sum_text,
    prediction_text,
    units_at_all_steps_text,
    units_now_text,
)
from viz.session import get_session
from viz.show.step_view import step_view

VIEW_ID = "step"
PLAYER, EQUATIONS = "player", "equations"


def page() -> None:
    """Draw the Step page."""
    session = get_session()
    first_visit(session)
    introduction(session)
    run = show_controls(session)
    view = session.view
    layer = run.trace.layers[view.layer or ""]
    send_trace(session, run, VIEW_ID)
    player(
        VIEW_ID,
        view=player_view(session),
        key=PLAYER,
        on_view_change=_player_moved,
    )
    left, right = st.columns([3, 2], gap="medium")
    with left:

        @panel("cell", *cell_text(layer))
        def draw_cell() -> None:
            cell_diagram(view_id=VIEW_ID)

        @panel("equations", *equations_text())
        def draw_equations() -> None:
            form = view_choice("form", TEXT, FORMS[0], FORMS.__contains__)
            equations(layer, view_id=VIEW_ID, key=EQUATIONS, form=form, on_form_change=_form_changed)
            if isinstance(layer, SavedCell):
                _unrecorded_note(layer)

    with right:

        @panel("prediction", *prediction_text(run))
        def draw_prediction() -> None:
            if cache.is_network(view.net):
                unknown_answer_warning(cache.network(view.net or "").card, run)
            if run.prediction is not None or not run.outputs:
                prediction(VIEW_ID, key="prediction")
            output_table(run, "outputs")
            if cache.is_network(view.net):
                left_out_caption(cache.network(view.net or ""))

        if not isinstance(layer, SavedCell):

            @panel("sum", *gate_sum_text())
            def draw_sum() -> None:
                gate_sum(view_id=VIEW_ID)

    @panel("units_now", *units_now_text(layer))
    def draw_units_now() -> None:
        heatmap(VIEW_ID, form="step", key="units")

    @panel("units_at_all_steps", *units_at_all_steps_text())
    def draw_units_at_all_steps() -> None:
        heatmap(VIEW_ID, form="sequence", key="steps")

    output_step_panel(session, run)
    if not isinstance(layer, SavedCell):
        activation_panel(session, layer, run)
    find_elsewhere(layer, STATE, UNIT, SPAN, key="step")
    download_panel(session, run)
    keep_page_button(session, lambda: step_view(kept_source(session, run), VIEW_ID, kept_place(session.view)))
    keep_panels_button(session, "step", further=True)


def _unrecorded_note(layer: SavedCell) -> None:
    """Name the quantities whose formula is not in the saved run."""
    missing = [name for name, formula in layer.cell_equations.formulas.items() if formula is None]
    if missing:
        names = ", ".join(map(escape_markdown, missing))
        st.caption(
            _("The code of these equations contains more than a formula can show, so it is not drawn: {names}.").format(
                names=names
            )
        )


def _form_changed() -> None:
    form = (st.session_state.get(EQUATIONS) or {}).get("form")
    if form in FORMS:
        get_session().set_view_options(form=None if form == FORMS[0] else form)


def _player_moved() -> None:
    view = reported(PLAYER, "view", VIEW)
    if view is not None:
        get_session().apply_report(**view)
