"""The exact values of what is shown of a matrix, as a table: a value that is typed there is an edit."""

from typing import Any

import numpy as np
import streamlit as st

from models.edits.weight_edits import Parameters
from viz.i18n import _
from viz.pages.edit.edit_cache import put
from viz.pages.edit.weight_selection import pick, place_of, with_entry
from viz.pages.synced_widget import ignore_if_replaced
from viz.session import Session

MOST = 300 * 300
"""Numbers that a browser still scrolls through with ease."""

ROW = "row"


def table(
    session: Session,
    name: str,
    gate: str | None,
    values: np.ndarray,
    rows: list[str],
    columns: list[str],
    known: Parameters,
) -> None:
    """The table, when it is asked for."""
    if not st.toggle(_("Exact values as a table"), key="edit_table"):
        return
    if values.size > MOST:
        st.caption(
            _("{n} values are too many for a table. Download the matrix as a CSV file instead.").format(
                n=f"{values.size:,}"
            )
        )
        return
    key = f"table_{name}_{gate}_{session.slider_generation}"
    st.data_editor(
        # as float32 is written, 0.1 and not 0.10000000149011612
        {ROW: rows} | {str(index): [float(str(each)) for each in values[:, index]] for index in range(len(columns))},
        column_config={
            ROW: st.column_config.TextColumn("", disabled=True, pinned=True),
            **{str(k): st.column_config.NumberColumn(label, format="%.9g") for k, label in enumerate(columns)},
        },
        hide_index=True,
        height=min(360, 40 + 36 * len(rows)),
        key=key,
        on_change=ignore_if_replaced(
            "table", key, lambda: _typed(session, known, name, gate, st.session_state[key]["edited_rows"])
        ),
    )


def _typed(session: Session, known: Parameters, name: str, gate: str | None, rows: dict[int, dict[str, Any]]) -> None:
    edits = session.edits
    for row, cells in rows.items():
        for column, value in cells.items():
            if value is not None:  # an emptied cell
                edits = with_entry(edits, place_of(known, name, gate, int(row), int(column)), float(value))
                pick(name, gate, int(row), int(column))
    put(session, edits)
