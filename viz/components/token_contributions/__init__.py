"""The contribution of each source symbol to the generated symbol, by three measures."""

from typing import Any

from viz.colours import palette
from viz.components import Component
from viz.components.streamlit_host import mount
from viz.i18n import _

TOKEN_CONTRIBUTIONS = Component("token_contributions", ("columns", "attention_selection"))


def token_contributions(view_id: str, *, key: str) -> None:
    """Mount the bars of the current step: weight, weight times value, gradient times input; and their rank correlation."""
    mount(TOKEN_CONTRIBUTIONS, token_contributions_data(view_id), key=key)


def token_contributions_data(view_id: str) -> dict[str, Any]:
    """Return the data of the contributions."""
    return {"view_id": view_id, "palette": palette(), "words": _words()}


def _words() -> dict[str, Any]:
    return {
        "label": _("Contribution of each source token to the current output token"),
        "measures": {
            "attention_weight": _("attention weight"),
            "contribution_value": _("weight × value"),
            "contribution_gradient": _("gradient × input"),
        },
        "explanations": {
            "attention_weight": _("share of the attention (sum 1)"),
            "contribution_value": _("length of the weighted value that is passed to the decoder"),
            "contribution_gradient": _(
                "first-order effect of this source token on the log-probability of the output, over all paths (signed)"
            ),
        },
        "agreement": _(
            "Step {step}, output “{token}”: rank agreement of attention weight and |gradient × input|, Kendall's "
            "τ = {agreement} (1: same order, 0: unrelated, −1: reversed)"
        ),
        "source_at": _("input token {n}: “{token}”"),
    }
