"""What edits hold in a layer, as the browser marks it."""

from models.edits.edit import Ablate, Clamp, InterventionEdit, Patch
from models.networks.forward_run import Reading


def held_in(reading: Reading, layer: str) -> list[dict[str, object]]:
    """What is held in ``layer``: by edit its "quantity", "unit" (None: all) and "steps", the first and the last."""
    steps = int(reading.trace.layers[layer].lengths[reading.row])
    found = ((edit, _span(edit, steps)) for edit in reading.interventions if edit.layer == layer)
    return [{"quantity": what, "unit": edit.unit, "steps": span} for edit, (what, span) in found if span]


def _span(edit: InterventionEdit, steps: int) -> tuple[str, tuple[int, int] | None]:
    match edit:
        case Clamp(_, quantity, _, _, first, last):
            return quantity, (first, steps - 1 if last is None else last)
        case Ablate(_, _, _, first, last):
            return "hidden", (first, steps - 1 if last is None else last)
        case Patch(_, quantity, step):
            return quantity, (step, step)
    return edit.state, None  # before the first step: no cell of the sequence shows it
