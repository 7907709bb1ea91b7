"""Norms of the gradient of the loss with respect to each step's states."""

from collections.abc import Mapping, Sequence
from itertools import cycle

import numpy as np
import plotly.graph_objects as go

from viz.colours import Theme, cell_colours
from viz.figures.figure_cache import cached_figure
from viz.figures.log_norm_axis import add_norm_curve, axis_floor, log_axis
from viz.figures.style import FOREGROUND, apply_style, step_axis
from viz.i18n import _
from viz.quantity_names import quantity_names


@cached_figure
def gradient_norms(
    norms: Mapping[str, np.ndarray],
    labels: Sequence[str],
    *,
    loss_step: int | None = None,
    reverse: bool = False,
    theme: Theme = "light",
) -> go.Figure:
    """Draw the L2 norms of dL/dh_t, and of an LSTM's dL/dc_t, over the steps on a log axis.

    Args:
        norms: state ("hidden", for an LSTM also "cell"; of a cell of the user's own every gate and state) -> (T); 0 where
            the loss does not depend on it.
        labels: T strings, one for each step.
        loss_step: step of the loss, from 0; None for a loss at every step.
        reverse: whether the layer runs from the last step to the first.
        theme: "light" or "dark".
    """
    colours, dashes = cell_colours(tuple(norms))[theme], cycle(("solid", "dash", "dot", "dashdot"))
    names = {"hidden": "‖∂L/∂h‖ · " + _("hidden state"), "cell": "‖∂L/∂c‖ · " + _("cell state")}
    figure = go.Figure()
    reached = slice(loss_step, None) if reverse else slice(None, None if loss_step is None else loss_step + 1)
    curves = [values[reached] for values in norms.values()]
    floor = axis_floor(curves, span=30)
    for (state, values), dash in zip(norms.items(), dashes, strict=False):
        # the loss does not depend on later steps: leave them out instead of drawing zeros
        shown = np.full(values.shape, np.nan)
        shown[reached] = values[reached]
        add_norm_curve(
            figure,
            shown,
            labels,
            name=names.get(state) or "‖∂L/∂ " + quantity_names().get(state, state) + "‖",
            colour=colours[state],
            floor=floor,
            dash=dash,
        )
    if loss_step is not None:
        figure.add_vline(x=loss_step, line={"color": FOREGROUND[theme], "width": 1, "dash": "dot"})
        figure.add_annotation(
            x=loss_step,
            y=1,
            yref="paper",
            text=_("loss"),
            showarrow=False,
            xanchor="left" if reverse else "right",
            xshift=4 if reverse else -4,
        )
    figure.update_xaxes(title_text=_("time step (token)"), range=[-0.6, len(labels) - 0.4], **step_axis(labels))
    figure.update_yaxes(title_text=_("gradient norm"), **log_axis(curves, floor))
    return apply_style(figure, theme, height=360)
