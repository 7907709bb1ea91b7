"""The heatmap of a layer: every value of its gates and states."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from viz.colours import palette
from viz.components import Component
from viz.components.streamlit_host import mount
from viz.i18n import _
from viz.quantity_names import quantity_names

HEATMAP = Component("heatmap", ("raster", "png_export"))

Form = Literal["sequence", "step"]
BlockValue = Literal["spikes", "mean", "low", "high"]


def heatmap(
    view_id: str,
    *,
    form: Form,
    key: str,
    quantities: Sequence[str] | None = None,
    order: Sequence[int] | None = None,
    shows: BlockValue = "spikes",
    names: Mapping[str, str] | None = None,
    on_window_change: Callable[[], None] | None = None,
) -> None:
    """Mount the heatmap of the layer in the store `view_id`.

    Args:
        view_id: the store that `trace_loader` loaded.
        form: "sequence" has a panel for each gate and state, units down and tokens across; "step" has a row
            for each, units across, and follows the current step.
        key: of the component in the page.
        quantities: the gates and states to show, in this order; None for all.
        order: the units in the order in which they are drawn; None for their own.
        shows: the value drawn for a block, where the store has blocks (`viz.payloads.states_payload`): "spikes" is the
            mean, or the lowest or highest value where it goes beyond the range of most blocks of the same units.
        names: names of quantities that are neither gates nor states.
        on_window_change: called when the reader dragged over a part of a heatmap of blocks; the part,
            {"steps": [from, to], "places": [from, to]}, is then in the component's state as "window".
    """
    data = heatmap_data(
        view_id,
        form=form,
        quantities=quantities,
        order=order,
        shows=shows,
        names=names,
        zooms=on_window_change is not None,
    )
    mount(HEATMAP, data, key=key, on={"window": on_window_change})


def heatmap_data(
    view_id: str,
    *,
    form: Form,
    quantities: Sequence[str] | None = None,
    order: Sequence[int] | None = None,
    shows: BlockValue = "spikes",
    names: Mapping[str, str] | None = None,
    zooms: bool = False,
) -> dict[str, Any]:
    """Return the data of the heatmap; arguments as of `heatmap`, ``zooms``: whether a dragged part is reported."""
    return {
        "view_id": view_id,
        "form": form,
        "quantities": None if quantities is None else list(quantities),
        "order": None if order is None else [int(unit) for unit in order],
        "shows": shows,
        "zooms": zooms,
        "palette": palette(),
        "words": _words(form, names or {}),
    }


def _words(form: Literal["sequence", "step"], names: Mapping[str, str]) -> dict[str, object]:
    return {
        "quantities": quantity_names() | dict(names),
        "unit": _("Unit"),
        "step_token": _("step {step}, token '{token}'"),
        "strongest": _("value of largest magnitude among the {n} at this pixel"),
        "block": _("mean of this block; minimum {low}, maximum {high}"),
        "block_steps": _("steps {steps}"),
        "zoom": _(
            "Each row covers one or more units, each column one or more time steps. Drag over an area to see its "
            "exact values."
        ),
        "blocks": _(
            "Each row covers one or more units, each column one or more time steps. The States page shows the "
            "exact values."
        ),
        "not_finite": _("NaN or ∞"),
        "save": _("Save as PNG"),
        "keys": _("Heatmap. Left and right arrow keys change the time step, up and down the unit."),
        "explain": _("Rows are units, columns are time steps. Click to go to that unit and time step.")
        if form == "sequence"
        else _("Rows are gates and states, columns are units. Click a unit to select it."),
        "crowded": _("There are more values than pixels, so each pixel shows the value with the largest magnitude."),
    }
