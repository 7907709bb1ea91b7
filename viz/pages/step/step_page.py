"""Step: what does the cell compute at this step, number by number?"""

import streamlit as st

from models.networks.forward_run import ClassPrediction, Reading, ValuePrediction
from viz.components.cell_diagram import wiring
from viz.components.equations import FORMS, equations
from viz.components.gate_sum import arithmetic
from viz.components.heatmap import heatmap
from viz.components.player import player
from viz.components.prediction import prediction
from viz.i18n import _
from viz.pages.controls import choose
from viz.pages.downloads import download_panel
from viz.pages.panel import panel
from viz.pages.send_trace import send_trace
from viz.pages.view_widgets import TEXT, view_choice
from viz.session import get_session

VIEW_ID = "step"
PLAYER, EQUATIONS = "player", "equations"


def page() -> None:
    """The Step lens."""
    session = get_session()
    reading = choose(session)
    view = session.view
    layer = reading.trace.layers[view.layer or ""]
    send_trace(session, reading, VIEW_ID)
    player(
        VIEW_ID,
        view={"step": view.step, "unit": view.unit, "quantity": view.quantity, "revision": session.revision},
        key=PLAYER,
        on_view_change=_moved,
    )
    drawn, told = st.columns([3, 2], gap="medium")
    with drawn:
        with panel(
            _("Inside the cell"), _("Follow the memory along the top: which gate lets it pass, which adds to it?")
        ):
            wiring(view_id=VIEW_ID)
        with panel(_("The equations"), _("The same cell as formulas; point at a line to find it in the drawing.")):
            equations(
                layer.weights.cell,
                hidden_size=layer.weights.hidden_size,
                input_size=layer.weights.input_size,
                output_size=layer.weights.output_size,
                bias=layer.weights.bias_ih is not None,
                reverse=layer.reverse,
                view_id=VIEW_ID,
                key=EQUATIONS,
                form=view_choice("form", TEXT, FORMS[0], FORMS.__contains__),
                on_form_change=_formed,
            )
    with told:
        with panel(_("What it predicts"), _look_for(reading)):
            prediction(VIEW_ID, key="prediction")
        with panel(
            _("Where the number comes from"), _("Which inputs and which earlier units push the gate open or shut?")
        ):
            arithmetic(view_id=VIEW_ID)
    with panel(_("Every unit at this step"), _("How many gates are fully open or shut, and do the units agree?")):
        heatmap(VIEW_ID, form="step", key="units")
    with panel(
        _("Every unit at every step"),
        _("Look for rows that switch where something in the sequence turns: such a unit tracks something."),
    ):
        heatmap(VIEW_ID, form="sequence", key="steps")
    download_panel(session, reading)


def _look_for(reading: Reading) -> str:
    """What to look for in the prediction."""
    if isinstance(reading.prediction, ValuePrediction):
        return _("Where does the dashed line leave the true one? There it did not expect what came.")
    if isinstance(reading.prediction, ClassPrediction):
        return _("How sure is it? Change one word of the text and see whether the answer turns.")
    return _("Where is it sure, where surprised? Peaks are symbols it did not expect.")


def _formed() -> None:
    form = st.session_state[EQUATIONS]["form"]
    get_session().set_view_options(form=None if form == FORMS[0] else form)


def _moved() -> None:
    reported = st.session_state[PLAYER]["view"]
    get_session().apply_report(
        reported["revision"], step=reported["step"], unit=reported["unit"], quantity=reported["quantity"]
    )
