"""A curve over the steps that stays small however long the sequence is: blocks with their mean, lowest and highest value."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from models.states.downsample import downsample
from viz.i18n import _

POINTS = 1500
"""Points of a curve; a longer one is drawn as blocks of steps, a line for the mean within a band from lowest to highest."""


def add_curve(
    figure: go.Figure,
    values: np.ndarray,
    labels: Sequence[str],
    *,
    name: str,
    colour: str,
    dash: str = "solid",
    width: float = 2,
    legend: bool = True,
    first: int = 0,
    **where: int,
) -> None:
    """Draw ``values`` (T) over the steps.

    Args:
        figure: to draw on.
        values: (T); what is not a finite number is a gap.
        labels: T strings, one a step.
        name: of the curve.
        colour, dash, width: of its line.
        legend: whether it is in the legend.
        first: the step, from 0, of the first value.
        where: the row and column of a figure of several panels.
    """
    # For translators: {step} and {token} are filled by the browser.
    at = _("step {step}, token '{token}'").format(step="%{customdata[0]}", token="%{customdata[1]}")
    common = {"name": name, "legendgroup": name, "showlegend": legend, "mode": "lines", **where}
    line = {"color": colour, "dash": dash, "width": width}
    if len(values) <= POINTS:
        steps = range(first, first + len(values))
        told = [[step + 1, label] for step, label in zip(steps, labels, strict=True)]
        shown = [float(value) if np.isfinite(value) else None for value in values]
        hover = "%{y:.4g} · " + at
        if _alone(np.isfinite(values)):
            common["mode"] = "lines+markers"
        figure.add_scatter(x=list(steps), y=shown, line=line, customdata=told, hovertemplate=hover, **common)
        return
    blocks = downsample(values[:, None], POINTS // 3)
    steps = first + (blocks.step_edges[:-1] + blocks.step_edges[1:] - 1) / 2
    low, mean, high = (
        np.where(np.isfinite(part[:, 0]), part[:, 0], np.nan) for part in (blocks.low, blocks.mean, blocks.high)
    )
    spans = [
        f"{begin + first + 1}–{end + first}: {a:.4g} … {b:.4g}"
        for begin, end, a, b in zip(blocks.step_edges[:-1], blocks.step_edges[1:], low, high, strict=True)
    ]
    # a step's edges, so that a spike of one step is as wide as its block
    edge = {"color": colour, "width": 0.5, "shape": "hvh"}
    band = {"hoverinfo": "skip", "mode": "lines", "showlegend": False, "legendgroup": name, **where}
    figure.add_scatter(x=steps, y=low, line=edge, **band)
    figure.add_scatter(x=steps, y=high, line=edge, fill="tonexty", fillcolor=_faint(colour), **band)
    hover = "%{y:.4g} · %{customdata}"
    figure.add_scatter(x=steps, y=mean, line=line, customdata=spans, hovertemplate=hover, **common)


def _alone(known: np.ndarray) -> bool:
    """Whether a known value stands between unknown ones, where no line would show it."""
    beside = np.concatenate([[False], known, [False]])
    return bool((known & ~beside[:-2] & ~beside[2:]).any())


def _faint(colour: str) -> str:
    red, green, blue = (int(colour[k : k + 2], 16) for k in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.28)"
