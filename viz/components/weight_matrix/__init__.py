"""A weight matrix as a heatmap whose entries can be picked."""

from collections.abc import Callable, Sequence

import numpy as np
import streamlit as st

from viz.colours import palette
from viz.components import as_text, define
from viz.i18n import _


def matrix(
    view_id: str,
    values: np.ndarray,
    *,
    rows: Sequence[str],
    columns: Sequence[str],
    tint: np.ndarray | None = None,
    picked: tuple[int, int],
    title: str,
    entry: str,
    key: str,
    on_picked: Callable[[], None],
) -> None:
    """Mount the heatmap.

    Args:
        view_id: a store of the page that `sequence` loaded.
        values: (R, C) float32.
        rows, columns: R and C names.
        tint: (R, C), 0 or more, what it is tinted by (the sensitivity); None for the values.
        picked: row and column of the entry that is marked.
        title: what it is, for screen readers.
        entry: what an entry does, with {row} and {column}.
        key: of the component in the page.
        on_picked: called when the reader picked another entry; `picked_in` tells which.
    """
    data = {
        "component": "matrix",
        "view_id": view_id,
        "rows": list(rows),
        "columns": list(columns),
        "values": as_text(values),
        "tint": None if tint is None else as_text(tint),
        "picked": list(picked),
        "palette": palette(),
        "words": {
            "title": title,
            "entry": entry,
            "sensitivity": _("|dL/dW| = {value}"),
            "keys": _("Arrow keys move the mark, a click picks an entry."),
        },
    }
    define("weight_matrix", "raster")(key=key, data=data, on_picked_change=on_picked)


def picked_in(key: str) -> tuple[int, int] | None:
    """The row and column that were picked last; None before any was."""
    told = (st.session_state.get(key) or {}).get("picked")
    return (int(told["row"]), int(told["column"])) if told else None
