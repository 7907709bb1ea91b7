"""A figure of plotly whose content changes: it is drawn into its place again, which is never blank and costs far less."""

from collections.abc import Mapping
from functools import cache
from hashlib import blake2b
from importlib.resources import files
from typing import Any

from viz.components import Component
from viz.components.streamlit_host import mount

UPDATED_FIGURE = Component("updated_figure")


@cache
def plotly_script() -> bytes:
    """Return plotly's script in the browser, as the Python package has it."""
    return (files("plotly") / "package_data" / "plotly.min.js").read_bytes()


@cache
def plotly_file() -> str:
    """Return the name of the file of ``plotly_script``, with a hash of it, below the folder of Streamlit's own scripts."""
    return f"plotly.{blake2b(plotly_script(), digest_size=8).hexdigest()}.js"


def updated_figure(figure: str, *, config: Mapping[str, Any], key: str) -> None:
    """Mount a figure, or draw it into the place of the last one of the same ``key``.

    Args:
        figure: as plotly writes it to JSON.
        config: plotly's, such as the buttons of its tool bar.
        key: of the component in the page.
    """
    script = f"./static/js/{plotly_file()}"
    mount(UPDATED_FIGURE, {"name": key, "figure": figure, "config": dict(config), "script": script}, key=key)
