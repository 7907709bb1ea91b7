"""Lists of single weights, the largest first; a click chooses one."""

from collections.abc import Callable, Sequence
from typing import Any

from models.edits.unit_weights import UnitWeight
from viz.colours import palette
from viz.components import Component
from viz.components.reports import index, optional, row_of, word
from viz.components.streamlit_host import mount, reported
from viz.i18n import _

UNIT_WEIGHT_LIST = Component("unit_weight_list")

Lists = Sequence[tuple[str, Sequence[tuple[str, UnitWeight]]]]
"""Of each list its title, and its rows: what the weight connects, and the weight."""


def unit_weight_list(view_id: str, *, lists: Lists, key: str, on_picked: Callable[[], None]) -> None:
    """Mount the lists side by side.

    Args:
        view_id: a store of the page.
        lists: the weights.
        key: of the component in the page.
        on_picked: called when a weight was clicked; ``picked_weight`` returns which.
    """
    mount(UNIT_WEIGHT_LIST, unit_weight_list_data(view_id, lists=lists), key=key, on={"picked": on_picked})


def unit_weight_list_data(view_id: str, *, lists: Lists) -> dict[str, Any]:
    """Return the data of the lists; arguments as of `unit_weight_list`."""
    return {
        "view_id": view_id,
        "lists": [
            {
                "title": title,
                "rows": [
                    {"label": label, "at": [link.name, link.gate, link.row, link.column], "value": link.value}
                    for label, link in rows
                ],
            }
            for title, rows in lists
        ],
        "palette": palette(),
        "words": {"pick": _("Select this weight")},
    }


def picked_weight(key: str) -> tuple[str, str | None, int, int] | None:
    """Return matrix, gate, row and column of the weight that was clicked last, or None before any was."""
    picked = reported(key, "picked", {"at": row_of(word, optional(word), index, index)})
    return None if picked is None else picked["at"]
