"""Distributions of a layer's weights: a small histogram for each array and gate."""

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from models.checkpoints.health import Distribution
from viz.colours import Theme, quantity_colour
from viz.figures.figure_cache import cached_figure
from viz.figures.style import FOREGROUND, apply_style
from viz.i18n import _
from viz.quantity_names import quantity_names

ROW_HEIGHT = 128


@cached_figure
def weight_histograms(
    found: Mapping[str, Mapping[str, Distribution]], *, log: bool = False, theme: Theme = "light"
) -> go.Figure:
    """Draw a row of histograms for each array and a column for each gate; the y axis is shared within a row.

    Args:
        found: distributions by array, such as ``"weight_hh"``, then by gate.
        log: whether the y axis is logarithmic, which shows a few outliers.
        theme: "light" or "dark".
    """
    names = quantity_names()
    gates = list(next(iter(found.values())))
    figure = make_subplots(
        rows=len(found),
        cols=len(gates),
        shared_yaxes="rows",
        column_titles=[names[gate] for gate in gates],
        horizontal_spacing=0.03,
        vertical_spacing=0.16 / len(found),
    )
    # For translators: the numbers are filled by the browser.
    hover = _("{share} of the weights between {low} and {high}").format(
        share="%{y:.2%}", low="%{customdata[0]:.3g}", high="%{customdata[1]:.3g}"
    )
    for row, (array, blocks) in enumerate(found.items(), start=1):
        for column, (gate, block) in enumerate(blocks.items(), start=1):
            middle = (block.edges[:-1] + block.edges[1:]) / 2
            figure.add_bar(
                x=middle,
                y=block.counts / max(1, block.size),
                marker={"color": quantity_colour(gate, theme), "line": {"width": 0}},
                name=f"{array} · {names[gate]}",
                showlegend=False,
                customdata=list(zip(block.edges[:-1], block.edges[1:], strict=True)),
                hovertemplate=hover,
                row=row,
                col=column,
            )
            text = (
                _("SD {deviation}").format(deviation=f"{block.deviation:.3g}")
                if block.finite
                else _("no finite values")
            )
            figure.add_annotation(
                x=1, y=1, xref="x domain", yref="y domain", xanchor="right", yanchor="top", showarrow=False,
                text=text, font={"size": 12, "color": FOREGROUND[theme]}, row=row, col=column,
            )  # fmt: skip
            bound = float(block.edges[-1])
            end = _round(bound)
            figure.update_xaxes(range=[-1.15 * bound, 1.15 * bound], tickvals=[-end, 0, end], row=row, col=column)
        figure.update_yaxes(title_text=array, row=row, col=1)
        most = max(float(block.counts.max() / max(1, block.size)) for block in blocks.values()) or 1.0
        least = 0.5 / max(block.size for block in blocks.values())
        span = [np.log10(least), np.log10(most) + 0.3 * np.log10(most / least)] if log else [0, 1.3 * most]
        figure.update_yaxes(range=span, row=row)
    if log:
        figure.update_yaxes(type="log", dtick=2, exponentformat="power")
    else:
        figure.update_yaxes(tickformat=".0%", nticks=4)
    figure.update_layout(bargap=0)
    return apply_style(figure, theme, height=ROW_HEIGHT * len(found) + 90).update_layout(hovermode="closest")


def _round(bound: float) -> float:
    """Return the largest number with one significant digit that is at most ``bound``."""
    digits, power = f"{bound:.6e}".split("e")
    return float(f"{digits[0]}e{power}")
