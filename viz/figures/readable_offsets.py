"""How well a label is read from the state at each offset from an event, beside the token and untrained networks."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from viz.colours import BEFORE_AFTER, CURVES, Theme, faint_colour
from viz.figures.figure_cache import cached_figure
from viz.figures.style import FOREGROUND, apply_style
from viz.i18n import _


@cached_figure
def readable_offsets(
    offsets: np.ndarray,
    score: np.ndarray,
    band: tuple[np.ndarray, np.ndarray],
    readable: np.ndarray,
    *,
    baseline: np.ndarray,
    token: np.ndarray | None,
    untrained: np.ndarray,
    numeric: bool,
    measure: str,
    axis: str,
    theme: Theme = "light",
) -> go.Figure:
    """Draw scores by offset; filled markers where the label is readable.

    Args:
        offsets: (O), steps from the event.
        score: (O), of the network's states; NaN where there is none.
        band: the ends (O) of a band that contains the scores at all offsets together.
        readable: (O) bool.
        baseline: (O), the score of a constant answer.
        token: (O), that of the token at the step alone, or None.
        untrained: (K, O), those of untrained networks.
        numeric: whether scores are R² instead of accuracies.
        measure: the name of the scores.
        axis: the title of the horizontal axis.
        theme: "light" or "dark".
    """
    form = "%{y:.2f}" if numeric else "%{y:.1%}"
    hover = "%{x:+d}: " + form + "<extra>%{fullData.name}</extra>"
    own, other = BEFORE_AFTER[0][theme], BEFORE_AFTER[1][theme]
    figure = go.Figure()
    low, high = band if numeric else (np.clip(each, 0, 1) for each in band)
    edge: dict = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False}
    figure.add_scatter(x=offsets, y=high, **edge)
    figure.add_scatter(x=offsets, y=low, fill="tonexty", fillcolor=faint_colour(own, 0.18), **edge)
    for number, values in enumerate(untrained):
        figure.add_scatter(
            x=offsets, y=values, name=_("untrained networks"), legendgroup="untrained", showlegend=number == 0,
            mode="lines", line={"color": other, "width": 1.2, "dash": "dot"}, hovertemplate=hover,
        )  # fmt: skip
    if token is not None:
        figure.add_scatter(
            x=offsets, y=token, name=_("the token alone"), mode="lines",
            line={"color": CURVES[3][theme], "width": 1.6, "dash": "dash"}, hovertemplate=hover,
        )  # fmt: skip
    figure.add_scatter(
        x=offsets, y=baseline, name=_("a constant answer"), mode="lines",
        line={"color": FOREGROUND[theme], "width": 1, "dash": "dashdot"}, hovertemplate=hover,
    )  # fmt: skip
    figure.add_scatter(
        x=offsets,
        y=score,
        name=_("the state (filled: readable)"),
        mode="lines+markers",
        line={"color": own, "width": 2.4},
        marker={
            "size": 9,
            "color": own,
            "symbol": ["circle" if each else "circle-open" for each in readable],
        },
        hovertemplate=hover,
    )
    figure.update_xaxes(title_text=axis, zeroline=True)
    figure.update_yaxes(title_text=measure, tickformat=".2f" if numeric else ".0%")
    return apply_style(figure, theme, height=360).update_layout(showlegend=True)
