"""A beam search as a tree: every candidate, token by token."""

import math

import plotly.graph_objects as go

from models.core.tokenize_text import display
from models.decoding import BeamTree
from viz.colours import KIND, Theme
from viz.figures.figure_cache import cached_figure
from viz.figures.style import BACKGROUND, FOREGROUND, GRID, apply_style
from viz.i18n import _

FAINT_BELOW = 0.01
"""Candidates below this probability are drawn faint: the beam always keeps its full width, even if one is nearly certain."""


@cached_figure
def beam_tree(tree: BeamTree, *, theme: Theme = "light") -> go.Figure:
    """Draw the tree: steps from left to right, the candidates of a step from most to least probable, top down.

    Args:
        tree: the candidates that the search kept.
        theme: "light" or "dark".
    """
    places = _places(tree)
    best = set(tree.path(tree.best))
    figure = go.Figure()
    faint = [math.exp(node.log_probability) < FAINT_BELOW for node in tree.nodes]
    for chosen, unlikely in ((False, True), (False, False), (True, True), (True, False)):
        xs: list[float | None] = []
        ys: list[float | None] = []
        for at, node in enumerate(tree.nodes):
            if node.parent >= 0 and (at in best) == chosen and faint[at] == unlikely:
                (x0, y0), (x1, y1) = places[node.parent], places[at]
                xs += [x0, x1, None]
                ys += [y0, y1, None]
        colour = KIND["GRU"][theme] if chosen else FOREGROUND[theme]
        width = 4 if chosen else 1 if unlikely else 2
        line = {"color": colour, "width": width, "dash": "dot" if unlikely else "solid"}
        figure.add_scatter(x=xs, y=ys, mode="lines", line=line, hoverinfo="skip")
    border = [
        KIND["GRU"][theme] if at in best else GRID[theme] if faint[at] else FOREGROUND[theme]
        for at in range(len(faint))
    ]
    figure.add_scatter(
        x=[x for x, _y in places],
        y=[y for _x, y in places],
        mode="markers+text",
        text=[display(node.symbol) for node in tree.nodes],
        textfont={
            "size": 15,
            "color": FOREGROUND[theme],
            "weight": [700 if at in best else 400 for at in range(len(tree.nodes))],
        },
        marker={
            "size": 26,
            "symbol": "square",
            "color": BACKGROUND[theme],
            "line": {
                "width": [2.5 if at in best else 1 for at in range(len(tree.nodes))],
                "color": border,
            },
        },
        customdata=[
            [
                f"{node.probability:.3g}",
                f"{node.log_probability:.2f}",
                f"{math.exp(node.log_probability):.3g}",
                tree.answer(at) or display(node.symbol),
            ]
            for at, node in enumerate(tree.nodes)
        ],
        hovertemplate="<b>%{customdata[3]}</b><br>"
        + _("probability of this token {chance}").format(chance="%{customdata[0]}")
        + "<br>"
        + _("cumulative probability {chance} (ln p = {logarithm})").format(
            chance="%{customdata[2]}", logarithm="%{customdata[1]}"
        )
        + "<extra></extra>",
    )
    deepest = max(y for _x, y in places)
    figure.update_xaxes(
        title_text=_("time step"), tickvals=list(range(max(node.step for node in tree.nodes) + 1)), showgrid=False,
        ticktext=[str(step + 1) for step in range(max(node.step for node in tree.nodes) + 1)],
    )  # fmt: skip
    figure.update_yaxes(visible=False, range=[deepest + 0.6, -0.6])
    figure = apply_style(figure, theme, height=int(90 + 38 * (deepest + 1)))
    figure.update_layout(hovermode="closest", showlegend=False, margin={"l": 8, "t": 8, "r": 8})
    return figure


def _places(tree: BeamTree) -> list[tuple[float, float]]:
    """Return (step, rank among the candidates of that step) of every node."""
    counts: dict[int, int] = {}
    places = []
    for node in tree.nodes:
        rank = counts.get(node.step, 0)
        counts[node.step] = rank + 1
        places.append((float(node.step), float(rank)))
    return places
