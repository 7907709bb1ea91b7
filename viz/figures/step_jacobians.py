"""What each step's Jacobian does to a gradient that goes back through it."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from viz.colours import Theme, quantity_colour
from viz.figures.log_norm_axis import floor_of, log_axis
from viz.figures.style import INK, finish, step_axis
from viz.i18n import _


def step_jacobians(
    values: np.ndarray, bounds: np.ndarray | None, labels: Sequence[str], *, first: int = 0, theme: Theme = "light"
) -> go.Figure:
    """The singular values of every step's Jacobian, largest to smallest, and how far they could reach by their bound.

    Args:
        values: (T, N), largest first at each step.
        bounds: (T), or None.
        labels: T strings, one a step.
        first: which step of the sequence is the first of them, from 0.
        theme: "light" or "dark".
    """
    figure, steps = go.Figure(), list(range(len(labels)))
    middle = values[:, values.shape[1] // 2]
    # For translators: {step} and {token} are filled by the browser.
    hover = _("step {step}, token '{token}'").format(step="%{customdata[0]}", token="%{customdata[1]}")
    curves = [
        (_("upper bound from the norms of its terms"), bounds, INK[theme], "dot", 1.5),
        (_("largest singular value"), values[:, 0], quantity_colour("forget_gate", theme), "solid", 2.5),
        (_("median singular value"), middle, quantity_colour("candidate", theme), "dash", 2),
        (_("smallest singular value"), values[:, -1], quantity_colour("output_gate", theme), "dashdot", 1.5),
    ]
    seen = [curve for _name, curve, *_style in curves if curve is not None]
    floor = floor_of(seen, span=8)
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
            customdata=[[first + step + 1, label] for step, label in enumerate(labels)],
            hovertemplate="%{y:.3~g} · " + hover,
        )
    figure.add_hline(y=1, line={"color": INK[theme], "width": 1, "dash": "dash"})
    figure.update_xaxes(title_text=_("time step (token)"), range=[-0.6, len(labels) - 0.4], **step_axis(labels, first))
    figure.update_yaxes(title_text=_("scaling factor (singular value)"), **log_axis([*seen, np.ones(1)], floor))
    return finish(figure, theme, height=360)
