"""The sequence as running text, over which the reader drags to choose a span of tokens."""

from collections.abc import Callable
from typing import Any

from viz.components import Component
from viz.components.streamlit_host import mount
from viz.i18n import _

SPAN_PICKER = Component("span_picker", ("running_text",))


def span_picker(view_id: str, chosen: tuple[int, int], *, key: str, on_span_change: Callable[[], None]) -> None:
    """Mount the text of the trace in the store `view_id`.

    Args:
        view_id: the store that `trace_loader` loaded.
        chosen: first and last step, from 0, of the span that is marked as chosen.
        key: of the component in the page.
        on_span_change: called when the reader chose another; {"first", "last"}, from 0, is then in the
            component's state as "span".
    """
    mount(SPAN_PICKER, span_picker_data(view_id, chosen), key=key, on={"span": on_span_change})


def span_picker_data(view_id: str, chosen: tuple[int, int]) -> dict[str, Any]:
    """Return the data of the text; arguments as of `span_picker`."""
    return {"view_id": view_id, "span": list(chosen), "words": _words()}


def _words() -> dict[str, str]:
    return {
        "hint": _("Drag over tokens to select a span."),
        "label": _("Sequence with the selected span"),
    }
