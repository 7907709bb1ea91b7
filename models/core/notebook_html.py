"""What a notebook shows of an object: HTML from a function that is registered, since nothing in ``models`` draws."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from models.core.messages import Problem

_registered: list[Callable[[Any], str]] = []


def register_html(make: Callable[[Any], str]) -> None:
    """Register the function that returns the HTML of an object; it replaces the one before."""
    _registered[:] = [make]


class NotebookHtml:
    """Base class of what a notebook shows as HTML."""

    def _repr_html_(self) -> str | None:
        """Return the HTML; None where the object cannot be drawn, and the notebook then shows its ``repr``."""
        try:
            return _registered[-1](self) if _registered else None
        except (Problem, ImportError):  # ImportError: the packages of the app are not installed
            return None
