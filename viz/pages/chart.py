"""A plotly figure on a page: how it is drawn and saved."""

from collections.abc import Sequence

import plotly.graph_objects as go
import streamlit as st

from viz.colours import Theme


def theme() -> Theme:
    """The theme of the reader's page."""
    return "dark" if st.context.theme.type == "dark" else "light"


def chart(figure: go.Figure, key: str, *, names: Sequence[str | None]) -> None:
    """Show ``figure``; plotly's bar saves it as SVG, at any size sharp, under ``names`` joined."""
    name = "-".join(str(part) for part in names if part)
    bar = {
        "displaylogo": False,
        "toImageButtonOptions": {"format": "svg", "filename": name},
        "modeBarButtonsToRemove": ["select2d", "lasso2d", "autoScale2d"],
    }
    st.plotly_chart(figure, key=key, theme=None, config=bar)
