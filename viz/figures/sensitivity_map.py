"""Sensitivity of one state to every input, as shades of colour after Graves (2012)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from viz.colours import Theme, plotly_scale, quantity_colour, text_colour, unit_scale
from viz.figures.curves import labelled_steps
from viz.figures.figure_cache import cached_figure
from viz.figures.log_norm_axis import add_norm_curve, axis_floor, log_axis
from viz.figures.style import FOREGROUND, apply_style, step_axis
from viz.i18n import _

MAX_STEPS = 600
"""Steps that are drawn; in a longer sequence those next to the state."""

MAX_CELL_CHARACTERS = 100
"""Characters of all tokens together up to which they are written on the coloured cells."""


@cached_figure
def sensitivity_map(
    total: np.ndarray,
    carry_path: np.ndarray | None,
    labels: Sequence[str],
    *,
    step: int,
    carry_state: str = "cell",
    forward: bool = False,
    theme: Theme = "light",
) -> go.Figure:
    """Draw a row of coloured cells for each kind of path, and below it the same sensitivities as curves on a log axis.

    Args:
        total: (T), ||d h_t / d x_k|| along all paths; NaN for a state before the input.
        carry_path: (T), the part along the cell state alone (GRU: the hidden state); None for a vanilla RNN.
        labels: T strings, one for each step.
        step: t, the step of the state, from 0; if ``forward``, k, the step of the input.
        carry_state: the state of ``carry_path``, for its colour.
        forward: whether the axis is over the states after one input, not over the inputs before one state.
        theme: "light" or "dark".
    """
    begin = max(0, min(step - MAX_STEPS // 2, len(labels) - MAX_STEPS))
    part = slice(begin, begin + MAX_STEPS)
    paths = [(_("all paths"), total[part], quantity_colour("hidden", theme), "solid")]
    if carry_path is not None:
        paths.append((carry_path_name(carry_state), carry_path[part], quantity_colour(carry_state, theme), "dash"))
    tokens = list(labels)[part]
    figure = make_subplots(
        rows=2,
        cols=1,
        shared_xaxes=True,
        row_heights=[0.24 if carry_path is None else 0.34, 0.66],
        vertical_spacing=0.06,
    )
    scale = unit_scale(theme)
    shares = [_share(values) for _name, values, _colour, _dash in paths]
    # For translators: {step} and {token} are filled by the browser.
    hover = _("step {step}, token '{token}'").format(step="%{customdata[0]}", token="%{customdata[1]}")
    figure.add_heatmap(
        z=np.array(shares[::-1]),
        x=np.arange(len(tokens)),
        y=[name for name, *_rest in paths][::-1],
        zmin=0,
        zmax=1,
        colorscale=plotly_scale(scale),
        showscale=False,
        xgap=1 if len(tokens) < 150 else 0,
        ygap=4,
        customdata=np.stack([labelled_steps(tokens, begin)] * len(paths)),
        hovertemplate="%{z:.1%} · " + hover + "<extra>%{y}</extra>",
        row=1,
        col=1,
    )
    written: list[dict[str, Any]] = []
    if sum(len(token) + 1 for token in tokens) <= MAX_CELL_CHARACTERS:
        for (name, *_rest), share in zip(paths, shares, strict=True):
            for k, token in enumerate(tokens):
                ground = scale[round(255 * float(np.nan_to_num(share[k])))]
                font = {"size": 15, "color": text_colour(ground)}
                written.append(
                    {"x": k, "y": name, "xref": "x", "yref": "y", "text": token, "showarrow": False, "font": font}
                )
    figure.layout.annotations = written  # at once: each `add_annotation` would check all before it again
    floor = axis_floor([values for _name, values, *_rest in paths], span=9)
    for name, values, colour, dash in paths:
        add_norm_curve(
            figure, values, tokens, name=name, colour=colour, floor=floor, dash=dash, first=begin, row=2, col=1
        )
    if begin <= step < begin + MAX_STEPS:
        figure.add_vline(x=step - begin, line={"width": 1.5, "dash": "dot", "color": FOREGROUND[theme]})
    figure.update_yaxes(title_text="‖∂h/∂x‖", row=2, col=1, **log_axis([values for _n, values, *_r in paths], floor))
    known = np.flatnonzero(~np.isnan(total[part]))  # leave out the inputs that the state does not depend on
    edges = (int(known[0]), int(known[-1])) if len(known) else (0, len(tokens) - 1)
    figure.update_xaxes(range=[edges[0] - 0.6, edges[1] + 0.6], showgrid=False, **step_axis(tokens, begin))
    steps_of = _("time step of the state (token)") if forward else _("time step of the input (token)")
    figure.update_xaxes(title_text=steps_of, row=2, col=1)
    figure = apply_style(figure, theme, height=430)
    return figure.update_layout(
        hovermode="closest",
        margin={"l": 190, "t": 24},
        legend={"y": -0.2, "yanchor": "top", "x": 1, "xanchor": "right"},
    )


def carry_path_name(state: str) -> str:
    """Return the name of the direct path along ``"cell"`` (LSTM) or ``"hidden"`` (GRU)."""
    return _("cell state path only") if state == "cell" else _("hidden state path only")


def _share(values: np.ndarray) -> np.ndarray:
    """Return the values divided by the largest finite one; 0 if none is above 0, and 1 for infinity."""
    most = np.max(values, initial=0.0, where=np.isfinite(values))
    shares = values / most if most > 0 else np.where(np.isnan(values), np.nan, 0.0)
    return np.where(np.isinf(values), 1.0, shares)
