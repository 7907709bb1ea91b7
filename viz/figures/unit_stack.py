"""One gate or state of several units, stacked above one axis of steps."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from viz.colours import Theme, quantity_colour
from viz.figures.curves import add_curve
from viz.figures.figure_cache import cached_figure
from viz.figures.style import FOREGROUND, apply_style, step_axis
from viz.i18n import _
from viz.quantity_names import quantity_names


@cached_figure
def unit_stack(
    values: np.ndarray,
    units: Sequence[int],
    quantity: str,
    labels: Sequence[str],
    *,
    step: int | None = None,
    first: int = 0,
    theme: Theme = "light",
) -> go.Figure:
    """Draw a panel for each unit.

    Args:
        values: (T, H), values of one gate or state.
        units: the units to draw, from the top.
        quantity: name of the gate or state.
        labels: T strings, one for each step.
        step: the step to mark, from 0.
        first: step of the first value, from 0.
        theme: "light" or "dark".
    """
    figure = make_subplots(
        rows=len(units), cols=1, shared_xaxes=True, vertical_spacing=0.03 if len(units) > 3 else 0.06
    )
    opens = quantity.endswith("_gate") and not ((values < 0) | (values > 1)).any()  # a sigmoid gate
    colour = quantity_colour(quantity, theme)
    for place, unit in enumerate(units, start=1):
        add_curve(
            figure,
            values[:, unit],
            labels,
            name=_("unit {unit}").format(unit=unit),
            colour=colour,
            legend=False,
            first=first,
            row=place,
            col=1,
        )
        figure.update_yaxes(title_text=_("unit {unit}").format(unit=unit), nticks=4, row=place, col=1)
        if opens:
            figure.update_yaxes(range=[-0.04, 1.04], tickvals=[0, 0.5, 1], row=place, col=1)
        elif not np.isfinite(values[:, unit]).any():
            figure.add_annotation(text=_("no finite values"), showarrow=False, row=place, col=1)
    if step is not None and first <= step < first + len(labels):
        figure.add_vline(x=step, line={"width": 1, "dash": "dot", "color": FOREGROUND[theme]})
    axis = step_axis(labels, first)
    axis["tickvals"] = [first + at for at in axis["tickvals"]]
    figure.update_xaxes(range=[first - 0.6, first + len(labels) - 0.4], **axis)
    figure.update_xaxes(title_text=_("time step (token)"), row=len(units), col=1)
    figure = apply_style(figure, theme, height=96 * len(units) + 110)
    return figure.update_layout(title={"text": quantity_names()[quantity], "font": {"size": 15}})
