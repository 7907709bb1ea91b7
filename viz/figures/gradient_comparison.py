"""The same loss in an RNN, an LSTM and a GRU, on one axis."""

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from models.core.cells import Kind
from viz.colours import Theme, kind_colour
from viz.figures.log_norm_axis import add_norms, floor_of, log_axis
from viz.figures.style import finish, step_axis
from viz.i18n import _

DASHES = {"RNN": "solid", "LSTM": "dash", "GRU": "dot"}


def gradient_comparison(
    norms: Mapping[Kind, np.ndarray],
    labels: Sequence[str],
    *,
    lowest: float | None = None,
    highest: float | None = None,
    theme: Theme = "light",
) -> go.Figure:
    """‖dL/dh_k‖ of each kind of cell, over the steps, as a share of its value at the last step.

    Args:
        norms: kind -> (T).
        labels: T strings, one a step.
        lowest, highest: where the axis ends, so that it stands still while knobs move; None to fit the curves.
        theme: "light" or "dark".
    """
    figure = go.Figure()
    relative = {kind: _relative(values) for kind, values in norms.items()}
    curves = list(relative.values())
    floor = lowest or floor_of(curves)
    for kind, values in relative.items():
        add_norms(figure, values, labels, name=kind, colour=kind_colour(kind, theme), floor=floor, dash=DASHES[kind])
    figure.update_xaxes(title_text=_("time step (token)"), range=[-0.6, len(labels) - 0.4], **step_axis(labels))
    figure.update_yaxes(
        title_text=_("gradient norm relative to the last time step"), **log_axis([*curves, np.ones(1)], floor, highest)
    )
    return finish(figure, theme, height=380)


def _relative(values: np.ndarray) -> np.ndarray:
    last = float(values[-1])
    return values.astype(np.float64) / last if np.isfinite(last) and last > 0 else np.full(values.shape, np.nan)
