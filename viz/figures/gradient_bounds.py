"""Upper bounds on a gradient through time beside its actual norm."""

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from viz.colours import Theme, quantity_colour
from viz.figures.figure_cache import cached_figure
from viz.figures.log_norm_axis import add_norm_curve, axis_floor, log_axis
from viz.figures.style import FOREGROUND, apply_style, step_axis
from viz.i18n import _

STYLE = {"weights": ("forget_gate", "dot"), "steps": ("candidate", "dash"), "radius": ("output_gate", "dashdot")}


@cached_figure
def gradient_bounds(
    norms: np.ndarray,
    bounds: Mapping[str, np.ndarray],
    labels: Sequence[str],
    *,
    first: int = 0,
    theme: Theme = "light",
) -> go.Figure:
    """Draw the norm of the gradient with respect to each step's state and its bounds on one log axis.

    Args:
        norms: (T), actual gradient norms.
        bounds: name -> (T): "steps", from the largest singular value of each step's Jacobian; "weights", from the spectral
            norm of W_hh alone (Pascanu et al. 2013); "radius", an estimate from its spectral radius, not a bound.
        labels: T strings, one for each step.
        first: step of the sequence, from 0, of the first value.
        theme: "light" or "dark".
    """
    names = {
        "weights": _("upper bound from ‖W_hh‖ alone"),
        "steps": _("upper bound from the Jacobian of each time step"),
        "radius": _("estimate from the spectral radius (not a bound)"),
    }
    figure = go.Figure()
    positive = norms[np.isfinite(norms) & (norms > 0)]
    top = float(positive.max()) * 1e8 if len(positive) else 1e8
    curves = [norms, *(np.minimum(values, top) for values in bounds.values())]
    floor = axis_floor([norms], span=20)
    for name, values in bounds.items():
        quantity, dash = STYLE[name]
        colour = quantity_colour(quantity, theme)
        add_norm_curve(figure, values, labels, first=first, name=names[name], colour=colour, floor=floor, dash=dash)
    add_norm_curve(
        figure, norms, labels, first=first, name=_("actual gradient norm"), colour=FOREGROUND[theme], floor=floor
    )
    figure.update_xaxes(title_text=_("time step (token)"), range=[-0.6, len(labels) - 0.4], **step_axis(labels, first))
    figure.update_yaxes(title_text=_("gradient norm"), **log_axis(curves, floor))
    return apply_style(figure, theme, height=360)
