"""The sequence as running text, over which a span of tokens is dragged."""

from collections.abc import Callable

from viz.components import define
from viz.i18n import _


def span(view_id: str, chosen: tuple[int, int], *, key: str, on_span_change: Callable[[], None]) -> None:
    """Mount the text of the trace in the store `view_id`.

    Args:
        view_id: the store that `sequence` loaded.
        chosen: first and last step, from 0, of the span that is shown as chosen.
        key: of the component in the page.
        on_span_change: called when the reader has dragged over another; {"first", "last"}, from 0, is then in the
            component's state as "span".
    """
    define("span_picker", "tokens")(
        key=key,
        data={"component": "span", "view_id": view_id, "span": list(chosen), "words": _words()},
        on_span_change=on_span_change,
        height="content",
    )


def _words() -> dict[str, str]:
    return {
        "hint": _("Drag over tokens to choose a span."),
        "label": _("The sequence, with the chosen span"),
    }
