"""Derivatives of the activation functions at the preactivations of a run."""

from collections.abc import Mapping, Sequence
from itertools import cycle

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from models.core.activations import Activation
from viz.colours import Theme, quantity_colour
from viz.figures.curves import labelled_steps
from viz.figures.figure_cache import cached_figure
from viz.figures.style import FOREGROUND, apply_style, step_axis
from viz.i18n import _
from viz.quantity_names import quantity_names

DASHES = ("solid", "dash", "dot", "dashdot")
PIECEWISE_LINEAR = ("relu", "hard_sigmoid", "hard_sigmoid_3")
"""Activations whose derivative takes only two values."""


@cached_figure
def activation_slope_curves(
    slopes: Mapping[str, np.ndarray],
    labels: Sequence[str],
    *,
    activations: Mapping[str, Activation],
    theme: Theme = "light",
) -> go.Figure:
    """Draw a panel for each activation function: mean and largest derivative over the units, and its upper bound.

    The bound is 1 for tanh and 1/4 for the sigmoid.

    Args:
        slopes: gate -> (T, H).
        labels: T strings, one for each step.
        activations: gate -> activation function of its sum; ``"cell"`` -> activation function of the cell state.
        theme: "light" or "dark".
    """
    panels: dict[Activation, list[str]] = {}
    for name in sorted(slopes, key=lambda name: name.endswith("_gate")):
        panels.setdefault(activations[name], []).append(name)
    figure = make_subplots(rows=len(panels), cols=1, shared_xaxes=True, vertical_spacing=0.09)
    # For translators: {step} and {token} are filled by the browser.
    hover = "%{y:.3f} · " + _("step {step}, token '{token}'").format(step="%{customdata[0]}", token="%{customdata[1]}")
    words, steps = slope_names(activations), list(range(len(labels)))
    for row, (through, names) in enumerate(panels.items(), start=1):
        bound = through.max_slope
        for name, dash in zip(names, cycle(DASHES), strict=False):
            values, colour = slopes[name], quantity_colour(name, theme)
            figure.add_scatter(
                x=steps,
                y=values.mean(axis=1).tolist(),
                name=_("{gate}, mean of all units").format(gate=words[name]),
                legendgroup=name,
                mode="lines",
                line={"color": colour, "width": 2, "dash": dash},
                customdata=labelled_steps(labels),
                hovertemplate=hover,
                row=row,
                col=1,
            )
        largest = np.max([slopes[name].max(axis=1) for name in names], axis=0)
        figure.add_scatter(
            x=steps,
            y=largest.tolist(),
            name=_("maximum over all units"),
            legendgroup="largest",
            showlegend=row == 1,
            mode="lines",
            line={"color": FOREGROUND[theme], "width": 1},
            customdata=labelled_steps(labels),
            hovertemplate=hover,
            row=row,
            col=1,
        )
        figure.add_hline(y=bound, line={"color": FOREGROUND[theme], "width": 1.5, "dash": "dash"}, row=row, col=1)
        figure.update_yaxes(title_text=_title(through), range=[-0.02 * bound, 1.12 * bound], row=row, col=1)
    figure.update_xaxes(**step_axis(labels))
    figure.update_xaxes(title_text=_("time step (token)"), row=len(panels), col=1)
    return apply_style(figure, theme, height=190 * len(panels) + 90)


def slope_names(activations: Mapping[str, Activation]) -> dict[str, str]:
    """Return the display name of each derivative by gate; ``"cell"`` is that of the activated cell state."""
    names = quantity_names()
    if "cell" in activations:
        names["cell"] = _("{activation} of the cell state").format(activation=activations["cell"].symbol)
    return names


def _title(through: Activation) -> str:
    bound = {0.25: "¼", 1 / 6: "⅙"}.get(through.max_slope, f"{through.max_slope:g}")
    if through.name in PIECEWISE_LINEAR:
        return _("derivative of {activation} (0 or {bound})").format(activation=through.symbol, bound=bound)
    return _("derivative of {activation} (at most {bound})").format(activation=through.symbol, bound=bound)
