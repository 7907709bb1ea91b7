"""The weights of one attention head as a heatmap."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from viz.colours import Theme, plotly_scale, unit_scale
from viz.figures.figure_cache import cached_figure
from viz.figures.style import apply_style, step_axis
from viz.i18n import _

MAX_SYMBOL_TICKS = 80


@cached_figure
def attention_map(
    weights: np.ndarray, queries: Sequence[str], keys: Sequence[str], *, max_weight: float = 1.0, theme: Theme = "light"
) -> go.Figure:
    """Draw an attention map: rows are queries, columns are keys.

    Args:
        weights: (T, T'), 0..1.
        queries: T symbols.
        keys: T' symbols.
        max_weight: the weight at the end of the colour scale.
        theme: "light" or "dark".
    """
    rows, columns = ([f"{place + 1} {symbol}" for place, symbol in enumerate(symbols)] for symbols in (queries, keys))
    labels = [[[row, column] for column in columns] for row in rows]
    figure = go.Figure(
        go.Heatmap(
            z=weights,
            zmin=0,
            zmax=max_weight,
            colorscale=plotly_scale(unit_scale(theme)),
            customdata=labels,
            hovertemplate="%{z:.4f}<br>"
            + _("{asking} attends to {asked}").format(asking="%{customdata[0]}", asked="%{customdata[1]}")
            + "<extra></extra>",
            colorbar={"thickness": 12, "len": 0.9},
            xgap=1 if len(keys) <= 60 else 0,
            ygap=1 if len(queries) <= 60 else 0,
        )
    )
    figure.update_xaxes(title_text=_("attended to (key)"), showgrid=False, **_ticks(keys))
    figure.update_yaxes(title_text=_("attending (query)"), autorange="reversed", showgrid=False, **_ticks(queries))
    figure = apply_style(figure, theme, height=int(min(640, max(300, 110 + 19 * len(queries)))))
    figure.update_layout(hovermode="closest", margin={"l": 64, "t": 12})
    return figure


def min_map_width(keys: Sequence[str]) -> int:
    """Return the width in pixels from which the labels of the columns stay apart, upright or turned."""
    return 150 + 14 * len(keys) if len(keys) <= MAX_SYMBOL_TICKS else 0


def _ticks(symbols: Sequence[str]) -> dict:
    """Return the ticks of an axis: every symbol up to `MAX_SYMBOL_TICKS` symbols, else step numbers from 1."""
    if len(symbols) > MAX_SYMBOL_TICKS:
        return step_axis(symbols)
    return {"tickvals": list(range(len(symbols))), "ticktext": list(symbols), "autotickangles": [0, 90]}
