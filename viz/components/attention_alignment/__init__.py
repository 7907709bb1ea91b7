"""The alignment: which source symbol each output symbol reads, as curves and as a map."""

from viz.colours import palette
from viz.components import define
from viz.i18n import _


def alignment(view_id: str, *, key: str) -> None:
    """Mount the curves and the map of the attention in the store `view_id`; every weight is mirrored in the document."""
    define("attention_alignment", "columns", "attention_selection")(
        key=key,
        data={"component": "alignment", "view_id": view_id, "palette": palette(), "words": _words()},
    )


def _words() -> dict[str, str]:
    return {
        "map": _("The weight of every source symbol (columns) at every step of the output (rows)"),
        "keys": _("Alignment map. Up and down arrows change the step."),
        "explain": _("Click a cell to go to its step and to hold on to its source symbol; click again to let it go."),
        "entropy": _("entropy (bits)"),
        "coverage": _("coverage (sum)"),
        "weight_at": _("weight {value}"),
        "score_at": _("score {value}"),
        "writes": _("step {step} writes '{token}'"),
        "source_at": _("symbol {n} of the source, '{token}'"),
        "save": _("Save as PNG"),
    }
