"""The frame of every part of the Checkpoint lens, and the one place where a file that fails while it is read is told."""

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from models.core.messages import Problem
from viz.i18n import translate
from viz.layout import plain
from viz.pages.panel import panel


@contextmanager
def section(title: str, look_for: str) -> Iterator[None]:
    """A panel; numbers are read when they are drawn, and where they are damaged one sentence says so in its place."""
    with panel(title, look_for):
        try:
            yield
        except Problem as problem:
            say(problem)


def say(problem: Problem) -> None:
    """One sentence, which may quote what somebody wrote into a file."""
    st.warning(plain(translate(problem)), icon=":material/info:")
