"""The dense heatmap: every number of a layer at once."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from viz.colours import palette
from viz.components import define
from viz.i18n import _
from viz.quantity_names import quantity_names


def heatmap(
    view_id: str,
    *,
    form: Literal["sequence", "step"],
    key: str,
    quantities: Sequence[str] | None = None,
    order: Sequence[int] | None = None,
    shows: Literal["spikes", "mean", "low", "high"] = "spikes",
    names: Mapping[str, str] | None = None,
    on_window_change: Callable[[], None] | None = None,
) -> None:
    """Mount the heatmap of the layer in the store `view_id`.

    Args:
        view_id: the store that `sequence` loaded.
        form: "sequence" has a panel for each gate and state, units down and tokens across; "step" has a row
            for each, units across, and follows the current step.
        key: of the component in the page.
        quantities: the gates and states to show, in this order; None for all.
        order: the units in the order in which they are drawn; None for their own.
        shows: what stands for the numbers of a block, where the store holds blocks (`viz.payloads.states_payload`): "spikes" is the
            mean, or the lowest or highest value where it goes beyond what most blocks of the same units reach.
        names: what quantities are called that are no gates or states.
        on_window_change: called when the reader has dragged over a part of such a picture; the part,
            {"steps": [from, to], "places": [from, to]}, is then in the component's state as "window".
    """
    handlers: dict[str, Any] = {} if on_window_change is None else {"on_window_change": on_window_change}
    define("heatmap", "raster", "png_export", "heatmap_field", "heatmap_sequence", "heatmap_step")(
        key=key,
        data={
            "component": "heatmap",
            "view_id": view_id,
            "form": form,
            "quantities": None if quantities is None else list(quantities),
            "order": None if order is None else [int(unit) for unit in order],
            "shows": shows,
            "zooms": on_window_change is not None,
            "palette": palette(),
            "words": _words(form, names or {}),
        },
        **handlers,
    )


def _words(form: Literal["sequence", "step"], names: Mapping[str, str]) -> dict[str, object]:
    return {
        "quantities": quantity_names() | dict(names),
        "unit": _("Unit"),
        "step_token": _("step {step}, token '{token}'"),
        "strongest": _("the strongest of the {n} values at this pixel"),
        "block": _("mean of a block; lowest {low}, highest {high}"),
        "block_steps": _("steps {steps}"),
        "zoom": _(
            "Each row is one or several units, each column one or several steps. Drag over a part to see its exact numbers."
        ),
        "blocks": _(
            "Each row is one or several units, each column one or several steps; States shows every part of it exactly."
        ),
        "save": _("Save as PNG"),
        "keys": _("Heatmap. Left and right arrows change the step, up and down the unit."),
        "explain": _("Each row is a unit, each column a step. Click to go there.")
        if form == "sequence"
        else _("Each column is a unit. Click to choose it."),
        "crowded": _("There are more values than pixels: each pixel shows the strongest."),
    }
