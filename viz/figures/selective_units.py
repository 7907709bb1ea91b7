"""The steps at which units are on that are on in a span and off elsewhere (Strobelt et al. 2018)."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from models.states.downsample import downsample
from viz.colours import Theme, quantity_colour
from viz.figures.figure_cache import cached_figure
from viz.figures.style import FOREGROUND, GRID, apply_style, step_axis
from viz.i18n import _

MAX_BLOCKS = 1200
"""Blocks of steps that are drawn at most; a unit is drawn as on in a block if it is on at any of its steps."""


@cached_figure
def selective_units(
    on: np.ndarray,
    units: Sequence[int],
    span: tuple[int, int],
    labels: Sequence[str],
    *,
    quantity: str,
    theme: Theme = "light",
) -> go.Figure:
    """Draw a row for each unit, filled at the steps at which it is on, and a frame around the span.

    Args:
        on: (T, N), whether each of the units is on.
        units: the N units, from the top.
        span: its first step, from 0, and the step after its last.
        labels: T strings, one for each step.
        quantity: the gate or state, for its colour.
        theme: "light" or "dark".
    """
    blocks = downsample(on.astype(np.float32), MAX_BLOCKS * max(1, len(units)))
    steps = (blocks.step_edges[:-1] + blocks.step_edges[1:] - 1) / 2
    names = [_("unit {unit}").format(unit=unit) for unit in units]
    figure = go.Figure(
        go.Heatmap(
            z=(blocks.high.T > 0).astype(np.int8),
            x=steps,
            y=names,
            zmin=0,
            zmax=1,
            showscale=False,
            colorscale=[[0, GRID[theme]], [1, quantity_colour(quantity, theme)]],
            xgap=1 if len(steps) < 200 else 0,
            ygap=3,
            text=np.tile(np.array(labels, dtype=object)[steps.astype(int)], (len(units), 1)),
            customdata=np.tile(steps.astype(int) + 1, (len(units), 1)),
            # For translators: what is in %{} is filled by the browser.
            hovertemplate="%{y} · "
            + _("step {step}, token '{token}'").format(step="%{customdata}", token="%{text}")
            + "<extra></extra>",
        )
    )
    figure.add_shape(
        type="rect",
        x0=span[0] - 0.5,
        x1=span[1] - 0.5,
        y0=-0.5,
        y1=len(units) - 0.5,
        line={"color": FOREGROUND[theme], "width": 2.5},
    )
    figure.update_yaxes(autorange="reversed", showgrid=False)
    figure.update_xaxes(
        title_text=_("time step (token)"), showgrid=False, range=[-0.6, len(labels) - 0.4], **step_axis(labels)
    )
    figure = apply_style(figure, theme, height=30 * len(units) + 110)
    return figure.update_layout(hovermode="closest", margin={"l": 80, "t": 12})
