"""Measured computation time against input length."""

from collections.abc import Sequence

import plotly.graph_objects as go

from models.networks.timing import Timing
from viz.colours import KIND, Theme
from viz.figures.figure_cache import cached_figure
from viz.figures.style import apply_style
from viz.i18n import _


@cached_figure
def timing_chart(found: Sequence[Timing], *, theme: Theme = "light") -> go.Figure:
    """Draw a line for each network; both axes are logarithmic.

    Args:
        found: the measurements, in any order.
        theme: "light" or "dark".
    """
    figure = go.Figure()
    styles = ((KIND["GRU"][theme], "solid", "circle"), (KIND["RNN"][theme], "dash", "square"))
    for name, (colour, dash, symbol) in zip(dict.fromkeys(each.name for each in found), styles, strict=False):
        own = sorted((each for each in found if each.name == name), key=lambda each: each.length)
        figure.add_scatter(
            x=[each.length for each in own],
            y=[1000 * each.seconds for each in own],
            name=name,
            mode="lines+markers",
            line={"color": colour, "dash": dash, "width": 2.5},
            marker={"size": 8, "symbol": symbol},
            hovertemplate=_("{n} ms").format(n="%{y:.3~g}"),
        )
    lengths = sorted({each.length for each in found})
    figure.update_xaxes(type="log", title_text=_("input length (tokens)"), tickvals=lengths)
    figure.update_yaxes(type="log", title_text=_("time (ms)"), dtick=1)
    figure = apply_style(figure, theme, height=320)
    figure.update_layout(margin={"l": 64})
    return figure
