"""Style shared by all figures: fonts, axes and token labels along the steps."""

from collections.abc import Iterator, Sequence
from itertools import count

import plotly.graph_objects as go

FOREGROUND = {"light": "#14181f", "dark": "#f0f3f7"}
GRID = {"light": "#e3e7ee", "dark": "#2b3543"}
BACKGROUND = {"light": "#ffffff", "dark": "#10141a"}
MAX_TICK_CHARACTERS = 110
"""Characters that fit along an axis; longer tokens are replaced by step numbers and shown on hover only."""


def apply_style(figure: go.Figure, theme: str, *, height: int) -> go.Figure:
    """Apply the app's style in ``theme`` ("light" or "dark") to a figure and return it."""
    figure.update_layout(
        height=height,
        margin={"l": 56, "r": 16, "t": 36, "b": 48},
        paper_bgcolor=BACKGROUND[theme],
        plot_bgcolor=BACKGROUND[theme],
        font={"color": FOREGROUND[theme], "size": 14},
        hoverlabel={"font": {"size": 14}},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "xanchor": "left"},
        hovermode="x unified",
    )
    figure.update_xaxes(gridcolor=GRID[theme], zeroline=False)
    figure.update_yaxes(gridcolor=GRID[theme], zerolinecolor=GRID[theme])
    return figure


def step_axis(labels: Sequence[str], first: int = 0) -> dict:
    """Return the plotly settings of a step axis: tokens as ticks if they fit, else steps counted from 1.

    ``first`` is the step of the sequence, from 0, of the first label.
    """
    if sum(len(label) + 1 for label in labels) <= MAX_TICK_CHARACTERS:
        return {"tickvals": list(range(len(labels))), "ticktext": list(labels), "tickangle": 0}
    apart = next(apart for apart in _round_numbers() if len(labels) <= 12 * apart)
    shown = [step for step in range(len(labels)) if step == 0 or (first + step + 1) % apart == 0]
    return {"tickvals": shown, "ticktext": [str(first + step + 1) for step in shown], "tickangle": 0}


def _round_numbers() -> Iterator[int]:
    """Yield 1, 2, 5, 10, 20, 50, ..."""
    return (digit * 10**power for power in count() for digit in (1, 2, 5))
