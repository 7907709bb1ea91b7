"""Accuracy of trained networks against the distance over which they have to keep a token."""

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from viz.colours import Theme
from viz.figures.accuracy_by_length import SYMBOLS
from viz.figures.figure_cache import cached_figure
from viz.figures.style import apply_style
from viz.i18n import _


@cached_figure
def accuracy_by_distance(
    measured: Mapping[str, Mapping[int, Sequence[float]]], colours: Sequence[str], *, theme: Theme = "light"
) -> go.Figure:
    """Draw a line for each network, each with its own colour and marker symbol.

    Args:
        measured: network -> {distance in words: accuracies}; of several, such as of several seeds, their mean is drawn with
            the range.
        colours: of each network.
        theme: "light" or "dark".
    """
    figure = go.Figure()
    for place, ((name, by_distance), colour) in enumerate(zip(measured.items(), colours, strict=False)):
        values = np.array(list(by_distance.values()))  # (distances, networks)
        mean = values.mean(1)
        figure.add_scatter(
            x=list(by_distance),
            y=mean.tolist(),
            error_y={
                "array": (values.max(1) - mean).tolist(),
                "arrayminus": (mean - values.min(1)).tolist(),
                "visible": values.shape[1] > 1,
            },
            name=name,
            mode="lines+markers",
            line={"color": colour, "width": 2.5},
            marker={"size": 9, "symbol": SYMBOLS[place % len(SYMBOLS)]},
            hovertemplate="%{y:.1%}",
        )
    figure.update_xaxes(title_text=_("words between the city and the end"))
    figure.update_yaxes(title_text=_("accuracy"), range=[-0.03, 1.05], tickformat=".0%", automargin=True)
    return apply_style(figure, theme, height=320).update_layout(showlegend=True, uirevision="training")
