"""How the weights of a layer are distributed: a small histogram for every array and gate."""

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from models.checkpoints.health import Distribution
from viz.colours import Theme, quantity_colour
from viz.figures.style import INK, finish
from viz.i18n import _
from viz.quantity_names import quantity_names

ROW = 128


def weight_histograms(
    found: Mapping[str, Mapping[str, Distribution]], *, log: bool = False, theme: Theme = "light"
) -> go.Figure:
    """A row of histograms for each array, a column for each gate; the blocks of a row share their axes.

    Args:
        found: distributions by array, such as ``"weight_hh"``, and by gate.
        log: whether the shares are on a log axis, on which a few outliers can be seen.
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
            told = (
                _("SD {deviation}").format(deviation=f"{block.deviation:.3g}")
                if block.finite
                else _("no finite values")
            )
            figure.add_annotation(
                x=1, y=1, xref="x domain", yref="y domain", xanchor="right", yanchor="top", showarrow=False,
                text=told, font={"size": 12, "color": INK[theme]}, row=row, col=column,
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
    return finish(figure, theme, height=ROW * len(found) + 90).update_layout(hovermode="closest")


def _round(bound: float) -> float:
    """The largest number of one digit that is not above ``bound``."""
    digits, power = f"{bound:.6e}".split("e")
    return float(f"{digits[0]}e{power}")
