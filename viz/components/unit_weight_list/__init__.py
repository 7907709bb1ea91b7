"""Lists of single weights, the largest first: a click picks one."""

from collections.abc import Callable, Sequence

import streamlit as st

from models.edits.unit_weights import Link
from viz.colours import palette
from viz.components import define
from viz.i18n import _


def links(
    view_id: str,
    *,
    lists: Sequence[tuple[str, Sequence[tuple[str, Link]]]],
    key: str,
    on_picked: Callable[[], None],
) -> None:
    """Mount the lists side by side.

    Args:
        view_id: a store of the page.
        lists: of each its title, and its rows: what the weight does, and the weight.
        key: of the component in the page.
        on_picked: called when a weight was clicked; ``picked_in`` tells which.
    """
    data = {
        "component": "links",
        "view_id": view_id,
        "lists": [
            {
                "title": title,
                "rows": [
                    {"told": told, "at": [link.name, link.gate, link.row, link.column], "value": link.value}
                    for told, link in rows
                ],
            }
            for title, rows in lists
        ],
        "palette": palette(),
        "words": {"pick": _("Pick this weight")},
    }
    define("unit_weight_list")(key=key, data=data, on_picked_change=on_picked)


def picked_in(key: str) -> tuple[str, str | None, int, int] | None:
    """Matrix, gate, row and column of the weight that was clicked last; None before any was."""
    told = (st.session_state.get(key) or {}).get("picked")
    if not told:
        return None
    name, gate, row, column = told["at"]
    return str(name), gate, int(row), int(column)
