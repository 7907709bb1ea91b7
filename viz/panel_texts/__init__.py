"""Titles and captions of panels that several hosts show: the app's pages, a notebook, and an offline file.

One module for each lens. A page declares a panel with them, ``@panel("cell", *cell_text(layer))``. Nothing here imports
Streamlit.
"""

from typing import NamedTuple


class PanelText(NamedTuple):
    """The title of a panel, and one line that says what to look for."""

    title: str
    look_for: str
