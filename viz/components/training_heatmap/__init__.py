"""The maps of a run: the gradient of each state and the saturation of a gate, by time step over the training."""

from collections.abc import Mapping, Sequence
from typing import Any

from viz.colours import palette
from viz.components import Component
from viz.i18n import _
from viz.quantity_names import quantity_names

TRAINING_HEATMAP = Component("training_heatmap", ("raster",))


def training_heatmap_data(view_id: str, maps: Sequence[str], *, view: Mapping[str, Any]) -> dict[str, Any]:
    """Return the data of the maps: of the gradients of the states, and of one gate, that of the store's quantity.

    Args:
        view_id: the store of a `viz.payloads.training_payload`.
        maps: their names in the payload, "gradient/STATE" and "saturation/GATE".
        view: {"step", "quantity", "revision"}: what is shown first.
    """
    names = quantity_names()
    parts = {"gradient": [], "saturation": []}  # type: dict[str, list[str]]
    for name in maps:
        kind, _slash, quantity = name.partition("/")
        parts[kind].append(quantity)
    return {
        "view_id": view_id,
        "view": dict(view),
        "palette": palette(),
        "states": [[state, names.get(state, state)] for state in parts["gradient"]],
        "gates": [[gate, names.get(gate, gate)] for gate in parts["saturation"]],
        "words": {
            "gradient_of": _("Gradient of the"),
            "gate": _("Gate"),
            "norm": _("gradient norm"),
            "saturated": _("saturated units"),
            "training_step": _("training step"),
            "time_step": _("time step"),
            "place": _("training step {step} · time step {position}"),
            "places": _("training step {step} · time steps {first} to {last}"),
            "no_row": _("No row of the maps was recorded at training step {token}."),
            "row": _("Values at training step {token}"),
            "not_finite": _("NaN or ∞"),
            "save": _("Save as PNG"),
        },
    }
