"""A figure of curves over the time steps, drawn without plotly, whose script of 5 MB delays a page."""

import json
from typing import Any

import plotly.graph_objects as go
from plotly.utils import PlotlyJSONEncoder

from viz.components import Component
from viz.components.streamlit_host import mount
from viz.i18n import _

LINE_CHART = Component("line_chart", shared=("svg_chart",))

PARTS = ("height", "margin", "font", "paper_bgcolor", "xaxis", "yaxis", "shapes", "annotations")
"""What is drawn of a figure's layout."""


def line_chart(figure: go.Figure, *, name: str, key: str) -> None:
    """Mount a figure; arguments as of `line_chart_data`.

    Args:
        key: of the component in the page.
    """
    mount(LINE_CHART, line_chart_data(figure, name=name), key=key)


def line_chart_data(figure: go.Figure, *, name: str) -> dict[str, Any]:
    """Return the data of the figure.

    Args:
        figure: scatter traces of lines or markers, one axis of given ticks across, one logarithmic axis up.
        name: of the SVG file that a reader saves.
    """
    layout = figure.layout.to_plotly_json()
    # Plotly's encoder writes NaN as null, and an array as a list: a figure's own JSON has arrays as base64.
    drawn = {
        "traces": [trace.to_plotly_json() for trace in figure.data],
        "layout": {part: layout[part] for part in PARTS if part in layout},
    }
    return {
        "view_id": "line_chart",
        **json.loads(json.dumps(drawn, cls=PlotlyJSONEncoder)),
        "name": name,
        "words": {"save": _("Save as SVG")},
    }
