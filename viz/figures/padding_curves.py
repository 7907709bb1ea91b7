"""A state before and during padding, with the mask and without it."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from viz.colours import KIND, Theme
from viz.figures.curves import add_curve
from viz.figures.style import GRID, finish, step_axis
from viz.i18n import _


def padding(
    masked: np.ndarray,
    read: np.ndarray,
    labels: Sequence[str],
    *,
    reverse: bool,
    title: str,
    theme: Theme = "light",
) -> go.Figure:
    """One unit's state over the steps; the padding is shaded, and the value that the answer is read from is marked.

    Args:
        masked: (T), of the text's own steps alone.
        read: (T + N), of the text and the padding that is read as well.
        labels: T + N strings.
        reverse: whether the layer reads from the last step to the first; its answer then stands at the first.
        title: of the values.
        theme: "light" or "dark".
    """
    figure = go.Figure()
    runs = [
        (_("with mask"), masked, KIND["LSTM"][theme], "solid"),
        (_("without mask (padding is processed)"), read, KIND["RNN"][theme], "dash"),
    ]
    if len(read) > len(masked):
        figure.add_vrect(
            x0=len(masked) - 0.5,
            x1=len(read) - 0.5,
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
    return finish(figure, theme, height=340)
