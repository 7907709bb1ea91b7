"""Every gate and state of one unit over the whole sequence, as curves."""

from collections.abc import Sequence
from itertools import cycle

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from models.core.trace import LayerTrace
from viz.colours import Theme, cell_colours
from viz.figures.curves import add_curve
from viz.figures.figure_cache import cached_figure
from viz.figures.style import FOREGROUND, apply_style, step_axis
from viz.i18n import _
from viz.quantity_names import quantity_names

DASHES = ("solid", "dash", "dot", "dashdot")


@cached_figure
def unit_curves(
    layer: LayerTrace,
    unit: int,
    labels: Sequence[str],
    *,
    row: int = 0,
    step: int | None = None,
    theme: Theme = "light",
) -> go.Figure:
    """Draw two panels over the steps: the gates with values between 0 and 1, and the signed quantities.

    Args:
        layer: the layer of the unit.
        unit: from 0.
        labels: T strings, one for each step.
        row: index of the sequence in the batch.
        step: the step to mark, from 0.
        theme: "light" or "dark".
    """
    cell, names, colours = layer.cell_equations, quantity_names(), cell_colours(layer.quantities)[theme]
    gates = list(cell.zero_one_gates)
    signed = [name for name in layer.quantities if name not in gates]
    panels = [panel for panel in (gates, signed) if panel]
    titles = {id(gates): _("gates (0 closed, 1 open)"), id(signed): _("value")}
    figure = make_subplots(rows=len(panels), cols=1, shared_xaxes=True, vertical_spacing=0.06)
    for place, panel in enumerate(panels, start=1):
        for name, dash in zip(panel, cycle(DASHES), strict=False):
            values = layer[name][row, : len(labels)]
            if unit >= values.shape[1]:  # a projected LSTM outputs fewer values than it has units
                continue
            add_curve(
                figure,
                values[:, unit],
                labels,
                name=names.get(name, name),
                colour=colours[name],
                dash=dash,
                row=place,
                col=1,
            )
        figure.update_yaxes(title_text=titles[id(panel)], row=place, col=1)
        if panel is gates:
            figure.update_yaxes(range=[-0.03, 1.03], row=place, col=1)
    if step is not None:
        figure.add_vline(x=step, line={"width": 1, "dash": "dot", "color": FOREGROUND[theme]})
    figure.update_xaxes(**step_axis(labels))
    figure.update_xaxes(title_text=_("time step (token)"), row=len(panels), col=1)
    return apply_style(figure, theme, height=210 * len(panels) + 80)
