"""Charts that change while a run is written: each new picture is drawn into the place of the last one."""

from collections.abc import Callable

import plotly.graph_objects as go
import streamlit as st

from viz.components.redraw_timer import figures_in_sight
from viz.components.updated_figure import updated_figure
from viz.pages.page_elements import chart, chart_config

FIGURES = "train_figures"
"""In the session state, of a run that is being written: the last figure of each chart since the whole page ran, as JSON."""

TIMER = "train_redraw_timer"
"""The key of the timer that requests new pictures."""

STYLE = """
<style>
  [class*="st-key-train_part_"] [data-stale="true"], [data-stale="true"]:has([class*="st-key-train_part_"]),
  [class*="st-key-train_part_"][data-stale="true"] { opacity: 1 !important; transition: none !important; }
</style>
"""
"""Style that keeps what is replaced again and again from being dimmed."""
LIVE_STYLE = """<style>[data-testid="stStatusWidget"] { visibility: hidden; }</style>"""
"""Style that hides Streamlit's sign of a page at work: it would blink at each picture, with a Stop beside that of the run."""


def live_style(*, live: bool) -> None:
    """Add the style of parts that are replaced; to be called before them. ``live``: whether the run is being written."""
    st.session_state[FIGURES] = {} if live else None
    st.html(STYLE + (LIVE_STYLE if live else ""))


def live_chart(draw: Callable[[], go.Figure], key: str, *names: str) -> None:
    """Show a figure of a run as ``chart`` does; the next one with the same ``key`` is drawn into its place.

    Args:
        draw: returns the figure. It is not called while the chart of a run that is being written is out of sight.
        key: of the chart.
        names: of the file that a reader saves.
    """
    key = f"train_live_{key}"
    last: dict[str, str] | None = st.session_state.get(FIGURES)
    if last is None:
        chart(_drawn(draw), key, names=names)
        return
    in_sight = figures_in_sight(TIMER)
    if key not in last or in_sight is None or key in in_sight:
        last[key] = _drawn(draw).to_json()
    updated_figure(last[key], config=chart_config(names), key=key)


def _drawn(draw: Callable[[], go.Figure]) -> go.Figure:
    figure = draw()
    for axis in figure.select_xaxes():
        # plotly measures it from the tick labels, which a chart that is not laid out yet lacks
        axis.title.standoff = None
    return figure
