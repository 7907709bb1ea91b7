"""The formulas of an attention, with symbols and with the live numbers of a step."""

from typing import Any

from viz.colours import palette
from viz.components import define
from viz.i18n import _


def attention_formulas(view_id: str, *, cell: str, key: str) -> None:
    """Show the formulas of the attention in the store `view_id`, from the query to the next symbol.

    Args:
        view_id: the store that `sequence` loaded with the bytes of `viz.payloads.attention_payload`.
        cell: the decoder's, as in "GRU"; not used where there is none.
        key: of the component in the page.
    """
    define("attention_formulas", "cell_math", "attention_selection")(
        key=key,
        data={
            "component": "attention_formulas",
            "view_id": view_id,
            "cell": cell,
            "palette": palette(),
            "words": _words(),
        },
        height="content",
    )


def _words() -> dict[str, Any]:
    return {
        "stages": {
            "query": _("query"),
            "score": _("score"),
            "weight": _("weight"),
            "context": _("context"),
            "join": _("join"),
            "probability": _("next symbol"),
        },
        "unit": _("unit of the context"),
        "caption": _(
            "Step {step}, source symbol {n} '{token}', unit {unit} of the context. In exp the largest score is subtracted "
            "from all, which changes no ratio."
        ),
        "others": _("{n} others"),
        "from_context": _("from the context"),
        "from_state": _("from the state, and bias"),
        "masked": _("must not be read"),
        "scores_from": _("scored by {name}"),
        "layer": _("layer"),
    }
