"""Contribution of each step to the gradient of a weight matrix, gate by gate."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from viz.colours import Theme, quantity_colour
from viz.figures.curves import labelled_steps
from viz.figures.figure_cache import cached_figure
from viz.figures.style import apply_style, step_axis
from viz.i18n import _
from viz.quantity_names import quantity_names


@cached_figure
def weight_steps(
    parts: np.ndarray, gates: Sequence[str], labels: Sequence[str], *, theme: Theme = "light"
) -> go.Figure:
    """Draw each step's contribution to a gradient, stacked over the gates; bars below 0 oppose the gradient.

    Args:
        parts: (T, G), projections on the whole gradient; they add up to its norm.
        gates: the G gates.
        labels: T strings, one for each step.
        theme: "light" or "dark".
    """
    figure, names = go.Figure(), quantity_names()
    # For translators: {step} and {token} are filled by the browser.
    hover = _("step {step}, token '{token}'").format(step="%{customdata[0]}", token="%{customdata[1]}")
    for index, gate in enumerate(gates):
        figure.add_bar(
            x=list(range(len(labels))),
            y=[float(value) if np.isfinite(value) else None for value in parts[:, index]],
            name=names[gate],
            marker={"color": quantity_colour(gate, theme)},
            customdata=labelled_steps(labels),
            hovertemplate="%{y:.3~g} · " + hover,
        )
    figure.update_layout(barmode="relative", bargap=0.15 if len(labels) <= 200 else 0)
    figure.update_xaxes(title_text=_("time step (token)"), range=[-0.6, len(labels) - 0.4], **step_axis(labels))
    figure.update_yaxes(
        title_text=_("contribution to the gradient norm"), exponentformat="power", automargin=True, title_standoff=12
    )
    return apply_style(figure, theme, height=360)
