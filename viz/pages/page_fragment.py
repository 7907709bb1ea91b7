"""Fragments of a page: parts that run alone when a widget in them has changed."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import streamlit as st

from viz.pages.sent_elements import recorded_fragment
from viz.session import get_session

P = ParamSpec("P")
R = TypeVar("R")


def page_fragment(draw: Callable[P, R]) -> Callable[P, R]:
    """Return a fragment of the page, as ``st.fragment``.

    If the view has changed so much that the page has to fill it in, the whole page runs instead: one message may change a
    widget of the page and request a run of the fragment alone.
    """

    @wraps(draw)
    def draw_if_filled(*args: P.args, **kwargs: P.kwargs) -> R:
        session = get_session()
        view = session.view
        if not session.is_running and None in (view.net, view.layer, view.unit, view.step, view.quantity):
            st.rerun()
        return draw(*args, **kwargs)

    return recorded_fragment(draw_if_filled)
