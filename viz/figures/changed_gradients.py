"""The gradient norm at every step, before and after an edit."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from viz.colours import BEFORE_AFTER, Theme
from viz.figures.figure_cache import cached_figure
from viz.figures.log_norm_axis import add_norm_curve, axis_floor, log_axis
from viz.figures.style import apply_style, step_axis
from viz.i18n import _


@cached_figure
def changed_gradients(
    before: np.ndarray,
    after: np.ndarray,
    labels: tuple[Sequence[str], Sequence[str]],
    *,
    theme: Theme = "light",
) -> go.Figure:
    """Draw ‖dL/dh_t‖ of both runs on a log axis.

    Args:
        before, after: norms, (T) each; the lengths differ if tokens were inserted or deleted.
        labels: the labels of the steps of each run.
        theme: "light" or "dark".
    """
    figure, floor = go.Figure(), axis_floor([before, after])
    for name, norms, names, colour, dash in (
        (_("before"), before, labels[0], BEFORE_AFTER[0], "solid"),
        (_("after"), after, labels[1], BEFORE_AFTER[1], "dash"),
    ):
        add_norm_curve(figure, norms, names, name=name, colour=colour[theme], floor=floor, dash=dash)
    figure.update_xaxes(title_text=_("time step"), **step_axis(labels[1]))
    figure.update_yaxes(title_text="‖∂L/∂h‖", **log_axis([before, after], floor))
    return apply_style(figure, theme, height=320)
