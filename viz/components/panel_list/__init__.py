"""The list of a page's panels, which stays in sight: an entry opens its panel and scrolls to it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from viz.components import Component
from viz.components.streamlit_host import mount
from viz.i18n import _

PANEL_LIST = Component("panel_list")


def panel_list(
    panels: Sequence[Mapping[str, Any]],
    *,
    shown: str | None,
    turn: int,
    projector: bool,
    key: str,
    on_picked: Callable[[], None],
    on_mode: Callable[[], None],
) -> None:
    """Mount the list.

    Args:
        panels: {"name", "title", "open", "selector"} each; the CSS selector finds the panel on the page.
        shown: the panel to scroll to, None for none; in projector mode, the one that is shown.
        turn: number that is increased each time that the page is to scroll to ``shown``.
        projector: whether one panel at a time is shown.
        key: of the component in the page.
        on_picked: called when a folded panel is chosen; the component's state then has "picked" with its "name".
        on_mode: called when projector mode is entered or left; the component's state then has "mode" with its "mode".
    """
    data = panel_list_data(panels, shown=shown, turn=turn, projector=projector)
    mount(PANEL_LIST, data, key=key, on={"picked": on_picked, "mode": on_mode})


def panel_list_data(
    panels: Sequence[Mapping[str, Any]], *, shown: str | None, turn: int, projector: bool
) -> dict[str, Any]:
    """Return the data of the list; arguments as of `panel_list`."""
    return {
        "panels": list(panels),
        "shown": shown,
        "turn": turn,
        "projector": projector,
        "words": {
            "panels": _("Panels of this page"),
            "folded": _("{title} (folded: click to open)"),
            "projector": _("Projector mode"),
            "projector_hint": _("One panel at a time in large type; the up and down arrow keys change the panel"),
            "leave": _("Leave projector mode (Esc)"),
            "previous": _("Previous panel (up arrow)"),
            "next": _("Next panel (down arrow)"),
            "counter": _("Panel {n} of {count}"),
            "earlier": _("Scroll the list to earlier panels"),
            "later": _("Scroll the list to later panels"),
        },
    }
