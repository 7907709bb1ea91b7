"""The dense heatmap: every number of a layer at once."""

from collections.abc import Sequence
from typing import Literal

from viz.colours import palette
from viz.components import define
from viz.i18n import _
from viz.names import quantity_names


def heatmap(
    view_id: str,
    *,
    form: Literal["sequence", "step"],
    key: str,
    quantities: Sequence[str] | None = None,
) -> None:
    """Mount the heatmap of the layer in the store `view_id`.

    Args:
        view_id: the store that `sequence` loaded.
        form: "sequence" has a panel for each gate and state, units down and tokens across; "step" has a row
            for each, units across, and follows the current step.
        key: of the component in the page.
        quantities: the gates and states to show, in this order; None for all.
    """
    define("heatmap", "raster", "heatmap_sequence", "heatmap_step")(
        key=key,
        data={
            "component": "heatmap",
            "view_id": view_id,
            "form": form,
            "quantities": None if quantities is None else list(quantities),
            "palette": palette(),
            "words": _words(form),
        },
    )


def _words(form: Literal["sequence", "step"]) -> dict[str, object]:
    return {
        "quantities": quantity_names(),
        "unit": _("Unit"),
        "step_token": _("step {step}, token '{token}'"),
        "strongest": _("the strongest of the {n} values at this pixel"),
        "save": _("Save as PNG"),
        "keys": _("Heatmap. Left and right arrows change the step, up and down the unit."),
        "explain": _("Each row is a unit, each column a step. Click to go there.")
        if form == "sequence"
        else _("Each column is a unit. Click to choose it."),
        "crowded": _("There are more values than pixels: each pixel shows the strongest."),
    }
