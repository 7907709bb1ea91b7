"""Gradient clipping: each step's contribution to the gradient norm before and after."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from viz.colours import Theme, quantity_colour
from viz.figures.curves import labelled_steps
from viz.figures.figure_cache import cached_figure
from viz.figures.style import apply_style, step_axis
from viz.i18n import _


@cached_figure
def clipped_steps(parts: np.ndarray, coefficient: float, labels: Sequence[str], *, theme: Theme = "light") -> go.Figure:
    """Draw the part of each step's contribution that is left after clipping, and on top of it the part that is removed.

    Args:
        parts: (T), contributions to the norm before clipping; negative for a step whose gradient opposes the sum.
        coefficient: factor that every gradient is multiplied by, at most 1.
        labels: T strings, one for each step.
        theme: "light" or "dark".
    """
    figure = go.Figure()
    left = parts * coefficient
    # For translators: {step} and {token} are filled by the browser.
    hover = _("step {step}, token '{token}'").format(step="%{customdata[0]}", token="%{customdata[1]}")
    bars = (
        (_("left after clipping"), left, quantity_colour("input_gate", theme), ""),
        (_("removed by clipping"), parts - left, quantity_colour("forget_gate", theme), "/"),
    )
    for name, values, colour, pattern in bars:
        figure.add_bar(
            x=list(range(len(labels))),
            y=[float(value) if np.isfinite(value) else None for value in values],
            name=name,
            marker={"color": colour, "pattern": {"shape": pattern}},
            customdata=labelled_steps(labels),
            hovertemplate="%{y:.3~g} · " + hover,
        )
    figure.update_layout(barmode="relative", bargap=0.15 if len(labels) <= 200 else 0)
    figure.update_xaxes(title_text=_("time step (token)"), range=[-0.6, len(labels) - 0.4], **step_axis(labels))
    figure.update_yaxes(
        title_text=_("contribution to the gradient norm"), exponentformat="power", automargin=True, title_standoff=12
    )
    return apply_style(figure, theme, height=340)
