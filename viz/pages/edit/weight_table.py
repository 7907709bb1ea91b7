"""Table of the exact values of the selected matrix: a value typed there is an edit."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import streamlit as st

from models.edits.weight_edits import Parameters
from viz.components.reports import finite, index
from viz.escape import widget_key
from viz.i18n import _
from viz.pages.edit.edit_cache import apply_edits
from viz.pages.edit.weight_selection import edit_place, select_entry, set_entry
from viz.pages.page_elements import table_cell
from viz.pages.synced_widget import ignore_if_replaced
from viz.session import Session

MAX_VALUES = 300 * 300
"""Largest number of values that a browser scrolls smoothly."""

ROW_COLUMN = "row"


def weight_table(
    session: Session,
    name: str,
    gate: str | None,
    values: np.ndarray,
    rows: list[str],
    columns: list[str],
    parameters: Parameters,
) -> None:
    """Show the table if its toggle is on."""
    if not st.toggle(_("Exact values as a table"), key="edit_table"):
        return
    if values.size > MAX_VALUES:
        st.caption(
            _("{n} values are too many for a table. Download the matrix as a CSV file instead.").format(
                n=f"{values.size:,}"
            )
        )
        return
    key = f"table_{widget_key(name, gate)}_{session.slider_generation}"
    st.data_editor(
        # as float32 prints: 0.1, not 0.10000000149011612
        {ROW_COLUMN: list(map(table_cell, rows))}
        | {str(index): [float(str(each)) for each in values[:, index]] for index in range(len(columns))},
        column_config={
            ROW_COLUMN: st.column_config.TextColumn("", disabled=True, pinned=True),
            **{
                str(k): st.column_config.NumberColumn(table_cell(label), format="%.9g")
                for k, label in enumerate(columns)
            },
        },
        hide_index=True,
        height=min(360, 40 + 36 * len(rows)),
        key=key,
        on_change=ignore_if_replaced(
            "table", key, lambda: _typed(session, parameters, name, gate, st.session_state[key], values.shape)
        ),
    )


def _typed(
    session: Session, parameters: Parameters, name: str, gate: str | None, state: Any, shape: tuple[int, ...]
) -> None:
    edits = session.edits
    for row, column, value in typed_cells(state, shape):
        edits = set_entry(edits, edit_place(parameters, name, gate, row, column), value)
        select_entry(name, gate, row, column)
    apply_edits(session, edits)


def typed_cells(state: Any, shape: tuple[int, ...]) -> list[tuple[int, int, float]]:
    """Return the cells (row, column, value) that a browser reports as typed; those that the table does not have are left out.

    Args:
        state: ``{"edited_rows": {row: {column: value}}}``; None for a cell that was emptied.
        shape: of the table's values, (rows, columns).
    """
    rows = state.get("edited_rows") if isinstance(state, Mapping) else None
    found = []
    for row, cells in rows.items() if isinstance(rows, Mapping) else ():
        for column, value in cells.items() if isinstance(cells, Mapping) else ():
            try:
                place = index(int(row)), index(int(column))
                if place[0] < shape[0] and place[1] < shape[1]:
                    found.append((*place, finite(value)))
            except (TypeError, ValueError, OverflowError):
                continue
    return found
