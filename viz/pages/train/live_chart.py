"""Charts that change once a second without being removed and drawn anew.

Streamlit gives a chart an identity that depends on its content, so that a new picture would be another element, and the chart
blank until it is drawn. Charts of this page are identified by their keys alone.
"""

from typing import Any

import plotly.graph_objects as go
import streamlit as st
from streamlit.elements import plotly_chart

from viz.pages.page_elements import chart

PREFIX = "train_live_"

STYLE = """
<style>
  [class*="st-key-train_part_"] [data-stale="true"], [data-stale="true"]:has([class*="st-key-train_part_"]),
  [class*="st-key-train_part_"][data-stale="true"] { opacity: 1 !important; transition: none !important; }
</style>
"""
"""Style that keeps what is replaced once a second from being dimmed meanwhile."""

_element_id = plotly_chart.compute_and_register_element_id


def _stable_element_id(kind: str, *, user_key: Any = None, **content: Any) -> str:
    """Return the identity of an element, of a chart of this page by its key alone."""
    if isinstance(user_key, str) and user_key.startswith(PREFIX):
        content["key_as_main_identity"] = True
    return _element_id(kind, user_key=user_key, **content)


plotly_chart.compute_and_register_element_id = _stable_element_id  # type: ignore[assignment]


def live_chart(figure: go.Figure, key: str, *names: str) -> None:
    """Show a figure of a run as ``chart`` does; the next one with the same ``key`` replaces it in place."""
    chart(figure, PREFIX + key, names=names)


def live_style() -> None:
    """Add the style of parts that are replaced once a second."""
    st.html(STYLE)
