"""Singular values of each step's Jacobian: how it scales gradients."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from viz.colours import Theme, quantity_colour
from viz.figures.curves import labelled_steps
from viz.figures.figure_cache import cached_figure
from viz.figures.log_norm_axis import axis_floor, log_axis
from viz.figures.style import FOREGROUND, apply_style, step_axis
from viz.i18n import _


@cached_figure
def jacobian_singular_values(
    values: np.ndarray, bounds: np.ndarray | None, labels: Sequence[str], *, first: int = 0, theme: Theme = "light"
) -> go.Figure:
    """Draw the largest, median and smallest singular value of each step's Jacobian and an upper bound.

    Args:
        values: (T, N), largest first at each step.
        bounds: (T), upper bounds on the largest singular value, or None.
        labels: T strings, one for each step.
        first: step of the sequence, from 0, of the first value.
        theme: "light" or "dark".
    """
    figure, steps = go.Figure(), list(range(len(labels)))
    middle = values[:, values.shape[1] // 2]
    # For translators: {step} and {token} are filled by the browser.
    hover = _("step {step}, token '{token}'").format(step="%{customdata[0]}", token="%{customdata[1]}")
    curves = [
        (_("upper bound from the norms of its terms"), bounds, FOREGROUND[theme], "dot", 1.5),
        (_("largest singular value"), values[:, 0], quantity_colour("forget_gate", theme), "solid", 2.5),
        (_("median singular value"), middle, quantity_colour("candidate", theme), "dash", 2),
        (_("smallest singular value"), values[:, -1], quantity_colour("output_gate", theme), "dashdot", 1.5),
    ]
    drawn = [curve for _name, curve, *_style in curves if curve is not None]
    floor = axis_floor(drawn, span=8)
    for name, curve, colour, dash, width in curves:
        if curve is None:
            continue
        if not (curve >= floor).any():
            name = _("{name} (below the axis range)").format(name=name)
        figure.add_scatter(
            x=steps,
            y=[float(value) if np.isfinite(value) and value > 0 else None for value in curve],
            name=name,
            mode="lines",
            line={"color": colour, "dash": dash, "width": width},
            customdata=labelled_steps(labels, first),
            hovertemplate="%{y:.3~g} · " + hover,
        )
    figure.add_hline(y=1, line={"color": FOREGROUND[theme], "width": 1, "dash": "dash"})
    figure.update_xaxes(title_text=_("time step (token)"), range=[-0.6, len(labels) - 0.4], **step_axis(labels, first))
    figure.update_yaxes(title_text=_("scaling factor (singular value)"), **log_axis([*drawn, np.ones(1)], floor))
    return apply_style(figure, theme, height=360)
