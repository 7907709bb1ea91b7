"""Curves of norms over the steps on a log axis that also handles 0, NaN and infinity."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from viz.figures.curves import add_nonfinite_marks, labelled_steps
from viz.i18n import _

MAX_DECADES = 12.0
"""Default limit of the powers of ten that an axis shows below its largest norm."""

RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def add_norm_curve(
    figure: go.Figure,
    norms: np.ndarray,
    labels: Sequence[str],
    *,
    name: str,
    colour: str,
    floor: float,
    dash: str = "solid",
    first: int = 0,
    **where: int,
) -> None:
    """Draw a curve of ``norms`` (T); exact zeros are crosses on the ``floor``, infinity is a triangle at the top, NaN a gap.

    ``first`` is the step (from 0) of the first norm; ``where`` is the row and column of a panel.
    """
    positive = np.isfinite(norms) & (norms > 0)
    # For translators: {step} and {token} are filled by the browser.
    hover = _("step {step}, token '{token}'").format(step="%{customdata[0]}", token="%{customdata[1]}")
    places = labelled_steps(labels, first)
    figure.add_scatter(
        x=np.arange(len(norms)),
        y=np.where(positive, norms, np.nan),
        name=name,
        legendgroup=name,
        mode="lines+markers" if len(norms) <= 80 else "lines",
        marker={"size": 5},
        line={"color": colour, "width": 2.5, "dash": dash},
        customdata=places,
        hovertemplate="%{y:.3~g} · " + hover,
        **where,
    )
    marks = [f"{step} {label}" for step, label in places]
    add_nonfinite_marks(figure, norms, list(range(len(norms))), marks, colour, name, nan=False, **where)
    add_zero_marks(
        figure, norms, range(len(norms)), colour, name, floor=floor, hover="0 · " + hover, customdata=places, **where
    )


def add_zero_marks(
    figure: go.Figure,
    values: np.ndarray,
    x: Sequence[float],
    colour: str,
    name: str,
    *,
    floor: float,
    hover: str,
    customdata: Sequence[object] | np.ndarray | None = None,
    **where: int,
) -> None:
    """Mark exact zeros, which a log axis does not have, by crosses on its ``floor``.

    Args:
        figure: the figure with the curve.
        values: (N), of the curve; those that are not 0 get no mark.
        x: N positions on the horizontal axis.
        colour, name: of the curve.
        floor: the lower end of the axis.
        hover: the hover labels.
        customdata: N values for the hover labels; None for none.
        where: row and column in a figure of several panels.
    """
    zero: list[int] = np.flatnonzero(values == 0).tolist()
    if not zero:
        return
    figure.add_scatter(
        x=[x[place] for place in zero],
        y=[floor] * len(zero),
        name=name,
        legendgroup=name,
        showlegend=False,
        mode="markers",
        marker={"color": colour, "symbol": "x-thin-open", "size": 8, "line": {"width": 2}},
        customdata=None if customdata is None else [customdata[place] for place in zero],
        hovertemplate=hover,
        **where,
    )


def power_text(exponent: int) -> str:
    """Return a power of ten as text.

    >>> power_text(-12)
    '10⁻¹²'
    """
    return "10" + str(exponent).translate(RAISED)


def axis_floor(curves: Sequence[np.ndarray], span: float = MAX_DECADES) -> float:
    """Return the lower end of the axis: a third of the smallest norm above 0, at most ``span`` decades below the largest."""
    shown = [curve[np.isfinite(curve) & (curve > 0)] for curve in curves]
    values = np.concatenate([*shown, np.empty(0)])
    if not len(values):
        return 1e-3
    return float(max(values.min() / 3, values.max() * 10.0**-span))


def log_axis(curves: Sequence[np.ndarray], floor: float, highest: float | None = None) -> dict:
    """Return the plotly settings of a log axis for ``curves``, with ticks as powers of ten and at least two decades."""
    shown = [curve[np.isfinite(curve) & (curve > 0)] for curve in curves]
    if highest is None:
        highest = max([float(values.max()) for values in shown if len(values)], default=1.0)
    low, high = np.log10(floor), np.log10(highest) + 0.15
    if high - low < 2:
        low, high = (low + high) / 2 - 1, (low + high) / 2 + 1
    pitch = max(1, int(np.ceil((high - low) / 7)))
    return {
        "type": "log",
        "range": [low - 0.15, high],
        "dtick": pitch,
        "exponentformat": "power",
        "tickfont": {"size": 11.2},  # plotly draws the base of a power a quarter larger
        "automargin": True,
        "title_standoff": 12,
    }
