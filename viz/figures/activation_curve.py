"""The activation functions of a cell and their derivatives, with the preactivations of one time step on them."""

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from models.core.activations import Activation
from viz.colours import Theme, quantity_colour
from viz.figures.figure_cache import cached_figure
from viz.figures.style import FOREGROUND, apply_style
from viz.i18n import _
from viz.quantity_names import quantity_names

RANGE = 6.0
"""The curves reach at least from -6 to 6."""


@cached_figure
def activation_curve(
    preactivations: Mapping[str, np.ndarray],
    *,
    activations: Mapping[str, Activation],
    unit: int,
    theme: Theme = "light",
) -> go.Figure:
    """Draw each activation function as a curve with a dot for every unit, and below it the derivative.

    Args:
        preactivations: gate -> (H) at one time step; ``"cell"`` -> the cell state, which passes through one too.
        activations: gate -> activation function of its sum; ``"cell"`` -> that of the cell state.
        unit: the unit to emphasize.
        theme: "light" or "dark".
    """
    panels: dict[Activation, list[str]] = {}
    for name in preactivations:
        panels.setdefault(activations[name], []).append(name)
    finite = [values[np.isfinite(values)] for values in preactivations.values()]
    reach = max([RANGE, *(float(np.abs(values).max()) for values in finite if len(values))])
    x = np.linspace(-min(reach, 50.0), min(reach, 50.0), 401, dtype=np.float32)
    names = quantity_names()
    figure = make_subplots(
        rows=2,
        cols=len(panels),
        shared_xaxes=True,
        vertical_spacing=0.08,
        subplot_titles=[through.symbol for through in panels],
    )
    # For translators: {unit}, {a} and {value} are filled by the browser.
    hover = _("unit {unit}: a = {a}, {value}").format(unit="%{customdata}", a="%{x:.3f}", value="%{y:.4f}")
    for column, (through, gates) in enumerate(panels.items(), start=1):
        for row in (1, 2):
            curve = through(x) if row == 1 else through.slope(through(x))
            figure.add_scatter(
                x=x,
                y=curve,
                mode="lines",
                line={"color": FOREGROUND[theme], "width": 1.5},
                showlegend=False,
                hoverinfo="skip",
                row=row,
                col=column,
            )
            for gate in gates:
                values = preactivations[gate]
                units = np.arange(len(values))
                heights = through(values) if row == 1 else through.slope(through(values))
                figure.add_scatter(
                    x=values,
                    y=heights,
                    mode="markers",
                    name=names[gate],
                    legendgroup=gate,
                    showlegend=row == 1,
                    marker={
                        "color": quantity_colour(gate, theme),
                        "opacity": 0.75,
                        "size": np.where(units == unit, 13, 7),
                        "line": {
                            "color": FOREGROUND[theme],
                            "width": np.where(units == unit, 2, 0),
                        },
                    },
                    customdata=units,
                    hovertemplate=hover,
                    row=row,
                    col=column,
                )
        figure.update_xaxes(title_text=_("pre-activation a"), row=2, col=column)
    figure.update_yaxes(title_text=_("activation"), row=1, col=1)
    figure.update_yaxes(title_text=_("derivative"), rangemode="tozero", row=2, col=1)
    figure = apply_style(figure, theme, height=460)
    figure.update_layout(hovermode="closest", margin={"t": 64}, legend={"y": 1.08})
    return figure
