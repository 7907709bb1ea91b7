"""A weight matrix as a heatmap whose entries can be chosen."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from viz.colours import palette
from viz.components import Component, float32_text
from viz.components.streamlit_host import mount, reported
from viz.i18n import _

WEIGHT_MATRIX = Component("weight_matrix", ("raster",))


def weight_matrix(
    view_id: str,
    values: np.ndarray,
    *,
    rows: Sequence[str],
    columns: Sequence[str],
    colour_values: np.ndarray | None = None,
    picked: tuple[int, int],
    title: str,
    entry: str,
    key: str,
    on_picked: Callable[[], None],
) -> None:
    """Mount the heatmap.

    Args:
        view_id: a store of the page that `trace_loader` loaded.
        values: (R, C) float32.
        rows, columns: R and C names.
        colour_values: (R, C), 0 or more, shown as colours (the sensitivity) instead of ``values``; None for ``values``.
        picked: row and column of the entry that is marked.
        title: name of the matrix, for screen readers.
        entry: description of an entry, with {row} and {column}.
        key: of the component in the page.
        on_picked: called when the reader chose another entry; `picked_entry` returns which.
    """
    data = weight_matrix_data(
        view_id,
        values,
        rows=rows,
        columns=columns,
        colour_values=colour_values,
        picked=picked,
        title=title,
        entry=entry,
    )
    mount(WEIGHT_MATRIX, data, key=key, on={"picked": on_picked})


def weight_matrix_data(
    view_id: str,
    values: np.ndarray,
    *,
    rows: Sequence[str],
    columns: Sequence[str],
    colour_values: np.ndarray | None = None,
    picked: tuple[int, int],
    title: str,
    entry: str,
) -> dict[str, Any]:
    """Return the data of the heatmap; arguments as of `weight_matrix`."""
    return {
        "view_id": view_id,
        "rows": list(rows),
        "columns": list(columns),
        "values": float32_text(values),
        "colour_values": None if colour_values is None else float32_text(colour_values),
        "picked": list(picked),
        "palette": palette(),
        "words": {
            "title": title,
            "entry": entry,
            "sensitivity": _("|dL/dW| = {value}"),
            "keys": _("Arrow keys move the marker; click to select an entry."),
        },
    }


def picked_entry(key: str) -> tuple[int, int] | None:
    """Return the row and column that were chosen last, or None before any were."""
    picked = reported(key, "picked")
    return (int(picked["row"]), int(picked["column"])) if picked else None
