"""Masks of dropout and zoneout of one training step, drawn over the unrolled network."""

from collections.abc import Sequence
from dataclasses import dataclass

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


@dataclass(frozen=True, eq=False)
class DrawnMask:
    """A mask to draw.

    Attributes:
        title: what it acts on.
        values: (T, G, U): 0 where a value is dropped; of zoneout, 1 where a unit keeps its previous state.
        keeps: whether it is a mask of zoneout.
        gates: names of the G gates that have a mask each; empty if there is one for all.
    """

    title: str
    values: np.ndarray
    keeps: bool = False
    gates: tuple[str, ...] = ()

    @property
    def units(self) -> int:
        """The number of units that are drawn, of each gate."""
        return min(MAX_UNITS // max(1, len(self.gates)), self.values.shape[2])

    def rows(self) -> np.ndarray:
        """Return what is drawn, (T, rows): the first units; of several gates those of the first gate lowest."""
        shown = self.values[:MAX_STEPS, :, : self.units]
        return shown.reshape(len(shown), -1)


@cached_figure
def mask_grid(masks: Sequence[DrawnMask], *, theme: Theme = "light") -> go.Figure:
    """Draw a row of the picture for each mask: time steps across, units up; a dropped value, or a kept state, is coloured.

    Args:
        masks: the first one is drawn at the bottom, as the network is unrolled.
        theme: "light" or "dark".
    """
    rows = list(reversed(masks))
    figure = make_subplots(
        rows=len(rows),
        cols=1,
        shared_xaxes=True,
        vertical_spacing=min(0.2, 0.5 / max(1, len(rows))),
        subplot_titles=[each.title for each in rows],
    )
    for place, each in enumerate(rows):
        shown = each.rows()
        marked = (shown == 1 if each.keeps else shown == 0).astype(float)
        colour = quantity_colour("cell" if each.keeps else "forget_gate", theme)
        word = _("keeps its state") if each.keeps else _("dropped")
        figure.add_heatmap(
            x=np.arange(1, len(shown) + 1),
            y=np.arange(shown.shape[1]),
            customdata=np.broadcast_to(_row_names(each)[:, None], marked.T.shape),
            z=marked.T,
            zmin=0,
            zmax=1,
            colorscale=[[0, GRID[theme]], [1, colour]],
            showscale=False,
            xgap=1,
            ygap=1,
            text=np.where(marked.T == 1, word, _("active")),
            hovertemplate=_("time step {step} · unit {unit}").format(step="%{x}", unit="%{customdata}")
            + " · %{text}<extra></extra>",
            row=place + 1,
            col=1,
        )
        names = {"title_text": _("unit")}
        if each.gates:
            middles = (np.arange(len(each.gates)) + 0.5) * each.units - 0.5
            names = {"tickvals": middles.tolist(), "ticktext": list(each.gates)}  # type: ignore[dict-item]
        figure.update_yaxes(**names, row=place + 1, col=1)
    figure.update_xaxes(showgrid=False, tickformat=",d")
    figure.update_xaxes(title_text=_("time step"), row=len(rows), col=1)
    figure.update_yaxes(showgrid=False, nticks=4, tickformat=",d", automargin=True, title_standoff=8)
    figure = apply_style(figure, theme, height=90 + ROW_HEIGHT * len(rows))
    return figure.update_layout(hovermode="closest", plot_bgcolor=BACKGROUND[theme], margin={"t": 28, "l": 40})


def _row_names(mask: DrawnMask) -> np.ndarray:
    """Return the unit of each drawn row, of several gates with the gate's name."""
    units = [f"{unit:,}" for unit in range(mask.units)]
    return np.array([f"{unit} · {gate}" for gate in mask.gates for unit in units] if mask.gates else units)
