"""Every unit at every step, or how far an edit moved it."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from viz.colours import Theme, plotly_scale, signed_scale, unit_scale
from viz.figures.strokes import INK, finish
from viz.i18n import _


def changed_states(
    values: np.ndarray,
    labels: Sequence[str],
    *,
    span: tuple[float, float] | None = None,
    held: Sequence[tuple[int, int, int | None]] = (),
    theme: Theme = "light",
) -> go.Figure:
    """A heatmap, units down and steps across.

    Args:
        values: (T, H).
        labels: T strings, one a step.
        span: the least and the greatest value there can be; None to be centred on 0.
        held: (first step, last step, unit or None for all) of what an edit holds: outlined.
        theme: "light" or "dark".
    """
    size = float(np.nanmax(np.abs(values), initial=0)) or 1.0
    low, high = span or (-size, size)
    scale = unit_scale(theme) if low >= 0 else signed_scale(theme)
    # For translators: {step} and {token} are filled by the browser.
    at = _("step {step}, token '{token}'").format(step="%{customdata[0]}", token="%{customdata[1]}")
    told = np.empty((1, len(labels), 2), dtype=object)
    told[0, :, 0], told[0, :, 1] = range(1, len(labels) + 1), labels
    figure = go.Figure(
        go.Heatmap(
            z=values.T,
            zmin=low,
            zmax=high,
            colorscale=plotly_scale(scale),
            customdata=np.broadcast_to(told, (values.shape[1], *told.shape[1:])) if values.size <= 4000 else None,
            hovertemplate="%{z:.4g} · " + _("unit {unit}").format(unit="%{y}") + " · "
            + (at if values.size <= 4000 else _("step {step}").format(step="%{x}")) + "<extra></extra>",
            x=list(range(1, len(labels) + 1)),
        )
    )  # fmt: skip
    for first, last, unit in held:
        low_unit, high_unit = (-0.5, values.shape[1] - 0.5) if unit is None else (unit - 0.5, unit + 0.5)
        figure.add_shape(
            type="rect",
            x0=first + 0.5,
            x1=last + 1.5,
            y0=low_unit,
            y1=high_unit,
            line={"color": INK[theme], "width": 2},
        )
    figure = finish(figure, theme, height=360)
    figure.update_layout(hovermode="closest")
    figure.update_xaxes(title_text=_("step"), showgrid=False)
    if sum(len(label) + 1 for label in labels) <= 110:
        figure.update_xaxes(tickvals=list(range(1, len(labels) + 1)), ticktext=list(labels), tickangle=0)
    figure.update_yaxes(
        title_text=_("unit"), autorange="reversed", showgrid=False, tickformat="d", dtick=max(1, values.shape[1] // 8)
    )
    return figure
