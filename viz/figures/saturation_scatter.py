"""How often each gate is nearly closed or nearly open (Karpathy, Johnson and Li 2015, figure 3)."""

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go

from models.states.saturation import LEFT, RIGHT, Saturation
from viz.colours import Theme, quantity_colour
from viz.figures.figure_cache import cached_figure
from viz.figures.style import FOREGROUND, apply_style
from viz.i18n import _
from viz.quantity_names import quantity_names

SYMBOLS = ("circle", "diamond", "square")


@cached_figure
def saturation_scatter(gates: Mapping[str, Saturation], *, unit: int, theme: Theme = "light") -> go.Figure:
    """Draw a dot for each unit and gate: x is the share of steps at which it is closed, y at which it is open.

    Args:
        gates: gate -> its saturation, (H) each.
        unit: the unit to circle.
        theme: "light" or "dark".
    """
    figure, names = go.Figure(), quantity_names()
    # For translators: {unit} and the shares are filled by the browser.
    hover = _("unit {unit}: closed at {left}, open at {right} of the steps").format(
        unit="%{customdata}", left="%{x:.0%}", right="%{y:.0%}"
    )
    for (gate, saturation), symbol in zip(gates.items(), SYMBOLS, strict=False):
        finite = np.flatnonzero(np.isfinite(saturation.left) & np.isfinite(saturation.right))
        figure.add_scatter(
            x=saturation.left[finite],
            y=saturation.right[finite],
            name=names[gate],
            mode="markers",
            marker={"color": quantity_colour(gate, theme), "symbol": symbol, "size": 9, "opacity": 0.65},
            customdata=finite,
            hovertemplate=hover,
        )
    for gate, saturation in gates.items():
        if unit < len(saturation.left) and np.isfinite(saturation.left[unit]):
            figure.add_scatter(
                x=[saturation.left[unit]],
                y=[saturation.right[unit]],
                mode="markers",
                showlegend=False,
                hoverinfo="skip",
                marker={
                    "color": "rgba(0,0,0,0)",
                    "size": 17,
                    "line": {"color": FOREGROUND[theme], "width": 2.5},
                    "symbol": "circle",
                },
                name=names[gate],
            )
    figure.add_scatter(x=[0, 1], y=[1, 0], mode="lines", line={"width": 1, "dash": "dot", "color": FOREGROUND[theme]},
                       opacity=0.5, showlegend=False, hoverinfo="skip")  # fmt: skip
    figure.update_xaxes(
        title_text=_("share of time steps below {n}").format(n=LEFT), range=[-0.04, 1.04], tickformat=".0%"
    )
    figure.update_yaxes(
        title_text=_("share of time steps above {n}").format(n=RIGHT), range=[-0.04, 1.04], tickformat=".0%"
    )
    return apply_style(figure, theme, height=420).update_layout(hovermode="closest")
