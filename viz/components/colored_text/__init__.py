"""The sequence as running text, each token coloured by one unit's value."""

from typing import Any

from viz.colours import palette
from viz.components import Component
from viz.components.streamlit_host import mount
from viz.i18n import _
from viz.quantity_names import quantity_names

COLORED_TEXT = Component("colored_text", ("running_text",))


def colored_text(view_id: str, *, key: str) -> None:
    """Mount the text of the trace in the store `view_id`: line breaks kept, coloured by the chosen quantity and unit.

    Every token has its value as `data-value`, so that a program can read the whole text as well.
    """
    mount(COLORED_TEXT, colored_text_data(view_id), key=key)


def colored_text_data(view_id: str) -> dict[str, Any]:
    """Return the data of the text."""
    return {"view_id": view_id, "palette": palette(), "words": _words()}


def _words() -> dict[str, object]:
    return {
        "quantities": quantity_names(),
        "title": _("{quantity} of unit {unit}"),
        "step_token": _("step {step}, token '{token}'"),
        "unit_value": _("{quantity}, unit {unit}: {value}"),
    }
