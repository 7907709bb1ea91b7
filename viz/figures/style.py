"""Style shared by all figures: fonts, axes and token labels along the steps."""

import unicodedata
from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any

import plotly.graph_objects as go

from viz.figures.figure_texts import escape_texts

FOREGROUND = {"light": "#14181f", "dark": "#f0f3f7"}
GRID = {"light": "#e3e7ee", "dark": "#2b3543"}
BACKGROUND = {"light": "#ffffff", "dark": "#10141a"}
MAX_TICK_CHARACTERS = 110
"""Characters that fit along an axis; longer tokens are replaced by step numbers and shown on hover only."""

TITLE_SIZE = 15
"""Pixels of the font of an axis's title."""

NARROW = 230
"""Pixels of the horizontal axis on a telephone, which a line of its title fits into."""

NARROW_LEGEND = 260
"""Pixels beside the line of an entry of the legend on a telephone."""


def apply_style(figure: go.Figure, theme: str, *, height: int) -> go.Figure:
    """Apply the app's style in ``theme`` ("light" or "dark") to a figure and return it."""
    margin = {"l": 56, "r": 16, "t": 36, "b": 48}
    settings = {
        "height": height,
        "margin": margin,
        "paper_bgcolor": BACKGROUND[theme],
        "plot_bgcolor": BACKGROUND[theme],
        "font": {"color": FOREGROUND[theme], "size": 14},
        "hoverlabel": {"font": {"size": 14}},
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "xanchor": "left"},
        "hovermode": "x unified",
    }
    # Settings are overwritten and not merged with what the figure has: plotly needs four times as long to merge them.
    figure.layout.update(settings, overwrite=True)
    escape_texts(figure)
    plot = height - margin["t"] - margin["b"]
    for axis in figure.select_yaxes():
        low, high = axis.domain or (0.0, 1.0)
        axis.update(
            {"gridcolor": GRID[theme], "zerolinecolor": GRID[theme]} | _fitted_title(axis, plot * (high - low)),
            overwrite=True,
        )
    for axis in figure.select_xaxes():
        axis.update({"gridcolor": GRID[theme], "zeroline": False} | _fitted_title(axis, NARROW), overwrite=True)
    for trace in figure.data:
        if trace.name and trace.showlegend is not False and _pixels(trace.name) > NARROW_LEGEND:
            trace.name = "<br>".join(_lines(trace.name, NARROW_LEGEND))
    return figure


def _fitted_title(axis: go.layout.XAxis | go.layout.YAxis, room: float) -> dict[str, Any]:
    """Return an axis's title in lines of at most ``room`` pixels, and the settings that keep it off the tick labels."""
    title = axis.title.to_plotly_json()
    if not title.get("text"):
        return {}
    title["text"] = "<br>".join(_lines(title["text"], room))
    title["font"] = title.get("font", {}) | {"size": TITLE_SIZE}
    title.setdefault("standoff", 8)
    return {"title": title, "automargin": True}


def _lines(text: str, room: float) -> list[str]:
    """Break a text at its spaces into lines of at most ``room`` pixels, by the usual widths of its characters."""
    first, *words = text.split(" ")
    lines = [first]
    for word in words:
        longer = f"{lines[-1]} {word}"
        if _pixels(longer) <= room or not lines[-1].strip():
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _pixels(text: str) -> float:
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return TITLE_SIZE * (wide + 0.56 * (len(text) - wide))


def step_axis(labels: Sequence[str], first: int = 0) -> dict:
    """Return the plotly settings of a step axis: tokens as ticks if they fit, else steps counted from 1.

    ``first`` is the step of the sequence, from 0, of the first label.
    """
    if sum(len(label) + 1 for label in labels) <= MAX_TICK_CHARACTERS:
        return {"tickvals": list(range(len(labels))), "ticktext": list(labels), "autotickangles": [0, 90]}
    apart = next(apart for apart in _round_numbers() if len(labels) <= 12 * apart)
    if apart == 2:
        shown = list(range(0, len(labels), 2))  # 1, 3, 5, …: beside 1 there would be no room for 2
    else:
        shown = [step for step in range(len(labels)) if step == 0 or (first + step + 1) % apart == 0]
    return {"tickvals": shown, "ticktext": [str(first + step + 1) for step in shown], "tickangle": 0}


def _round_numbers() -> Iterator[int]:
    """Yield 1, 2, 5, 10, 20, 50, ..."""
    return (digit * 10**power for power in count() for digit in (1, 2, 5))
