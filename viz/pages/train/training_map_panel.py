"""The panel with the picture of the lens: the gradient of each state and the saturation of a gate over the training."""

from __future__ import annotations

from functools import partial

import streamlit as st

from models.runs.open_run import TrainingRun
from viz.figures.training_map import FIRST_GATE, not_finite, training_map
from viz.i18n import _
from viz.pages.page_elements import caption, page_theme
from viz.pages.panels import panel
from viz.pages.train.live_chart import live_chart
from viz.pages.train.shown_run import ShownRun, live, nothing_recorded
from viz.pages.view_widgets import TEXT, view_buttons, view_widget
from viz.panel_texts.training_texts import maps_sentence, training_map_text
from viz.quantity_names import quantity_names
from viz.session import Session


def training_map_panel(session: Session, run: ShownRun, recording: TrainingRun) -> None:
    """Declare the panel of the maps."""

    @panel("training_map", *training_map_text())
    def draw() -> None:
        maps = {name: layer for name, layer in recording.layers.items() if "gradient/hidden" in layer.maps}
        if run.has_zoneout:
            caption(
                _(
                    "With zoneout, a cell averages with its previous state, so the gradients by time step and the gates of "
                    "this run are not recorded."
                )
            )
            return
        if not maps:
            caption(
                _("This run has no values by time step: Keras passes no states to its callbacks.")
                if recording.layers
                else _("No recurrent layer was recorded in this run.")
            )
            return
        names = list(maps)
        left, right, which = st.columns([2, 2, 2], gap="medium", vertical_alignment="bottom")
        with which:
            layer = session.view.layer if session.view.layer in maps else names[-1]
            if len(names) > 1:
                layer = st.selectbox(
                    _("Layer"), names, index=names.index(layer or names[-1]), key=f"train_layer_{run.name}"
                )
        chosen = maps[layer or names[-1]]
        states = {"hidden": _("hidden state"), "cell": _("cell state")}
        states = {name: title for name, title in states.items() if f"gradient/{name}" in chosen.maps}
        with left:
            state = view_buttons(_("Gradient of the"), states, name="state", key="train_state", default="hidden")
        gates = [gate for gate in chosen.gates if f"closed/{gate}" in chosen.maps]
        gate = None
        if gates:
            titles = {each: quantity_names().get(each, each) for each in gates}
            with right:
                first = FIRST_GATE.get(chosen.kind, gates[0])
                gate = view_widget(
                    st.selectbox,
                    _("Gate"),
                    gates,
                    name="gate",
                    key=f"train_gate_{chosen.kind}",
                    form=TEXT,
                    default=first if first in gates else gates[0],
                    is_valid=gates.__contains__,
                    initial_argument="index",
                    format_func=titles.__getitem__,
                )
        live(run, "map", partial(_draw, run, recording, chosen.name, state, gate))


def _draw(run: ShownRun, recording: TrainingRun, layer: str, state: str, gate: str | None) -> None:
    theme = page_theme()
    gradients = recording.gradient_map(layer, state)
    if not len(gradients.steps):
        nothing_recorded(run)
        return
    left, right = st.columns(2)
    with left:
        letter = "c" if state == "cell" else "h"
        draw_figure = partial(training_map, gradients, title=f"‖∂L/∂{letter}‖", log=True, marked=run.step, theme=theme)
        live_chart(draw_figure, "gradient_map", run.name, layer, f"gradient-{state}")
    if gate is not None:
        saturated = recording.gate_map(layer, gate)
        with right:
            draw_figure = partial(
                training_map, saturated, title=_("saturated units"), log=False, marked=run.step, theme=theme
            )
            live_chart(draw_figure, "gate_map", run.name, layer, f"saturation-{gate}")
    drawn = [gradients] if gate is None else [gradients, saturated]
    of = maps_sentence(recording, gradients)
    if any(not_finite(each).any() for each in drawn):
        of += " " + _("Pink: NaN or infinity.")
    if run.options is not None and run.options.task == "sentiment":
        of += " " + _("The loss is that of the class that the network predicted then.")
    caption(of)
