"""How long every unit's state lasts by its gate alone."""

import numpy as np
import plotly.graph_objects as go

from viz.colours import Theme, quantity_colour
from viz.figures.style import INK, finish
from viz.i18n import _

LEAST = 0.05
"""Steps: a shorter half-life is drawn here, at the bottom of the axis."""


def half_lives(steps: np.ndarray, gate: str, *, unit: int, length: int, theme: Theme = "light") -> go.Figure:
    """Every unit's half-life in steps, shortest first, on a log axis.

    Args:
        steps: (H), ``models.states.gate_retention.half_life``; inf forgets nothing, NaN is unknown.
        gate: the gate that carries the state on.
        unit: the unit to ring.
        length: T of the sequence; a longer half-life outlasts it.
        theme: "light" or "dark".
    """
    known = np.flatnonzero(~np.isnan(steps))
    order = known[np.argsort(steps[known], kind="stable")]
    finite = steps[np.isfinite(steps)]
    top = max(float(finite.max(initial=1)), float(length)) * 2
    drawn = np.clip(steps[order], LEAST, top)
    told = ["∞" if np.isinf(steps[each]) else f"{steps[each]:.3g}" for each in order]
    figure = go.Figure()
    # For translators: {unit} and {n} are filled by the browser.
    hover = _("unit {unit}: half-life {n} time steps").format(unit="%{customdata[0]}", n="%{customdata[1]}")
    symbols = np.where(np.isinf(steps[order]), "triangle-up", "circle")
    figure.add_scatter(
        x=list(range(1, len(order) + 1)),
        y=drawn,
        mode="markers",
        marker={"color": quantity_colour(gate, theme), "size": 8, "symbol": symbols.tolist()},
        customdata=[[int(each), text] for each, text in zip(order, told, strict=True)],
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
            marker={"color": "rgba(0,0,0,0)", "size": 17, "line": {"color": INK[theme], "width": 2.5}},
            hoverinfo="skip",
            showlegend=False,
        )
    figure.add_hline(y=length, line={"width": 1, "dash": "dot", "color": INK[theme]})
    figure.add_annotation(  # of its own: on a log axis a line's annotation would stand at 10 to its height
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
        range=[np.log10(LEAST) - 0.1, np.log10(top) + 0.15],
        dtick=1,
        tickformat=",",
    )
    return finish(figure, theme, height=420).update_layout(hovermode="closest")
