"""Answers of the Search page that are computed in another process, shared by all sessions."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import streamlit as st

from models.core.messages import Problem
from models.corpus.corpus_index import CorpusIndex
from models.training.queued_calls import QueuedCalls
from viz.i18n import _
from viz.pages.call_note import call_note
from viz.pages.page_elements import show_problem

CALLS = QueuedCalls(50)
AT_ONCE_STEPS = 200_000
"""Tokens of a corpus of which a page reads the states of all units itself; those of a larger one another process reads."""


def is_read_at_once(index: CorpusIndex) -> bool:
    """Return whether the page reads all states of an index itself."""
    return index.steps <= AT_ONCE_STEPS


def queued_answer(
    index: CorpusIndex,
    name: str,
    asked: tuple[Hashable, ...],
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
    *,
    button: str,
    text: str,
) -> Any:
    """Return the result of a call, or None: then show the button that starts it, its progress, or why it failed.

    Args:
        index: of the corpus that the call is about.
        name: of the panel.
        asked: what else the result depends on.
        function: that is called.
        arguments: of it.
        button: the label of the button.
        text: what the call does.
    """
    found, key = None, (name, index.key, *asked)
    try:
        found = CALLS.result(key)
    except Problem as problem:
        show_problem(problem)
    if CALLS.is_running(key):
        call_note(CALLS, [key], text, key=f"search_stop_{name}")
    elif found is None and st.button(button, key=f"search_start_{name}"):
        try:
            with st.spinner(_("Preparing the data and the process …")):
                CALLS.start(key, function, *arguments)
        except Problem as problem:
            show_problem(problem)
        else:
            st.rerun()
    return found
