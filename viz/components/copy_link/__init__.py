"""A button that copies the page's address, which is a link to the current view."""

from collections.abc import Sequence
from typing import Any

from viz.components import Component
from viz.components.streamlit_host import mount
from viz.i18n import _

COPY_LINK = Component("copy_link")


def copy_link(*, without: Sequence[str], key: str) -> None:
    """Mount the button; `without` lists what is too long for an address ("text", "edits")."""
    mount(COPY_LINK, copy_link_data(without=without), key=key, width="content")


def copy_link_data(*, without: Sequence[str]) -> dict[str, Any]:
    """Return the data of the button; arguments as of `copy_link`."""
    copied = {
        (): _("Link copied"),
        ("text",): _("Link copied without the input text, which is too long for a link"),
        ("edits",): _("Link copied without the edits, which are too long for a link"),
        ("text", "edits"): _("Link copied without the input text and the edits, which are too long for a link"),
    }
    words = {
        "copy": _("Copy link"),
        "hint": _("Copy a link that opens exactly this view"),
        "copied": copied[tuple(without)],
        "by_hand": _("Copy this link:"),
    }
    return {"words": words}
