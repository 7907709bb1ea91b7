"""The trajectory of the hidden state in its principal plane."""

import streamlit as st

from models.core.messages import Problem
from models.core.trace import LayerTrace
from models.networks.forward_run import ForwardRun
from viz.components.state_trajectory import state_trajectory
from viz.i18n import translate
from viz.pages.panels import panel
from viz.pages.states import states_cache
from viz.panel_texts.states_texts import projection_note, trajectory_text
from viz.payloads.excerpt import MAX_PAGE, steps_around


def trajectory_panel(run: ForwardRun, layer: LayerTrace, step: int, view_id: str) -> None:
    """Draw the trajectory with its tokens; the player moves the marker."""

    @panel("path", *trajectory_text())
    def draw_path() -> None:
        try:
            found = states_cache.hidden_plane(run, layer.name)
        except Problem as problem:
            st.markdown(translate(problem))
            return
        note = projection_note(found, layer.shape[2])
        if note:
            st.caption(note)
        state_trajectory(view_id, found, page=steps_around(step, len(found.points), MAX_PAGE).steps, key="path")
