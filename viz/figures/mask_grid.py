"""Masks of dropout and zoneout of one training step, drawn over the unrolled network."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from viz.colours import Theme, quantity_colour
from viz.figures.figure_cache import cached_figure
from viz.figures.style import BACKGROUND, GRID, apply_style
from viz.i18n import _

MAX_UNITS, MAX_STEPS = 24, 60
"""Units and time steps of a mask that are drawn: the first ones."""

ROW_HEIGHT = 150


@cached_figure
def mask_grid(masks: Sequence[tuple[str, np.ndarray, bool]], *, theme: Theme = "light") -> go.Figure:
    """Draw a row of the picture for each mask: time steps across, units up; a dropped value, or a kept state, is coloured.

    Args:
        masks: title, values (T, U), and whether it is a mask of zoneout, which is 1 where a unit keeps its previous state;
            the other masks are 0 where a value is dropped. The first one is drawn at the bottom, as the network is unrolled.
        theme: "light" or "dark".
    """
    rows = list(reversed(masks))
    figure = make_subplots(
        rows=len(rows),
        cols=1,
        shared_xaxes=True,
        vertical_spacing=min(0.2, 0.5 / max(1, len(rows))),
        subplot_titles=[title for title, _values, _keeps in rows],
    )
    for place, (_title, values, keeps) in enumerate(rows):
        shown = values[:MAX_STEPS, :MAX_UNITS]
        marked = (shown == 1 if keeps else shown == 0).astype(float)
        colour = quantity_colour("cell" if keeps else "forget_gate", theme)
        word = _("keeps its state") if keeps else _("dropped")
        figure.add_heatmap(
            x=np.arange(1, len(shown) + 1),
            y=np.arange(shown.shape[1]),
            z=marked.T,
            zmin=0,
            zmax=1,
            colorscale=[[0, GRID[theme]], [1, colour]],
            showscale=False,
            xgap=1,
            ygap=1,
            text=np.where(marked.T == 1, word, _("active")),
            hovertemplate=_("time step {step} · unit {unit}").format(step="%{x}", unit="%{y}")
            + " · %{text}<extra></extra>",
            row=place + 1,
            col=1,
        )
    figure.update_xaxes(showgrid=False, tickformat=",d")
    figure.update_xaxes(title_text=_("time step"), row=len(rows), col=1)
    figure.update_yaxes(showgrid=False, nticks=4, tickformat=",d")
    figure = apply_style(figure, theme, height=90 + ROW_HEIGHT * len(rows))
    return figure.update_layout(hovermode="closest", plot_bgcolor=BACKGROUND[theme], margin={"t": 28, "l": 40})
