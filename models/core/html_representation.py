"""What a notebook shows of an object: HTML that the package's public face makes, since nothing else in ``models`` draws."""

from __future__ import annotations

import sys

from models.core.messages import Problem


class NotebookHtml:
    """Base class of what a notebook shows as HTML."""

    def _repr_html_(self) -> str | None:
        """Return the HTML; None where the object cannot be drawn, and the notebook then shows its ``repr``."""
        package = sys.modules[__name__.partition(".")[0]]
        try:
            html: str = package.notebook_html(self)
        except (Problem, ImportError):  # ImportError: the packages of the app are not installed
            return None
        return html
