"""A state before and during padding, with the mask and without it."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from viz.colours import KIND, Theme
from viz.figures.curves import add_curve
from viz.figures.figure_cache import cached_figure
from viz.figures.style import GRID, apply_style, step_axis
from viz.i18n import _


@cached_figure
def padding_curves(
    masked: np.ndarray,
    unmasked: np.ndarray,
    labels: Sequence[str],
    *,
    reverse: bool,
    title: str,
    theme: Theme = "light",
) -> go.Figure:
    """Draw one unit's state over the steps; the padding is shaded, and the value that the prediction uses is marked.

    Args:
        masked: (T), with mask: the steps of the text alone.
        unmasked: (T + N), without mask: the steps of the text and the padding.
        labels: T + N strings.
        reverse: whether the layer runs from the last step to the first; the prediction then uses the first step.
        title: title of the y axis.
        theme: "light" or "dark".
    """
    figure = go.Figure()
    runs = [
        (_("with mask"), masked, KIND["LSTM"][theme], "solid"),
        (_("without mask (padding is processed)"), unmasked, KIND["RNN"][theme], "dash"),
    ]
    if len(unmasked) > len(masked):
        figure.add_vrect(
            x0=len(masked) - 0.5,
            x1=len(unmasked) - 0.5,
            fillcolor=GRID[theme],
            opacity=0.55,
            line_width=0,
            layer="below",
            annotation_text=_("padding"),
            annotation_position="top left",
        )
    for name, values, colour, dash in runs:
        add_curve(figure, values, labels[: len(values)], name=name, colour=colour, dash=dash)
        last = 0 if reverse else len(values) - 1
        figure.add_scatter(
            x=[last],
            y=[values[last]],
            mode="markers",
            marker={"color": colour, "size": 13, "line": {"width": 2}},
            showlegend=False,
            hoverinfo="skip",
        )
    figure.update_xaxes(title_text=_("time step (token)"), range=[-0.6, len(labels) - 0.4], **step_axis(labels))
    figure.update_yaxes(title_text=title)
    return apply_style(figure, theme, height=340)
