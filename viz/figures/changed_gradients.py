"""The gradient at every step, before and after an edit."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from viz.colours import PAIR, Theme
from viz.figures.log_norm_axis import add_norms, floor_of, log_axis
from viz.figures.style import finish, step_axis
from viz.i18n import _


def changed_gradients(
    before: np.ndarray,
    after: np.ndarray,
    labels: tuple[Sequence[str], Sequence[str]],
    *,
    theme: Theme = "light",
) -> go.Figure:
    """‖dL/dh_t‖ of both runs on a log axis.

    Args:
        before, after: norms, (T) each; with edited tokens their lengths may differ.
        labels: a label for each step of the two.
        theme: "light" or "dark".
    """
    figure, floor = go.Figure(), floor_of([before, after])
    for name, norms, told, colour, dash in (
        (_("before"), before, labels[0], PAIR[0], "solid"),
        (_("after"), after, labels[1], PAIR[1], "dash"),
    ):
        add_norms(figure, norms, told, name=name, colour=colour[theme], floor=floor, dash=dash)
    figure.update_xaxes(title_text=_("time step"), **step_axis(labels[1]))
    figure.update_yaxes(title_text="‖∂L/∂h‖", **log_axis([before, after], floor))
    return finish(figure, theme, height=320)
