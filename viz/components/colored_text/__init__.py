"""The sequence as running text, as on paper, tinted by one unit."""

from viz.colours import palette
from viz.components import define
from viz.i18n import _
from viz.quantity_names import quantity_names


def text(view_id: str, *, key: str) -> None:
    """Mount the text of the trace in the store `view_id`: line breaks kept, tinted by the chosen quantity and unit.

    Every token carries its value (`data-value`), so that the whole text can be read by program as well.
    """
    define("colored_text", "tokens")(
        key=key,
        data={"component": "text", "view_id": view_id, "palette": palette(), "words": _words()},
        height="content",
    )


def _words() -> dict[str, object]:
    return {
        "quantities": quantity_names(),
        "title": _("{quantity} of unit {unit}"),
        "step_token": _("step {step}, token '{token}'"),
        "unit_value": _("{quantity}, unit {unit}: {value}"),
    }
