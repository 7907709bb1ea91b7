"""The ranked list "which unit tracks what"."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from viz.components import define
from viz.i18n import _


def ranking(
    view_id: str,
    rows: Sequence[Mapping[str, Any]],
    *,
    revision: int,
    key: str,
    on_picked_change: Callable[[], None],
) -> None:
    """Mount the list; a click on a row shows its unit.

    Args:
        view_id: the store whose unit a row of the shown layer changes, with no round trip.
        rows: {"title", "name", "layer", "unit", "quantity", "correlation", "held_out", "untrained", "tracked"} each.
        revision: of the view; comes back with what is picked.
        key: of the component in the page.
        on_picked_change: called when a row of another layer is picked; the component's state then has "picked".
    """
    define("unit_ranking")(
        key=key,
        data={
            "component": "ranking",
            "view_id": view_id,
            "rows": list(rows),
            "words": _words(),
            "view": {"revision": revision},
        },
        on_picked_change=on_picked_change,
        height="content",
    )


def _words() -> dict[str, str]:
    return {
        "property": _("what it tracks"),
        "unit": _("layer · unit"),
        "here": _("r in this text"),
        "held_out": _("r in held-out text"),
        "chance": _("Not tracked: chance, or what any untrained layer shows as well"),
        "untrained": _("untrained, at most"),
    }
