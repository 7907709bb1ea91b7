"""Biases of the forget gate (GRU: update gate) and the gate value that each sets without input."""

import numpy as np
import plotly.graph_objects as go

from models.core.activations import Activation
from viz.colours import Theme, quantity_colour
from viz.figures.figure_cache import cached_figure
from viz.figures.style import FOREGROUND, apply_style
from viz.i18n import _
from viz.quantity_names import quantity_names

GATE_TICKS = (0.01, 0.05, 0.1, 0.27, 0.5, 0.73, 0.9, 0.95, 0.99)
"""Gate values that are labelled on the upper axis; a sigmoid of 1 is 0.73."""

LABEL_SIZE = (0.25, 0.12)
"""Parts of the width and height of the drawing that a line's label takes at most."""


@cached_figure
def forget_bias_plot(
    biases: np.ndarray, gate: str, activation: Activation, *, unit: int | None = None, theme: Theme = "light"
) -> go.Figure:
    """Draw a dot for each unit, lowest bias first; the upper axis shows the gate value for zero input and zero state.

    Args:
        biases: (H), b_ih + b_hh.
        gate: ``"forget_gate"`` or ``"update_gate"``.
        activation: the gate's activation function, with values from 0 to 1.
        unit: the unit to ring, from 0.
        theme: "light" or "dark".
    """
    figure, name = go.Figure(), quantity_names()[gate]
    finite = np.flatnonzero(np.isfinite(biases))
    order = finite[np.argsort(biases[finite], kind="stable")]
    values = biases[order].astype(float)
    # For translators: the numbers are filled by the browser.
    hover = _("unit {unit}: bias {bias}, gate {opening}").format(
        unit="%{customdata[0]}", bias="%{x:.4g}", opening="%{customdata[1]:.3f}"
    )
    figure.add_scatter(
        x=values,
        y=np.arange(1, len(order) + 1),
        mode="markers",
        name=name,
        marker={"color": quantity_colour(gate, theme), "size": 7},
        customdata=list(zip(order.tolist(), activation.values(values).tolist(), strict=True)),
        hovertemplate=hover,
        showlegend=False,
    )
    if unit is not None and unit in order:
        ring = {"color": "rgba(0,0,0,0)", "size": 15, "line": {"color": FOREGROUND[theme], "width": 2.5}}
        figure.add_scatter(
            x=[float(biases[unit])], y=[int(np.flatnonzero(order == unit)[0]) + 1], mode="markers", marker=ring,
            showlegend=False, hoverinfo="skip",
        )  # fmt: skip
    low, high = min(-1.0, values.min(initial=0) - 0.3), max(1.5, values.max(initial=0) + 0.3)
    for at, text in ((0.0, _("half open (0.5)")), (1.0, _("bias 1"))):
        figure.add_vline(x=at, line={"color": FOREGROUND[theme], "width": 1, "dash": "dot"})
        y, side = _free_corner(values, at, (low, high))
        figure.add_annotation(
            x=at,
            y=y,
            yref="y domain",
            yanchor="top" if y else "bottom",
            xanchor="left" if side > 0 else "right",
            text=text,
            showarrow=False,
            xshift=3 * side,
        )
    left, right = low + 0.05 * (high - low), high - 0.02 * (high - low)
    ticks = [
        (opening, bias) for opening, bias in zip(GATE_TICKS, _biases(activation), strict=True) if left < bias < right
    ]
    figure.update_xaxes(title_text=_("bias of the {gate} (b_ih + b_hh)").format(gate=name), range=[low, high])
    figure.update_yaxes(title_text=_("units, lowest bias first"), range=[0, len(order) + 1])
    # a second axis needs a trace of its own
    figure.add_scatter(x=[None], y=[None], xaxis="x2", showlegend=False)
    figure.update_layout(
        xaxis2={
            "overlaying": "x", "side": "top", "range": [low, high], "showgrid": False, "zeroline": False,
            "tickvals": [bias for _opening, bias in ticks], "ticktext": [f"{opening:g}" for opening, _bias in ticks],
            "title": {"text": _("{gate} with zero input and zero hidden state, {activation}(b)").format(
                gate=name, activation=activation.symbol
            ), "standoff": 4},
        }
    )  # fmt: skip
    return apply_style(figure, theme, height=330).update_layout(hovermode="closest", margin={"t": 64})


def _free_corner(values: np.ndarray, at: float, ends: tuple[float, float]) -> tuple[int, int]:
    """Return where a label of a vertical line covers the fewest dots: (0 bottom or 1 top, 1 right or -1 left of the line).

    Args:
        values: (N), ascending; the dot of rank r is at the height r.
        at: place of the line.
        ends: of the axis.
    """
    heights, width = (np.arange(len(values)) + 1) / (len(values) + 1), LABEL_SIZE[0] * (ends[1] - ends[0])

    def covered(corner: tuple[int, int]) -> int:
        y, side = corner
        beside = (side * (values - at) >= 0) & (side * (values - at) < width)
        return int((beside & (np.abs(heights - y) < LABEL_SIZE[1])).sum())

    fits = [(y, side) for side in (1, -1) for y in (0, 1) if ends[0] <= at + side * width <= ends[1]]
    return min(fits or [(0, 1)], key=covered)


def _biases(activation: Activation) -> list[float]:
    """Return the biases at which the gate has the values of ``GATE_TICKS``."""
    grid = np.linspace(-8, 8, 4001)
    return np.interp(GATE_TICKS, activation.values(grid), grid).tolist()
