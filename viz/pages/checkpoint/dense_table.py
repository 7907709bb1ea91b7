"""Small tables, as text that can be read, selected and projected."""

from collections.abc import Sequence

import streamlit as st

from viz.layout import plain


def table(rows: Sequence[dict[str, str]]) -> None:
    """A row for each dictionary, under the names of the first; cells may quote what somebody wrote into a file."""
    st.table(
        [{plain(name): plain(value) for name, value in row.items()} for row in rows],
        border="horizontal",
        hide_index=True,
    )
