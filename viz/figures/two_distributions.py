"""The distribution of a unit's values at some tokens against that at all others."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from viz.colours import BEFORE_AFTER, Theme
from viz.figures.figure_cache import cached_figure
from viz.figures.style import apply_style
from viz.i18n import _


@cached_figure
def two_distributions(
    edges: np.ndarray, inside: np.ndarray, outside: np.ndarray, *, name: str, theme: Theme = "light"
) -> go.Figure:
    """Draw two histograms over the same bins.

    Args:
        edges: (bins + 1), of equal bins.
        inside, outside: (bins) each, the shares of the tokens asked for and of all others.
        name: of the unit, for the axis.
        theme: "light" or "dark".
    """
    middles = (edges[:-1] + edges[1:]) / 2
    figure = go.Figure()
    for title, shares, colours in (
        (_("at these tokens"), inside, BEFORE_AFTER[1]),
        (_("at all others"), outside, BEFORE_AFTER[0]),
    ):
        figure.add_bar(
            x=middles,
            y=shares,
            name=title,
            marker={"color": colours[theme], "line": {"width": 0}},
            opacity=0.6,
            width=np.diff(edges),
            hovertemplate="%{x:.3f} · %{y:.1%}<extra>" + title + "</extra>",
        )
    figure.update_layout(barmode="overlay", bargap=0, showlegend=True)
    figure.update_xaxes(title_text=name)
    figure.update_yaxes(title_text=_("share of the tokens"), tickformat=".0%", rangemode="tozero")
    apply_style(figure, theme, height=300)
    return figure
