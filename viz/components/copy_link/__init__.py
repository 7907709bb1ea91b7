"""A button that copies the page's own address: what the address bar holds is what a link shows."""

from collections.abc import Sequence

from viz.components import define
from viz.i18n import _


def link(*, without: Sequence[str], key: str) -> None:
    """Mount the button; `without` names what is too long for an address to carry ("text", "edits")."""
    told = {
        (): _("Link copied"),
        ("text",): _("Link copied, but the text is too long for it"),
        ("edits",): _("Link copied, but the edits are too long for it"),
        ("text", "edits"): _("Link copied, but the text and the edits are too long for it"),
    }
    words = {
        "copy": _("Copy link"),
        "hint": _("Copy a link that opens exactly this view"),
        "copied": told[tuple(without)],
        "by_hand": _("Copy this link:"),
    }
    define("copy_link")(key=key, data={"words": words}, width="content", height="content")
