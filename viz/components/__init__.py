"""The parts of a page that move in the browser: Streamlit Components v2, drawn on canvas, one file trio each.

All components of a view share one client-side store (`store.js`), so that the trace of a sequence travels
once and a step costs no server round trip.
"""

from base64 import b64encode
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

if TYPE_CHECKING:
    from streamlit.components.v2.types import ComponentRenderer

_FOLDER = Path(__file__).parent

# Put before every component's own script and style: whichever component comes first installs them.
_SHARED = ("store", "mount", "canvas")


@cache
def define(name: str, *parts: str) -> "ComponentRenderer":
    """Register the component whose files are `NAME.js` and `NAME.css` beside this one.

    `parts` names further scripts (and styles) that it is made of, put before its own. Styles are not
    isolated: what a component mirrors in the document must be readable from outside it.

    Returns the function that mounts it. Raises FileNotFoundError when there is no such script.
    """
    script = [_read(f"{part}.js") for part in (*_SHARED, *parts, name)]
    style = [_read(f"{part}.css") for part in ("mount", *parts, name) if f"{part}.css" in _files()]
    return st.components.v2.component(
        f"unrolled_{name}", css="\n".join(style), js="\n".join(script), isolate_styles=False
    )


def as_text(values: np.ndarray) -> str:
    """Numbers in float32 as `unrolled.numbers` in `paint.js` reads them out of a component's data."""
    return b64encode(np.ascontiguousarray(values, dtype="<f4").tobytes()).decode()


@cache
def _files() -> dict[str, Path]:
    """Every script and style sheet below this folder, by its file name; a file name occurs once."""
    return {path.name: path for path in _FOLDER.rglob("*") if path.suffix in (".js", ".css")}


def _read(file: str) -> str:
    return _files()[file].read_text(encoding="utf-8")
