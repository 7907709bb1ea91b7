"""Texts of a figure as they are: plotly draws tags in them, and a layer or a token can be called like one."""

import re
from typing import Any

import plotly.graph_objects as go

from viz.escape import escape_plotly

TRACE_TEXTS = ("name", "text", "hovertext", "customdata", "x", "y")
"""What a trace shows by its values: its name, its labels, and the categories of its axes."""

_TAG_OR_REST = re.compile(r"(</?(?:b|extra)>|<br>)|(<)")


def escape_texts(figure: go.Figure) -> None:
    """Escape every text of ``figure`` that is a name or a token; templates of hover labels keep their own tags."""
    for trace in figure.data:
        for name in TRACE_TEXTS:
            values = getattr(trace, name, None)
            if (escaped := _escape(values)) is not values:
                trace[name] = escaped
        if isinstance(getattr(trace, "hovertemplate", None), str):
            trace.hovertemplate = _TAG_OR_REST.sub(lambda found: found[1] or "&lt;", trace.hovertemplate)
    for axis in (*figure.select_xaxes(), *figure.select_yaxes()):
        if axis.title.text:
            axis.title.text = escape_plotly(axis.title.text)
        if axis.ticktext is not None:
            axis.ticktext = _escape(axis.ticktext)
    for annotation in figure.layout.annotations:
        if annotation.text:
            annotation.text = escape_plotly(annotation.text)


def _escape(values: Any) -> Any:
    """Return ``values`` with its texts escaped; the same object if it has none to escape."""
    if isinstance(values, str):
        escaped = escape_plotly(values)
        return values if escaped == values else escaped
    is_array = getattr(values, "dtype", None) is not None and values.dtype.kind == "O"
    if not is_array and not isinstance(values, (list, tuple)):
        return values
    items = values.tolist() if is_array else values
    each = [_escape(item) for item in items]
    return values if all(new is old for new, old in zip(each, items, strict=True)) else each
