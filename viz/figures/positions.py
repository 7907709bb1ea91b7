"""The positional encoding of a Transformer: a wave for every pair of columns."""

import numpy as np
import plotly.graph_objects as go

from viz.colours import Theme, plotly_scale, signed_scale
from viz.figures.strokes import finish, step_axis
from viz.i18n import _


def positional_encoding(encoding: np.ndarray, labels: list[str], *, theme: Theme = "light") -> go.Figure:
    """A map of what is added to each symbol's vector: symbols across, columns of the vector down.

    Args:
        encoding: (T, D), -1..1.
        labels: T strings, one a symbol.
        theme: "light" or "dark".
    """
    # For translators: {step} and {token} are filled by the browser.
    at = _("step {step}, token '{token}'").format(step="%{customdata[0]}", token="%{customdata[1]}")
    told = [[[step + 1, label] for step, label in enumerate(labels)]] * encoding.shape[1]
    figure = go.Figure(
        go.Heatmap(
            z=encoding.T,
            zmin=-1,
            zmax=1,
            colorscale=plotly_scale(signed_scale(theme)),
            customdata=told,
            hovertemplate="%{z:.4f} · " + at + "<br>" + _("column {column}").format(column="%{y}") + "<extra></extra>",
            colorbar={"thickness": 12, "len": 0.9, "tickvals": [-1, 0, 1]},
        )
    )
    figure.update_xaxes(title_text=_("position"), showgrid=False, **step_axis(labels))
    figure.update_yaxes(title_text=_("column of the vector"), autorange="reversed", showgrid=False)
    figure = finish(figure, theme, height=320)
    figure.update_layout(hovermode="closest", margin={"l": 64, "t": 12})
    return figure
