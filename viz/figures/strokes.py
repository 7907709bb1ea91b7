"""What every figure shares: fonts, axes, the token labels along the steps."""

import plotly.graph_objects as go

INK = {"light": "#14181f", "dark": "#f0f3f7"}
GRID = {"light": "#e3e7ee", "dark": "#2b3543"}
PAPER = {"light": "#ffffff", "dark": "#10141a"}
LABELLED = 60
"""Steps up to which each has its token under the axis; beyond, hovering tells it."""


def finish(figure: go.Figure, theme: str, *, height: int) -> go.Figure:
    """Give a figure the app's looks in ``theme`` ("light" or "dark")."""
    figure.update_layout(
        height=height,
        margin={"l": 56, "r": 16, "t": 36, "b": 48},
        paper_bgcolor=PAPER[theme],
        plot_bgcolor=PAPER[theme],
        font={"color": INK[theme], "size": 14},
        hoverlabel={"font": {"size": 14}},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "xanchor": "left"},
        hovermode="x unified",
    )
    figure.update_xaxes(gridcolor=GRID[theme], zeroline=False)
    figure.update_yaxes(gridcolor=GRID[theme], zerolinecolor=GRID[theme])
    return figure
