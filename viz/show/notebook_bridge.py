"""The connection of a view in a notebook with its Python object, by anywidget, which is imported when it is needed."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any


def notebook_bridge(channel: str, place: Mapping[str, Any]) -> Any:
    """Return a widget that has the traits "step", "unit" and "quantity" of a view; None without anywidget.

    Args:
        channel: a name that the frame of the view has too.
        place: the values of the traits.
    """
    form = _bridge_class()
    return None if form is None else form(channel=channel, **place)


def with_shown_bridge(html: str, bridge: Any) -> Any:
    """Return HTML with the widget below it, which draws nothing, for marimo, which calls this; without a widget the HTML."""
    import marimo

    return marimo.Html(html if bridge is None else html + marimo.as_html(bridge).text)


@cache
def _bridge_class() -> type | None:
    try:
        import anywidget
        import traitlets
    except ImportError:
        return None

    class NotebookBridge(anywidget.AnyWidget):
        """The traits of a view that a notebook and its Python object have in common."""

        _esm = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")
        channel = traitlets.Unicode().tag(sync=True)
        step = traitlets.Int().tag(sync=True)
        unit = traitlets.Int().tag(sync=True)
        quantity = traitlets.Unicode().tag(sync=True)

    return NotebookBridge
