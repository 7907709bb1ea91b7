"""A weight matrix as a heatmap whose entries can be chosen."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from viz.colours import palette
from viz.components import Component, float32_text
from viz.components.array_loader import LoadedArray
from viz.components.reports import index
from viz.components.streamlit_host import mount, reported
from viz.i18n import _

WEIGHT_MATRIX = Component("weight_matrix", ("arrays", "raster"))

MAX_CHANGED = 1000
"""Values that are sent as a difference from an array that the browser has; if more differ, all values are sent."""


def weight_matrix(
    view_id: str,
    values: np.ndarray,
    *,
    rows: Sequence[str],
    columns: Sequence[str],
    base: LoadedArray | None = None,
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
        base: an array (R, C) that an array loader of the page sends: only what differs from it is sent here.
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
        base=base,
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
    base: LoadedArray | None = None,
    colour_values: np.ndarray | None = None,
    picked: tuple[int, int],
    title: str,
    entry: str,
) -> dict[str, Any]:
    """Return the data of the heatmap; arguments as of `weight_matrix`."""
    at = None if base is None else changed_places(base.values, values)
    numbers: dict[str, Any] = {"values": float32_text(values)}
    if base is not None and at is not None:
        numbers = {"base": base.id, "changed": at.tolist(), "values": float32_text(values.ravel()[at])}
    return {
        "view_id": view_id,
        "rows": list(rows),
        "columns": list(columns),
        **numbers,
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


def changed_places(before: np.ndarray, after: np.ndarray) -> np.ndarray | None:
    """Return the places (in row order) at which two arrays of float32 differ; None if they are more than `MAX_CHANGED`."""
    bits = [np.ascontiguousarray(values, np.float32).view(np.int32).ravel() for values in (before, after)]  # NaN is NaN
    at = np.flatnonzero(bits[0] != bits[1])
    return None if len(at) > MAX_CHANGED else at


def picked_entry(key: str) -> tuple[int, int] | None:
    """Return the row and column that were chosen last, or None before any were."""
    picked = reported(key, "picked", {"row": index, "column": index})
    return None if picked is None else (picked["row"], picked["column"])
