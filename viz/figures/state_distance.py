"""One unit in two runs, and the distance between their states."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from models.states.compare_states import StateComparison
from viz.colours import KIND, Theme
from viz.figures.curves import add_curve
from viz.figures.figure_cache import cached_figure
from viz.figures.style import FOREGROUND, apply_style, step_axis
from viz.i18n import _

RUN_COLOURS = (KIND["LSTM"], KIND["RNN"])
"""The colours of the first and the second run."""


@cached_figure
def state_distance(
    runs: Sequence[tuple[str, np.ndarray, Sequence[str]]],
    compared: StateComparison | None,
    *,
    unit: int,
    title: str,
    theme: Theme = "light",
) -> go.Figure:
    """Draw three panels: the unit in both runs, its difference, and the L2 distance of the whole states.

    Args:
        runs: (name, values (T, H), T labels) of each run.
        compared: the comparison of the two runs; None if their units do not correspond.
        unit: the unit to draw; a run without that unit is left out.
        title: title of the upper y axis.
        theme: "light" or "dark".
    """
    rows = 1 if compared is None else 3
    figure = make_subplots(rows=rows, cols=1, shared_xaxes=True, vertical_spacing=0.07)
    for (name, values, labels), colour, dash in zip(runs, RUN_COLOURS, ("solid", "dash"), strict=True):
        if unit < values.shape[1]:
            add_curve(figure, values[:, unit], labels, name=name, colour=colour[theme], dash=dash, row=1, col=1)
    figure.update_yaxes(title_text=title, row=1, col=1)
    longest = max(len(labels) for _name, _values, labels in runs)
    if compared is not None:
        names = [name for name, _values, _labels in runs]
        labels = [
            first if first == second else f"{first} | {second}"
            for first, second in zip(runs[0][2], runs[1][2], strict=False)
        ]
        difference = _("{second} − {first}").format(first=names[0], second=names[1])
        distance = _("L2 distance, all units")
        common = len(compared.distance)
        add_curve(
            figure,
            compared.difference[:, unit],
            labels[:common],
            name=difference,
            colour=FOREGROUND[theme],
            legend=False,
            row=2,
            col=1,
        )
        add_curve(
            figure,
            compared.distance,
            labels[:common],
            name=distance,
            colour=FOREGROUND[theme],
            legend=False,
            row=3,
            col=1,
        )
        figure.update_yaxes(title_text=_("difference"), row=2, col=1)
        figure.update_yaxes(title_text=distance, rangemode="tozero", row=3, col=1)
        if compared.first_difference is not None and compared.first_difference > 0:
            figure.add_vline(x=compared.first_difference, line={"width": 1, "dash": "dot", "color": FOREGROUND[theme]})
    figure.update_xaxes(range=[-0.6, longest - 0.4], **step_axis([str(step + 1) for step in range(longest)]))
    figure.update_xaxes(title_text=_("time step"), row=rows, col=1)
    return apply_style(figure, theme, height=180 * rows + 110)
