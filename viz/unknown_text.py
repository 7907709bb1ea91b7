"""The sentence on the tokens of a text that a network's vocabulary lacks, for every host."""

from collections.abc import Callable, Sequence

from viz.escape import printable
from viz.i18n import _

MAX_LISTED = 12
"""Unknown symbols that a sentence lists."""


def unknown_text(unknown: Sequence[str], write: Callable[[str], str] = printable) -> str:
    """Return which symbols are unknown, each written by ``write``; "" for none."""
    if not unknown:
        return ""
    return _("Not in this network's vocabulary, shown in brackets: {symbols}").format(
        symbols=list_unknown(unknown, write)
    )


def list_unknown(unknown: Sequence[str], write: Callable[[str], str] = printable) -> str:
    """Return the first unknown symbols in brackets."""
    shown = ", ".join(write(f"[{symbol}]") for symbol in unknown[:MAX_LISTED])
    return shown + (" …" if len(unknown) > MAX_LISTED else "")
