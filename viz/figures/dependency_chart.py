"""What must wait for what: the earliest moment at which each position of a sequence can be computed."""

import plotly.graph_objects as go

from models.networks.critical_path import Waiting
from viz.colours import KIND, Theme
from viz.figures.style import INK, finish, step_axis
from viz.i18n import _

MOST = 90
"""Symbols that have a mark and a label along the axis."""


def waiting(recurrent: Waiting, parallel: Waiting, labels: list[str], *, theme: Theme = "light") -> go.Figure:
    """Two panels on one scale: a staircase for the recurrent network, level lines for the Transformer.

    Args:
        recurrent, parallel: when each position can be computed.
        labels: the symbols of the source, then those of the output.
        theme: "light" or "dark".
    """
    names = {
        "forward": _("encoder, forward"),
        "backward": _("encoder, backward"),
        "encoder": _("encoder layer"),
        "training": _("decoder layer, training"),
        "writing": _("decoder, generation"),
    }
    figure = go.Figure()
    for found, family, colour in (
        (recurrent, "GRU", KIND["GRU"][theme]),
        (parallel, _("Transformer"), KIND["RNN"][theme]),
    ):
        for place, (part, starts, moments) in enumerate(found.lines):
            dash = {"backward": "dot", "training": "dash", "writing": "solid"}.get(part, "solid")
            figure.add_scatter(
                x=list(range(starts, starts + len(moments))),
                y=list(moments),
                mode="lines+markers" if len(labels) <= MOST else "lines",
                name=f"{family}: {names[part]}",
                legendgroup=f"{family}{part}",
                showlegend=part not in [earlier for earlier, _start, _moments in found.lines[:place]],
                line={"color": colour, "dash": dash, "width": 2},
                marker={"size": 6, "symbol": "circle" if family == "GRU" else "square"},
                customdata=[labels[starts + k] for k in range(len(moments))],
                hovertemplate=_("“{token}”: after {n} sequential steps").format(token="%{customdata}", n="%{y}"),
            )
    border = recurrent.source - 0.5
    figure.add_vline(x=border, line={"width": 1, "dash": "dot", "color": INK[theme]})
    for side, anchor in ((_("source") + " ", "right"), (" " + _("output"), "left")):
        figure.add_annotation(
            x=border, y=1, yref="paper", text=side, showarrow=False, yanchor="top", xanchor=anchor, font={"size": 13}
        )
    ticks = {"tickvals": list(range(len(labels))), "ticktext": labels, "tickangle": 0}
    figure.update_xaxes(**(ticks if len(labels) <= MOST else step_axis(labels)))
    figure.update_yaxes(title_text=_("sequential steps needed"), rangemode="tozero")
    figure = finish(figure, theme, height=400)
    figure.update_layout(hovermode="closest", margin={"l": 64, "t": 72, "b": 36})
    return figure
