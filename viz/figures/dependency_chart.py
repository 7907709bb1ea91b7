"""Dependencies between computations: how many sequential steps each position of a sequence needs."""

import plotly.graph_objects as go

from models.networks.critical_path import CriticalPath
from viz.colours import KIND, Theme
from viz.figures.figure_cache import cached_figure
from viz.figures.style import FOREGROUND, apply_style, step_axis
from viz.i18n import _

MAX_LABELS = 90
"""Symbols up to which each has a marker and a tick label."""


@cached_figure
def dependency_chart(
    recurrent: CriticalPath, parallel: CriticalPath, labels: list[str], *, theme: Theme = "light"
) -> go.Figure:
    """Draw rising lines for the recurrent network and flat lines for the Transformer.

    Args:
        recurrent, parallel: the critical paths of the recurrent network and of the Transformer.
        labels: the source symbols, then the output symbols.
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
                mode="lines+markers" if len(labels) <= MAX_LABELS else "lines",
                name=f"{family}: {names[part]}",
                legendgroup=f"{family}{part}",
                showlegend=part not in [earlier for earlier, _start, _moments in found.lines[:place]],
                line={"color": colour, "dash": dash, "width": 2},
                marker={"size": 6, "symbol": "circle" if family == "GRU" else "square"},
                customdata=[labels[starts + k] for k in range(len(moments))],
                hovertemplate=_("“{token}”: after {n} sequential steps").format(token="%{customdata}", n="%{y}"),
            )
    border = recurrent.source - 0.5
    figure.add_vline(x=border, line={"width": 1, "dash": "dot", "color": FOREGROUND[theme]})
    for side, anchor in ((_("source") + " ", "right"), (" " + _("output"), "left")):
        figure.add_annotation(
            x=border, y=1, yref="paper", text=side, showarrow=False, yanchor="top", xanchor=anchor, font={"size": 13}
        )
    ticks = {"tickvals": list(range(len(labels))), "ticktext": labels, "tickangle": 0}
    figure.update_xaxes(**(ticks if len(labels) <= MAX_LABELS else step_axis(labels)))
    figure.update_yaxes(title_text=_("sequential steps needed"), rangemode="tozero")
    figure = apply_style(figure, theme, height=400)
    figure.update_layout(hovermode="closest", margin={"l": 64, "t": 72, "b": 36})
    return figure
