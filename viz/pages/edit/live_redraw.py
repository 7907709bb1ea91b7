"""Parts of the page that are redrawn at each value of a dragged slider; the rest of the page follows when the drag pauses."""

from collections.abc import Callable, Sequence

import streamlit as st

from models.networks.forward_run import ForwardRun
from viz.pages import cache
from viz.session import get_session

DrawPart = Callable[[ForwardRun], None]
"""Function that draws a part of the page from the run of the edited network."""


@st.fragment
def live_redraw(parts: Sequence[DrawPart]) -> None:
    """Draw the parts in this order."""
    view = get_session().view
    after = cache.forward_run(view.net or "", view.text or "", get_session().edits)
    for part in parts:
        part(after)


def rerun_page() -> None:
    """Rerun the whole page. Call it last in the callback of a widget inside a redrawn part."""
    st.rerun("app")
