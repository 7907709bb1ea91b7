"""The ranked list of units and the properties of the text that they correlate with."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from viz.components import Component
from viz.components.streamlit_host import mount
from viz.i18n import _

UNIT_RANKING = Component("unit_ranking")


def unit_ranking(
    view_id: str,
    rows: Sequence[Mapping[str, Any]],
    *,
    revision: int,
    key: str,
    on_picked_change: Callable[[], None],
) -> None:
    """Mount the list; a click on a row shows its unit.

    Args:
        view_id: the store whose unit a row of the same layer changes, without a report.
        rows: {"title", "name", "layer", "unit", "quantity", "correlation", "held_out", "untrained", "tracked"} each.
        revision: of the view; part of the report.
        key: of the component in the page.
        on_picked_change: called when a row of another layer is chosen; the component's state then has "picked".
    """
    data = unit_ranking_data(view_id, rows, revision=revision)
    mount(UNIT_RANKING, data, key=key, on={"picked": on_picked_change})


def unit_ranking_data(view_id: str, rows: Sequence[Mapping[str, Any]], *, revision: int) -> dict[str, Any]:
    """Return the data of the list; arguments as of `unit_ranking`."""
    return {"view_id": view_id, "rows": list(rows), "words": _words(), "view": {"revision": revision}}


def _words() -> dict[str, str]:
    return {
        "property": _("tracked property"),
        "unit": _("layer · unit"),
        "here": _("r on this text"),
        "held_out": _("r on held-out text"),
        "chance": _(
            "Not tracked: too weak, no better than an untrained layer, or of the opposite sign on held-out text"
        ),
        "untrained": _("largest |r| in untrained layers"),
    }
