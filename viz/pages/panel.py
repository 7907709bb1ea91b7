"""The frame that every chart stands in."""

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st


@contextmanager
def panel(title: str, look_for: str) -> Iterator[None]:
    """A bordered box with the chart's name and, in one line, what to look for."""
    with st.container(border=True):
        st.markdown(f"#### {title}")
        st.caption(look_for)
        yield
