"""Distance of a layer's states in each number format from those in float64, over the steps."""

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from viz.colours import KIND, Theme
from viz.figures.figure_cache import cached_figure
from viz.figures.log_norm_axis import add_norm_curve, axis_floor, log_axis
from viz.figures.style import FOREGROUND, apply_style, step_axis
from viz.i18n import _

FORMAT_NAMES = {"float32": "float32", "tf32": "TF32", "bfloat16": "bfloat16", "float16": "float16"}
DASHES = {"float32": "dot", "tf32": "dash", "bfloat16": "solid", "float16": "dashdot"}


def format_colour(format: str, theme: Theme) -> str:
    """Return the colour of a number format's curve."""
    kinds = {"tf32": "LSTM", "bfloat16": "RNN", "float16": "GRU"}
    return KIND[kinds[format]][theme] if format in kinds else FOREGROUND[theme]


@cached_figure
def precision_drift(distances: Mapping[str, np.ndarray], labels: Sequence[str], *, theme: Theme = "light") -> go.Figure:
    """Draw a curve for each format on a log axis; a distance of exactly 0 is a cross at the floor.

    Args:
        distances: format -> (T), L2 norm of the difference of the hidden states.
        labels: T strings, one for each step.
        theme: "light" or "dark".
    """
    figure, curves = go.Figure(), list(distances.values())
    floor = axis_floor(curves, span=14)
    for format, values in distances.items():
        add_norm_curve(
            figure,
            values,
            labels,
            name=FORMAT_NAMES[format],
            colour=format_colour(format, theme),
            floor=floor,
            dash=DASHES[format],
        )
    figure.update_xaxes(title_text=_("time step (token)"), range=[-0.6, len(labels) - 0.4], **step_axis(labels))
    figure.update_yaxes(title_text=_("L2 distance from the float64 states"), **log_axis(curves, floor))
    return apply_style(figure, theme, height=360)
