"""The positional encoding of a Transformer: sine and cosine waves by dimension."""

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from viz.colours import Theme, plotly_scale, signed_scale
from viz.figures.figure_cache import cached_figure
from viz.figures.style import apply_style, step_axis
from viz.i18n import _


@cached_figure
def positional_encoding(encoding: np.ndarray, labels: list[str], *, theme: Theme = "light") -> go.Figure:
    """Draw two heatmaps, sines and cosines: columns are positions, rows are dimensions of the embedding.

    Args:
        encoding: (T, D), -1..1, sines in the even columns.
        labels: T strings, one for each position.
        theme: "light" or "dark".
    """
    titles = (_("even dimensions: sine"), _("odd dimensions: cosine"))
    figure = make_subplots(rows=1, cols=2, subplot_titles=titles, horizontal_spacing=0.07)
    # For translators: {place} and {token} are filled by the browser.
    at = _("position {place}, “{token}”").format(place="%{customdata[0]}", token="%{customdata[1]}")
    for odd in (0, 1):
        values = encoding[:, odd::2].T
        figure.add_heatmap(
            z=values,
            y=list(range(odd, encoding.shape[1], 2)),
            zmin=-1,
            zmax=1,
            colorscale=plotly_scale(signed_scale(theme)),
            customdata=[[[place, label] for place, label in enumerate(labels)]] * len(values),
            hovertemplate="%{z:.4f} · "
            + at
            + "<br>"
            + _("dimension {column}").format(column="%{y}")
            + "<extra></extra>",
            colorbar={"thickness": 12, "len": 0.9, "tickvals": [-1, 0, 1]},
            showscale=odd == 1,
            row=1,
            col=odd + 1,
        )
    # positions are counted from 0, as in the formula
    figure.update_xaxes(title_text=_("position"), showgrid=False, **step_axis(labels, -1))
    figure.update_yaxes(autorange="reversed", showgrid=False)
    figure.update_yaxes(title_text=_("dimension of the embedding"), col=1)
    figure = apply_style(figure, theme, height=340)
    figure.update_layout(hovermode="closest", margin={"l": 64, "t": 36})
    return figure
