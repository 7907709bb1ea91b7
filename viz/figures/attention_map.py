"""The weights of one attention head as a map."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from viz.colours import Theme, plotly_scale, unit_scale
from viz.figures.style import finish, step_axis
from viz.i18n import _


def attention_map(
    weights: np.ndarray, asking: Sequence[str], asked: Sequence[str], *, most: float = 1.0, theme: Theme = "light"
) -> go.Figure:
    """Who asks down, who is asked across.

    Args:
        weights: (T, T'), 0..1.
        asking: T symbols. asked: T' symbols.
        most: the weight that has the strongest colour.
        theme: "light" or "dark".
    """
    rows, columns = ([f"{place + 1} {symbol}" for place, symbol in enumerate(symbols)] for symbols in (asking, asked))
    told = [[[row, column] for column in columns] for row in rows]
    figure = go.Figure(
        go.Heatmap(
            z=weights,
            zmin=0,
            zmax=most,
            colorscale=plotly_scale(unit_scale(theme)),
            customdata=told,
            hovertemplate="%{z:.4f}<br>"
            + _("{asking} attends to {asked}").format(asking="%{customdata[0]}", asked="%{customdata[1]}")
            + "<extra></extra>",
            colorbar={"thickness": 12, "len": 0.9},
            xgap=1 if len(asked) <= 60 else 0,
            ygap=1 if len(asking) <= 60 else 0,
        )
    )
    figure.update_xaxes(title_text=_("attended to (key)"), showgrid=False, **_ticks(asked))
    figure.update_yaxes(title_text=_("attending (query)"), autorange="reversed", showgrid=False, **_ticks(asking))
    figure = finish(figure, theme, height=int(min(640, max(300, 110 + 19 * len(asking)))))
    figure.update_layout(hovermode="closest", margin={"l": 64, "t": 12})
    return figure


def _ticks(symbols: Sequence[str]) -> dict:
    """Every symbol where there is room for it, else numbers from 1."""
    if len(symbols) > 80:
        return step_axis(symbols)
    return {"tickvals": list(range(len(symbols))), "ticktext": list(symbols), "tickangle": 0}
