"""What each source symbol contributed to the symbol that is written, told in three ways."""

from typing import Any

from viz.colours import palette
from viz.components import define
from viz.i18n import _


def contributions(view_id: str, *, key: str) -> None:
    """Mount the bars of the current step: weight, weight times value, gradient times input; and how well they agree."""
    define("token_contributions", "columns", "attention_selection")(
        key=key,
        data={"component": "contributions", "view_id": view_id, "palette": palette(), "words": _words()},
    )


def _words() -> dict[str, Any]:
    return {
        "label": _("What each source symbol contributed to the symbol that is written"),
        "ways": {
            "attention_weight": _("weight"),
            "contribution_value": _("weight × value"),
            "contribution_gradient": _("gradient × input"),
        },
        "said": {
            "attention_weight": _("how much it is read"),
            "contribution_value": _("length of what it adds to the decoder"),
            "contribution_gradient": _("how far the symbol itself speaks for what is written, by every way"),
        },
        "agreement": _(
            "Step {step}, '{token}': between weight and size of gradient × input, Kendall's τ is {agreement} "
            "(1: the same order, 0: none)."
        ),
        "source_at": _("symbol {n} of the source, '{token}'"),
    }
