"""What was promised of a gradient on its way back, beside what really happened to it."""

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from viz.colours import Theme, quantity_colour
from viz.figures.log_norm_axis import add_norms, floor_of, log_axis
from viz.figures.style import INK, finish, step_axis
from viz.i18n import _

STYLE = {"weights": ("forget_gate", "dot"), "steps": ("candidate", "dash"), "radius": ("output_gate", "dashdot")}


def gradient_bounds(
    norms: np.ndarray,
    promised: Mapping[str, np.ndarray],
    labels: Sequence[str],
    *,
    first: int = 0,
    theme: Theme = "light",
) -> go.Figure:
    """The norm of the gradient by every step's state, and the bounds on it, on one log axis.

    Args:
        norms: (T), what happened.
        promised: (T) by name: "steps", from the largest singular value of each step's Jacobian; "weights", from the spectral
            norm of W_hh alone (Pascanu et al. 2013); "radius", what its spectral radius suggests, which bounds nothing.
        labels: T strings, one a step.
        first: which step of the sequence is the first of them, from 0.
        theme: "light" or "dark".
    """
    names = {
        "weights": _("upper bound from ‖W_hh‖ alone"),
        "steps": _("upper bound from the Jacobian of each time step"),
        "radius": _("estimate from the spectral radius (not a bound)"),
    }
    figure = go.Figure()
    happened = norms[np.isfinite(norms) & (norms > 0)]
    top = float(happened.max()) * 1e8 if len(happened) else 1e8
    seen = [norms, *(np.minimum(values, top) for values in promised.values())]
    floor = floor_of([norms], span=20)
    for name, values in promised.items():
        quantity, dash = STYLE[name]
        colour = quantity_colour(quantity, theme)
        add_norms(figure, values, labels, first=first, name=names[name], colour=colour, floor=floor, dash=dash)
    add_norms(figure, norms, labels, first=first, name=_("actual gradient norm"), colour=INK[theme], floor=floor)
    figure.update_xaxes(title_text=_("time step (token)"), range=[-0.6, len(labels) - 0.4], **step_axis(labels, first))
    figure.update_yaxes(title_text=_("gradient norm"), **log_axis(seen, floor))
    return finish(figure, theme, height=360)
