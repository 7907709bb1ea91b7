"""Half-life of each unit's state under its gate alone."""

import numpy as np
import plotly.graph_objects as go

from viz.colours import Theme, quantity_colour
from viz.figures.figure_cache import cached_figure
from viz.figures.style import FOREGROUND, apply_style
from viz.i18n import _

MIN_STEPS = 0.05
"""Steps: lower end of the axis, where shorter half-lives are drawn."""


@cached_figure
def half_life_plot(steps: np.ndarray, gate: str, *, unit: int, length: int, theme: Theme = "light") -> go.Figure:
    """Draw each unit's half-life in steps, shortest first, on a log axis.

    Args:
        steps: (H), ``models.states.gate_retention.half_life``; inf for a unit that forgets nothing, NaN if unknown.
        gate: the gate that multiplies the previous state.
        unit: the unit to circle.
        length: T of the sequence, drawn as a line.
        theme: "light" or "dark".
    """
    known = np.flatnonzero(~np.isnan(steps))
    order = known[np.argsort(steps[known], kind="stable")]
    finite = steps[np.isfinite(steps)]
    top = max(float(finite.max(initial=1)), float(length)) * 2
    drawn = np.clip(steps[order], MIN_STEPS, top)
    texts = ["∞" if np.isinf(steps[each]) else f"{steps[each]:.3g}" for each in order]
    figure = go.Figure()
    # For translators: {unit} and {n} are filled by the browser.
    hover = _("unit {unit}: half-life {n} time steps").format(unit="%{customdata[0]}", n="%{customdata[1]}")
    symbols = np.where(np.isinf(steps[order]), "triangle-up", "circle")
    figure.add_scatter(
        x=list(range(1, len(order) + 1)),
        y=drawn,
        mode="markers",
        marker={"color": quantity_colour(gate, theme), "size": 8, "symbol": symbols.tolist()},
        customdata=[[int(each), text] for each, text in zip(order, texts, strict=True)],
        hovertemplate=hover + "<extra></extra>",
        showlegend=False,
    )
    place = np.flatnonzero(order == unit)
    if len(place):
        figure.add_scatter(
            x=place + 1,
            y=drawn[place],
            mode="markers+text",
            text=[_("unit {unit}").format(unit=unit)],
            textposition="top left" if place[0] > len(order) / 2 else "top right",
            marker={"color": "rgba(0,0,0,0)", "size": 17, "line": {"color": FOREGROUND[theme], "width": 2.5}},
            hoverinfo="skip",
            showlegend=False,
        )
    figure.add_hline(y=length, line={"width": 1, "dash": "dot", "color": FOREGROUND[theme]})
    figure.add_annotation(  # separate: on a log axis plotly puts a line's own annotation at 10 to the power of its height
        text=_("sequence length"),
        x=0,
        xref="paper",
        xanchor="left",
        y=float(np.log10(length)),
        yanchor="bottom",
        showarrow=False,
    )
    edge = 0.5 + 0.02 * len(steps)  # room for the ring
    ticks = {"dtick": 1} if len(steps) <= 12 else {}
    figure.update_xaxes(title_text=_("units, shortest half-life first"), range=[1 - edge, len(steps) + edge], **ticks)
    figure.update_yaxes(
        title_text=_("half-life (time steps)"),
        type="log",
        range=[np.log10(MIN_STEPS) - 0.1, np.log10(top) + 0.15],
        dtick=1,
        tickformat=",",
    )
    return apply_style(figure, theme, height=420).update_layout(hovermode="closest")
