"""The trajectory of the hidden state in its principal plane."""

import streamlit as st

from models.core.messages import Problem
from models.core.trace import LayerTrace
from models.networks.forward_run import ForwardRun
from viz.components.state_trajectory import state_trajectory
from viz.i18n import _, translate
from viz.pages.panels import panel
from viz.pages.states import states_cache
from viz.payloads.excerpt import MAX_PAGE, steps_around


def trajectory_panel(run: ForwardRun, layer: LayerTrace, step: int, view_id: str) -> None:
    """Draw the trajectory with its tokens; the player moves the marker."""

    @panel(
        "path",
        _("Path of the hidden state (PCA)"),
        _(
            "Start playback: where does the path turn or loop? This is a 2-D projection, so points that "
            "look close may be far apart."
        ),
    )
    def draw_path() -> None:
        try:
            found = states_cache.hidden_plane(run, layer.name)
        except Problem as problem:
            st.markdown(translate(problem))
            return
        if found.variance == 0:
            st.markdown(_("The hidden state does not change in this sequence, so its path is a single point."))
        elif layer.shape[2] > 1:
            st.caption(
                _(
                    "The {units} units are projected onto two directions (principal component analysis, PCA), which "
                    "explain {share} of the variance. Faint points are early time steps, strong ones late."
                ).format(units=layer.shape[2], share=f"{100 * found.explained.sum():.0f}%")
            )
        state_trajectory(view_id, found, page=steps_around(step, len(found.points), MAX_PAGE).steps, key="path")
