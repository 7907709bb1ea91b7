"""How much of every input is still in one state: the fading ink of the textbook picture (Graves 2012), from real numbers."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from viz.colours import Theme, ink, plotly_scale, quantity_colour, unit_scale
from viz.figures.log_norm_axis import add_norms, floor_of, log_axis
from viz.figures.style import INK, finish, step_axis
from viz.i18n import _

DRAWN = 600
"""Steps that are drawn; of a longer sequence, those next to the state."""

ROOM = 100
"""Letters that fit on the ink itself."""


def fading_ink(
    whole: np.ndarray,
    along: np.ndarray | None,
    labels: Sequence[str],
    *,
    step: int,
    carried: str = "cell",
    reaching: bool = False,
    theme: Theme = "light",
) -> go.Figure:
    """Above, a row of ink for each way, as dark as the input is strong in the state; below, the same numbers on a log axis.

    Args:
        whole: (T), ||d h_t / d x_k|| by every way; NaN where the state comes before the input.
        along: (T), the part along the cell line alone; None where there is no such line.
        labels: T strings, one a step.
        step: t, from 0, or k where one input's reach is drawn.
        carried: the state that the line carries, for its colour.
        reaching: whether the steps are those of states that one input reaches, at ``step``.
        theme: "light" or "dark".
    """
    begin = max(0, min(step - DRAWN // 2, len(labels) - DRAWN))
    part = slice(begin, begin + DRAWN)
    ways = [(_("all paths"), whole[part], quantity_colour("hidden", theme), "solid")]
    if along is not None:
        ways.append((_("cell state path only (GRU: h)"), along[part], quantity_colour(carried, theme), "dash"))
    tokens = list(labels)[part]
    figure = make_subplots(
        rows=2, cols=1, shared_xaxes=True, row_heights=[0.24 if along is None else 0.34, 0.66], vertical_spacing=0.06
    )
    scale = unit_scale(theme)
    shares = [_share(values) for _name, values, _colour, _dash in ways]
    steps = list(range(len(tokens)))
    # For translators: {step} and {token} are filled by the browser.
    hover = _("step {step}, token '{token}'").format(step="%{customdata[0]}", token="%{customdata[1]}")
    figure.add_heatmap(
        z=shares[::-1],
        x=steps,
        y=[name for name, *_rest in ways][::-1],
        zmin=0,
        zmax=1,
        colorscale=plotly_scale(scale),
        showscale=False,
        xgap=1 if len(tokens) < 150 else 0,
        ygap=4,
        customdata=[[[begin + k + 1, token] for k, token in enumerate(tokens)]] * len(ways),
        hovertemplate="%{z:.1%} · " + hover + "<extra>%{y}</extra>",
        row=1,
        col=1,
    )
    if sum(len(token) + 1 for token in tokens) <= ROOM:
        for (name, *_rest), share in zip(ways, shares, strict=True):
            for k, token in enumerate(tokens):
                ground = scale[round(255 * float(np.nan_to_num(share[k])))]
                figure.add_annotation(
                    x=k, y=name, text=token, showarrow=False, font={"size": 15, "color": ink(ground)}, row=1, col=1
                )
    floor = floor_of([values for _name, values, *_rest in ways], span=9)
    for name, values, colour, dash in ways:
        add_norms(figure, values, tokens, name=name, colour=colour, floor=floor, dash=dash, first=begin, row=2, col=1)
    if begin <= step < begin + DRAWN:
        figure.add_vline(x=step - begin, line={"width": 1.5, "dash": "dot", "color": INK[theme]})
    figure.update_yaxes(title_text="‖∂h/∂x‖", row=2, col=1, **log_axis([values for _n, values, *_r in ways], floor))
    known = np.flatnonzero(~np.isnan(whole[part]))  # no room for the inputs that the state cannot know
    edges = (int(known[0]), int(known[-1])) if len(known) else (0, len(tokens) - 1)
    figure.update_xaxes(range=[edges[0] - 0.6, edges[1] + 0.6], showgrid=False, **step_axis(tokens, begin))
    steps_of = _("time step of the state (token)") if reaching else _("time step of the input (token)")
    figure.update_xaxes(title_text=steps_of, row=2, col=1)
    figure = finish(figure, theme, height=430)
    return figure.update_layout(
        hovermode="closest",
        margin={"l": 190, "t": 24},
        legend={"y": -0.2, "yanchor": "top", "x": 1, "xanchor": "right"},
    )


def _share(values: np.ndarray) -> np.ndarray:
    """As shares of the largest; 0 where there is none."""
    most = np.nanmax(values, initial=0.0)
    return values / most if np.isfinite(most) and most > 0 else np.where(np.isnan(values), np.nan, 0.0)
