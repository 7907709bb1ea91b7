"""Gradient norms of the same loss in an RNN, an LSTM and a GRU on one axis."""

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from models.core.cells import Kind
from viz.colours import Theme, kind_colour
from viz.figures.figure_cache import cached_figure
from viz.figures.log_norm_axis import add_norm_curve, axis_floor, log_axis
from viz.figures.style import apply_style, step_axis
from viz.i18n import _

DASHES = {"RNN": "solid", "LSTM": "dash", "GRU": "dot"}


@cached_figure
def gradient_comparison(
    norms: Mapping[Kind, np.ndarray],
    labels: Sequence[str],
    *,
    lowest: float | None = None,
    highest: float | None = None,
    theme: Theme = "light",
) -> go.Figure:
    """Draw ‖dL/dh_k‖ of each cell type over the steps, relative to its value at the last step.

    Args:
        norms: cell type -> (T).
        labels: T strings, one for each step.
        lowest, highest: fixed ends of the axis, so that it does not move while a slider is dragged; None to fit the curves.
        theme: "light" or "dark".
    """
    figure = go.Figure()
    relative = {kind: _relative(values) for kind, values in norms.items()}
    curves = list(relative.values())
    floor = lowest or axis_floor(curves)
    for kind, values in relative.items():
        add_norm_curve(
            figure, values, labels, name=kind, colour=kind_colour(kind, theme), floor=floor, dash=DASHES[kind]
        )
    figure.update_xaxes(title_text=_("time step (token)"), range=[-0.6, len(labels) - 0.4], **step_axis(labels))
    figure.update_yaxes(
        title_text=_("gradient norm relative to the last time step"), **log_axis([*curves, np.ones(1)], floor, highest)
    )
    return apply_style(figure, theme, height=380)


def _relative(values: np.ndarray) -> np.ndarray:
    last = float(values[-1])
    return values.astype(np.float64) / last if np.isfinite(last) and last > 0 else np.full(values.shape, np.nan)
