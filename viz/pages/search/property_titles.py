"""The titles of the properties of a corpus: built-in ones, and columns of the reader's."""

from __future__ import annotations

from viz.i18n import _
from viz.pages.states.tracking_panel import PROPERTIES


def property_title(name: str) -> str:
    """Return the title of a property; a column of the reader's keeps its name."""
    return _(PROPERTIES[name]) if name in PROPERTIES else name
