"""The cache of answers that the Search page reads from an index itself, shared by all sessions; nobody modifies them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import streamlit as st

from models.corpus.corpus_index import CorpusIndex

MAX_CACHED = 32
"""Cached answers of one function."""

Question = TypeVar("Question", bound=Callable[..., Any])


def cached_index_answer(function: Question, max_entries: int = MAX_CACHED) -> Question:
    """Return a function that computes the answer to a question once; an index among its arguments counts by its key."""
    cached = st.cache_resource(
        show_spinner=False, max_entries=max_entries, hash_funcs={CorpusIndex: lambda index: index.key}
    )
    return cast(Question, cached(function))
