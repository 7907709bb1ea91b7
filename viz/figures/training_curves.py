"""Curves over the training steps of one run or of several: loss, accuracy, norms, spectral radii."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import plotly.graph_objects as go

from models.states.downsample import downsample
from viz.colours import Theme, faint_colour
from viz.figures.curves import add_nonfinite_marks
from viz.figures.figure_cache import cached_figure
from viz.figures.log_norm_axis import add_zero_marks, axis_floor, log_axis
from viz.figures.style import FOREGROUND, apply_style
from viz.i18n import _

MAX_POINTS = 900
"""Points of a curve. A longer one is drawn in blocks: a line for the mean, a band from the lowest to the highest value."""

MANY_DECADES = 50.0
"""The ratio of the largest to the smallest value from which ``scale="auto"`` is logarithmic."""


MAX_SPAN = 60.0
"""Powers of ten that a logarithmic axis shows below its largest value: more than float32 has between 1 and infinity."""


@dataclass(frozen=True, eq=False)
class TrainingCurve:
    """One curve.

    Attributes:
        name: in the legend.
        steps: (N,) training steps, ascending.
        values: (N,); NaN and infinite values are marked at the edge of the range of the others.
        colour, dash, width: of its line.
        low, high: (N,) ends of a band around the line, or None.
    """

    name: str
    steps: np.ndarray
    values: np.ndarray
    colour: str
    dash: str = "solid"
    width: float = 2.0
    low: np.ndarray | None = None
    high: np.ndarray | None = None


@cached_figure
def training_curves(
    curves: Sequence[TrainingCurve],
    *,
    title: str,
    time: str | None = None,
    scale: str = "linear",
    percent: bool = False,
    bound: tuple[float, str] | None = None,
    marked: int | None = None,
    height: int = 300,
    theme: Theme = "light",
) -> go.Figure:
    """Draw curves over the training steps.

    Args:
        curves: the curves.
        title: of the vertical axis.
        time: title of the horizontal axis; None for training steps.
        scale: ``"linear"``, ``"log"``, or ``"auto"``: logarithmic if the values differ by a factor of more than 50.
        percent: whether the values are shares, drawn from 0 to 1.
        bound: a value that is marked by a horizontal line, and its name.
        marked: a training step that is marked by a vertical line.
        height: of the figure in pixels.
        theme: "light" or "dark".
    """
    figure = go.Figure()
    values = [curve.values for curve in curves]
    log = scale == "log" or (scale == "auto" and _spans_decades(values))
    shown = [*values, np.array([bound[0]])] if bound else values
    floor = axis_floor(shown, MAX_SPAN)
    for curve in curves:
        _add(figure, curve, floor if log else None, "%{y:.1%}" if percent else "%{y:.4~g}")
    if bound is not None:
        figure.add_hline(y=bound[0], line={"width": 1.5, "dash": "dash", "color": FOREGROUND[theme]})
        figure.add_annotation(
            x=1,
            xref="x domain",
            y=float(np.log10(bound[0])) if log else bound[0],  # of a log axis, plotly places annotations by the power
            yanchor="bottom",
            xanchor="right",
            text=bound[1],
            font={"size": 13},
            showarrow=False,
        )
    if marked is not None:
        figure.add_vline(x=marked, line={"width": 1.5, "dash": "dot", "color": FOREGROUND[theme]})
    few = max((int(curve.steps[-1]) for curve in curves if len(curve.steps)), default=0) <= 8
    ticks = {"dtick": 1} if few else {"nticks": 8}
    figure.update_xaxes(title_text=time or _("training step"), rangemode="tozero", tickformat=",d", **ticks)
    settings: dict = log_axis(shown, floor) if log else {"automargin": True, "title_standoff": 12}
    if percent:
        settings |= {"range": [-0.02, 1.04], "tickformat": ".0%"}
    figure.update_yaxes(title_text=title, **settings)
    figure = apply_style(figure, theme, height=height)
    return figure.update_layout(uirevision="training", showlegend=True)


def _spans_decades(values: Sequence[np.ndarray]) -> bool:
    """Return whether all finite values are positive and differ by a large factor."""
    finite = np.concatenate([np.empty(0), *(each[np.isfinite(each)] for each in values)])
    return len(finite) > 0 and bool(finite.min() > 0) and bool(finite.max() / finite.min() > MANY_DECADES)


def _add(figure: go.Figure, curve: TrainingCurve, floor: float | None, form: str) -> None:
    """Add one curve, on a logarithmic axis if it has a ``floor``."""
    style = {"color": curve.colour, "dash": curve.dash, "width": curve.width}
    common = {"name": curve.name, "legendgroup": curve.name}
    steps, values = curve.steps, curve.values
    hover = form + "<extra>%{fullData.name}</extra>"
    if len(values) > MAX_POINTS:
        blocks = downsample(values[:, None], MAX_POINTS // 3)
        edges = blocks.step_edges.tolist()
        middle = [(int(steps[first]) + int(steps[end - 1])) / 2 for first, end in pairwise(edges)]
        low, high = blocks.low, blocks.high
        if curve.low is not None and curve.high is not None:
            low = downsample(curve.low[:, None], MAX_POINTS // 3).low
            high = downsample(curve.high[:, None], MAX_POINTS // 3).high
        _add_band(figure, curve, middle, low[:, 0], high[:, 0], floor)
        mean = _drawn(blocks.mean[:, 0], floor)
        places = [f"{int(steps[first]):,}–{int(steps[end - 1]):,}" for first, end in pairwise(edges)]
        figure.add_scatter(x=middle, y=mean, line=style, mode="lines", hovertemplate=hover, **common)
        worst = np.where(np.isfinite(blocks.low[:, 0]), blocks.high[:, 0], blocks.low[:, 0])
        add_nonfinite_marks(figure, worst, middle, places, curve.colour, curve.name)
        return
    x = [int(step) for step in steps]
    mode = "lines+markers" if len(x) <= 60 else "lines"
    if curve.low is not None and curve.high is not None:
        _add_band(figure, curve, x, curve.low, curve.high, floor)
    y = _drawn(values, floor)
    figure.add_scatter(x=x, y=y, line=style, mode=mode, marker={"size": 5}, hovertemplate=hover, **common)
    add_nonfinite_marks(figure, values, x, [f"{step:,}" for step in x], curve.colour, curve.name)
    if floor is not None:
        hover = "0<extra>%{fullData.name}</extra>"
        add_zero_marks(figure, values, x, curve.colour, curve.name, floor=floor, hover=hover)


def _add_band(
    figure: go.Figure, curve: TrainingCurve, x: Sequence[float], low: np.ndarray, high: np.ndarray, floor: float | None
) -> None:
    """Add the band from ``low`` to ``high`` around a curve."""
    style: dict = {"hoverinfo": "skip", "mode": "lines", "showlegend": False, "legendgroup": curve.name}
    style["line"] = {"color": curve.colour, "width": 0.4}
    figure.add_scatter(x=x, y=_drawn(low, floor), **style)
    fill = faint_colour(curve.colour, 0.22)
    figure.add_scatter(x=x, y=_drawn(high, floor), fill="tonexty", fillcolor=fill, **style)


def _drawn(values: np.ndarray, floor: float | None) -> list[float | None]:
    """Return the values that a line can show; None for the others, and for those that are not positive on a log axis."""
    shown = np.isfinite(values) & ((values > 0) | (floor is None))
    return [float(value) if good else None for value, good in zip(values, shown, strict=True)]
