"""The slope of every sigmoid and tanh where each step really stood on it."""

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from viz.colours import Theme, quantity_colour
from viz.figures.strokes import INK, finish, step_axis
from viz.i18n import _
from viz.names import quantity_names

DASHES = ("solid", "dash", "dot", "dashdot")


def activation_slopes(
    slopes: Mapping[str, np.ndarray],
    labels: Sequence[str],
    *,
    relu: bool = False,
    theme: Theme = "light",
) -> go.Figure:
    """Two panels, the tanh's slopes below their bound 1 and the sigmoid's below 1/4: the mean and the largest of the units.

    Args:
        slopes: gate -> (T, H).
        labels: T strings, one a step.
        relu: whether the RNN's activation is a relu, whose slope is 0 or 1.
        theme: "light" or "dark".
    """
    sigmoid = [name for name in slopes if name.endswith("_gate")]
    curved = [name for name in slopes if name not in sigmoid]
    panels = [(names, bound) for names, bound in ((curved, 1.0), (sigmoid, 0.25)) if names]
    titles = {
        1.0: _("slope of relu: 0 or 1") if relu else _("slope of tanh: at most 1"),
        0.25: _("slope of σ: at most ¼"),
    }
    figure = make_subplots(rows=len(panels), cols=1, shared_xaxes=True, vertical_spacing=0.09)
    # For translators: {step} and {token} are filled by the browser.
    hover = "%{y:.3f} · " + _("step {step}, token '{token}'").format(step="%{customdata[0]}", token="%{customdata[1]}")
    words, steps = quantity_names() | {"cell": _("tanh of the cell state")}, list(range(len(labels)))
    for row, (names, bound) in enumerate(panels, start=1):
        for name, dash in zip(names, DASHES, strict=False):
            values, colour = slopes[name], quantity_colour(name, theme)
            figure.add_scatter(
                x=steps,
                y=values.mean(axis=1).tolist(),
                name=_("mean, {gate}").format(gate=words[name]),
                legendgroup=name,
                mode="lines",
                line={"color": colour, "width": 2, "dash": dash},
                customdata=[[step + 1, label] for step, label in enumerate(labels)],
                hovertemplate=hover,
                row=row,
                col=1,
            )
        largest = np.max([slopes[name].max(axis=1) for name in names], axis=0)
        figure.add_scatter(
            x=steps,
            y=largest.tolist(),
            name=_("largest of all units"),
            legendgroup="largest",
            showlegend=row == 1,
            mode="lines",
            line={"color": INK[theme], "width": 1},
            customdata=[[step + 1, label] for step, label in enumerate(labels)],
            hovertemplate=hover,
            row=row,
            col=1,
        )
        figure.add_hline(y=bound, line={"color": INK[theme], "width": 1.5, "dash": "dash"}, row=row, col=1)
        figure.update_yaxes(title_text=titles[bound], range=[-0.02 * bound, 1.12 * bound], row=row, col=1)
    figure.update_xaxes(**step_axis(labels))
    figure.update_xaxes(title_text=_("step (token)"), row=len(panels), col=1)
    return finish(figure, theme, height=190 * len(panels) + 90)
