"""A curve over the steps. Long sequences are downsampled to blocks with their mean, lowest and highest value."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import plotly.graph_objects as go

from models.states.downsample import downsample
from viz.colours import faint_colour
from viz.i18n import _

MAX_POINTS = 1500
"""Points of a curve. A longer one is drawn in blocks of steps: a line for the mean, a band from lowest to highest."""


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
    **where: Any,
) -> None:
    """Draw ``values`` (T) over the steps.

    Args:
        figure: the figure that the curve is added to.
        values: (T); NaN and infinite values are gaps in the line, with a marker at the edge of its range.
        labels: T strings, one for each step.
        name: name of the curve.
        colour, dash, width: style of its line.
        legend: whether it is in the legend.
        first: step of the first value, from 0.
        where: row and column in a figure of several panels.
    """
    # For translators: {step} and {token} are filled by the browser.
    at = _("step {step}, token '{token}'").format(step="%{customdata[0]}", token="%{customdata[1]}")
    common = {"name": name, "legendgroup": name, "showlegend": legend, "mode": "lines", **where}
    line = {"color": colour, "dash": dash, "width": width}
    if len(values) <= MAX_POINTS:
        steps = np.arange(first, first + len(values))
        labelled = labelled_steps(labels, first, count=len(values))
        shown = np.where(np.isfinite(values), values, np.nan)
        hover = "%{y:.4g} · " + at
        if _has_isolated(np.isfinite(values)):
            common["mode"] = "lines+markers"
        figure.add_scatter(x=steps, y=shown, line=line, customdata=labelled, hovertemplate=hover, **common)
        add_nonfinite_marks(
            figure, values, steps.tolist(), [f"{step} {label}" for step, label in labelled], colour, name, **where
        )
        return
    blocks = downsample(values[:, None], MAX_POINTS // 3)
    steps = first + (blocks.step_edges[:-1] + blocks.step_edges[1:] - 1) / 2
    low, mean, high = (
        np.where(np.isfinite(part[:, 0]), part[:, 0], np.nan) for part in (blocks.low, blocks.mean, blocks.high)
    )
    spans = [
        f"{begin + first + 1}–{end + first}: {a:.4g} … {b:.4g}"
        for begin, end, a, b in zip(blocks.step_edges[:-1], blocks.step_edges[1:], low, high, strict=True)
    ]
    # a step line, so that a spike of one step is as wide as its block
    edge = {"color": colour, "width": 0.5, "shape": "hvh"}
    band = {"hoverinfo": "skip", "mode": "lines", "showlegend": False, "legendgroup": name, **where}
    figure.add_scatter(x=steps, y=low, line=edge, **band)
    figure.add_scatter(x=steps, y=high, line=edge, fill="tonexty", fillcolor=faint_colour(colour, 0.28), **band)
    hover = "%{y:.4g} · %{customdata}"
    figure.add_scatter(x=steps, y=mean, line=line, customdata=spans, hovertemplate=hover, **common)
    worst = np.where(np.isfinite(blocks.low[:, 0]), blocks.high[:, 0], blocks.low[:, 0])
    places = [f"{begin + first + 1}–{end + first}" for begin, end in pairwise(blocks.step_edges.tolist())]
    add_nonfinite_marks(figure, worst, steps.tolist(), places, colour, name, **where)


def labelled_steps(labels: Sequence[str], first: int = 0, *, count: int | None = None) -> np.ndarray:
    """Return (T, 2): each step, counted from 1, and its label, for hover labels; ``first`` is the first step, from 0.

    An array of objects, because plotly checks and copies the values of a list one by one.

    Raises:
        ValueError: there are not ``count`` labels.
    """
    if count not in (None, len(labels)):
        raise ValueError(f"{len(labels)} labels for {count} steps")
    labelled = np.empty((len(labels), 2), dtype=object)
    labelled[:, 0] = range(first + 1, first + 1 + len(labels))
    labelled[:, 1] = labels
    return labelled


def add_nonfinite_marks(
    figure: go.Figure,
    values: np.ndarray,
    x: Sequence[float],
    places: Sequence[str],
    colour: str,
    name: str,
    *,
    nan: bool = True,
    **where: Any,
) -> None:
    """Mark infinite values (with ``nan``, NaN too) by triangles and crosses at the edge of the finite values' range.

    Args:
        figure: the figure with the curve.
        values: (N), of the curve; finite ones get no mark.
        x: N positions on the horizontal axis.
        places: N texts for the hover labels.
        colour, name: of the curve.
        nan: whether NaN is a value of the run and not a missing one.
        where: row and column in a figure of several panels.
    """
    marked: list[int] = np.flatnonzero(np.isinf(values) | (np.isnan(values) & nan)).tolist()
    if not marked:
        return
    finite = values[np.isfinite(values)]
    top, bottom = (float(finite.max()), float(finite.min())) if len(finite) else (1.0, 0.0)
    symbols = {"∞": "triangle-up", "−∞": "triangle-down", "NaN": "x"}
    kinds = ["NaN" if np.isnan(value) else "∞" if value > 0 else "−∞" for value in values[marked]]
    figure.add_scatter(
        x=[x[place] for place in marked],
        y=[bottom if kind == "−∞" else top for kind in kinds],
        name=name,
        legendgroup=name,
        showlegend=False,
        mode="markers",
        marker={"color": colour, "size": 7, "symbol": [symbols[kind] for kind in kinds]},
        customdata=[[kind, places[place]] for kind, place in zip(kinds, marked, strict=True)],
        hovertemplate="%{customdata[0]} · %{customdata[1]}",
        **where,
    )


def _has_isolated(finite: np.ndarray) -> bool:
    """Return whether a finite value has no finite neighbour: a line without markers would not show it."""
    padded = np.concatenate([[False], finite, [False]])
    return bool((finite & ~padded[:-2] & ~padded[2:]).any())
