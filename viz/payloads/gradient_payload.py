"""The payload of the gradient map of a layer."""

from collections.abc import Sequence

import numpy as np

from models.core.saved_cell import SavedCell
from models.core.trace import LayerTrace
from models.gradients.nonfinite import first_nonfinite_state
from models.gradients.path_split import PathMap
from models.networks.forward_run import ForwardRun
from viz.colours import cell_colours
from viz.payloads.binary_payload import pack

MAX_ROWS = 240
"""Losses in a map."""


def loss_rows(steps: int) -> list[int]:
    """Return the steps whose losses are in the map: all of them, or evenly spaced ones with the last step."""
    if steps <= MAX_ROWS:
        return list(range(steps))
    return [int(step) for step in np.linspace(0, steps - 1, MAX_ROWS).round()]


def gradient_payload(
    view_id: str,
    layer: LayerTrace,
    norms: np.ndarray,
    paths: PathMap | None,
    rows: Sequence[int],
    labels: Sequence[str],
    stacked: bool,
) -> bytes:
    """Return the payload of the map: its steps are those of the states (k), its units the positions of losses in ``rows``.

    Args:
        view_id: the browser's store for it.
        layer: of the states.
        norms: (R, T), of d l_t / d h_k.
        paths: its split by paths, (1, R, T) each; None for an RNN, which has no direct path.
        rows: the R steps of the losses.
        labels: T strings, one a step.
        stacked: whether there are layers above or below, through which the gradient flows too.
    """
    arrays = {}
    if paths is not None:
        arrays = {"carried": paths.total[0].T, "straight": paths.carry_path[0].T, "other": paths.other_paths[0].T}
    return pack(
        view_id,
        layer=layer.name,
        kind=layer.kind,
        gates={},
        states={"hidden": norms.T},
        arrays=arrays,
        tokens=labels,
        options={
            "rows": list(rows),
            "reverse": layer.reverse,
            "stacked": stacked,
            "states": layer.weights.cell.states,
            "finite": first_nonfinite_state(layer) is None,
            "clamped": bool(layer.recording.clamped),
        },
    )


def saved_cell_payload(view_id: str, run: ForwardRun, layer: SavedCell) -> bytes:
    """Return the payload of the saved gradients by the gates and states of a cell of the user's own."""
    cell = layer.cell_equations
    colours = {
        theme: {f"{name}_grad": colour for name, colour in own.items()}
        for theme, own in cell_colours(cell.quantities).items()
    }

    def gradients(names: Sequence[str]) -> dict[str, np.ndarray]:
        return {f"{name}_grad": getattr(layer, f"{name}_grad")[run.row] for name in names}

    return pack(
        view_id,
        layer=layer.name,
        kind=layer.kind,
        gates=gradients(cell.gates),
        states=gradients(cell.states),
        tokens=run.labels_of(layer.name),
        options={
            "reverse": False,
            "zero_one_gates": [],
            "bounded": [],
            "default_quantity": f"{cell.states[0]}_grad",
            "colours": colours,
        },
    )
