"""What is drawn anew at every value while a slider is dragged; the rest of the page follows when the hand rests."""

from collections.abc import Callable, Sequence

import streamlit as st

from models.networks.forward_run import ForwardRun
from viz.pages import cache
from viz.session import get_session

Part = Callable[[ForwardRun], None]
"""Draws a part of the page, in a place of its own, from what the edited network does now."""


@st.fragment
def live(parts: Sequence[Part]) -> None:
    """Draw the parts, in this order."""
    view = get_session().view
    after = cache.forward_run(view.net or "", view.text or "", get_session().edits)
    for part in parts:
        part(after)


def follow_all() -> None:
    """To be called last in the callback of what stands in a part, where the whole page is to follow."""
    st.rerun("app")
