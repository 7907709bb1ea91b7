"""The alignment of source and output symbols: the attention weights as curves and as a heatmap."""

from typing import Any

from viz.colours import palette
from viz.components import Component
from viz.components.streamlit_host import mount
from viz.i18n import _

ATTENTION_ALIGNMENT = Component("attention_alignment", ("columns", "attention_selection"))


def attention_alignment(view_id: str, *, key: str) -> None:
    """Mount the attention weights in the store `view_id`, every one also as text in the document."""
    mount(ATTENTION_ALIGNMENT, attention_alignment_data(view_id), key=key)


def attention_alignment_data(view_id: str) -> dict[str, Any]:
    """Return the data of the alignment."""
    return {"view_id": view_id, "palette": palette(), "words": _words()}


def _words() -> dict[str, str]:
    return {
        "map": _("Attention weights: one row per output time step, one column per input token"),
        "keys": _("Alignment map of the attention weights. Up/down arrow: output time step."),
        "explain": _("Click a cell to select its time step and its input token. Click again to deselect the token."),
        "entropy": _("entropy (bits)"),
        "coverage": _("coverage (sum)"),
        "weight_at": _("attention weight {value}"),
        "score_at": _("attention score {value}"),
        "writes": _("output step {step}: “{token}”"),
        "source_at": _("input token {n}: “{token}”"),
        "save": _("Save as PNG"),
    }
