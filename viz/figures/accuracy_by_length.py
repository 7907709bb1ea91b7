"""Accuracy of networks on held-out data against the length of their input."""

from collections.abc import Mapping

import plotly.graph_objects as go

from viz.colours import Theme
from viz.figures.figure_cache import cached_figure
from viz.figures.style import FOREGROUND, apply_style
from viz.i18n import _

COLOURS: tuple[dict[Theme, str], ...] = (
    {"light": "#b23a00", "dark": "#ff8a4c"},
    {"light": "#2f93e0", "dark": "#4db4f0"},
    {"light": "#006b54", "dark": "#12a37c"},
    {"light": "#c06fa4", "dark": "#f2bfdd"},
    {"light": "#cc8500", "dark": "#ffcb3a"},
)
DASHES = ("solid", "dash", "dashdot", "longdash", "dot")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x")


@cached_figure
def accuracy_by_length(
    measured: Mapping[str, Mapping[str, float]], *, length: int | None = None, theme: Theme = "light"
) -> go.Figure:
    """Draw a line for each network, each with its own colour, dash and marker symbol.

    Args:
        measured: network -> {"from-to" (input length in symbols): accuracy}.
        length: length of the current input, whose range is shaded; None to shade none.
        theme: "light" or "dark".
    """
    figure = go.Figure()
    ranges = list(dict.fromkeys(each for by_length in measured.values() for each in by_length))
    ranges.sort(key=lambda each: int(each.partition("-")[0]))
    for index, (name, by_length) in enumerate(measured.items()):
        figure.add_scatter(
            x=list(range(len(ranges))),
            y=[by_length.get(each) for each in ranges],
            name=name,
            mode="lines+markers",
            line={"color": COLOURS[index % 5][theme], "width": 2.5, "dash": DASHES[index % 5]},
            marker={"size": 9, "symbol": SYMBOLS[index % 5]},
            customdata=[each.replace("-", "–") for each in ranges],
            hovertemplate="%{y:.1%} (%{customdata})",
        )
    for place, each in enumerate(ranges):
        low, _dash, high = each.partition("-")
        if length is not None and int(low) <= length <= int(high):
            figure.add_vrect(
                x0=place - 0.5, x1=place + 0.5, fillcolor=FOREGROUND[theme], opacity=0.07, line_width=0,
                annotation_text=_("current input"), annotation_position="bottom",
            )  # fmt: skip
    figure.update_xaxes(
        title_text=_("input length in characters (start of each range)"),
        tickvals=list(range(len(ranges))),
        ticktext=[each.partition("-")[0] for each in ranges],
        autotickangles=[0, 90],
    )
    figure.update_yaxes(title_text=_("exact-match accuracy"), range=[-0.03, 1.05], tickformat=".0%")
    figure = apply_style(figure, theme, height=340)
    figure.update_layout(margin={"l": 70})
    return figure
