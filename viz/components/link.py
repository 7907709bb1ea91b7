"""A button that copies the page's own address: what the address bar holds is what a link shows."""

from viz.components import define
from viz.i18n import _


def link(*, whole: bool, key: str) -> None:
    """Mount the button; `whole` is False when the text is too long for an address to carry."""
    words = {
        "copy": _("Copy link"),
        "hint": _("Copy a link that opens exactly this view"),
        "copied": _("Link copied"),
        "without": _("Link copied, but the text is too long for it"),
        "by_hand": _("Copy this link:"),
    }
    define("link")(key=key, data={"words": words, "whole": whole}, width="content", height="content")
