"""The payload of the gradient map of a layer."""

from collections.abc import Sequence

import numpy as np
import torch

from models.core.saved_cell import SavedCell
from models.core.trace import LayerTrace
from models.gradients.gradient_map import gradient_map_of
from models.gradients.module_backward import LayerStack, Progress
from models.gradients.nonfinite import first_nonfinite_state
from models.gradients.path_split import PathMap, path_map_of
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


def stack_payload(
    view_id: str,
    run: ForwardRun,
    layer: str,
    stack: LayerStack,
    loss_grad: torch.Tensor,
    progress: Progress = lambda done: None,
) -> bytes:
    """Compute the map of a layer and return its payload.

    Args:
        view_id: the browser's store for it.
        run: the forward run.
        layer: of the states.
        stack: the recorded layers that the gradient flows through; ``layer`` is one of them.
        loss_grad: (1, T, H_out), the derivative of each step's loss by the output of the stack at that step.
        progress: called with the part that is done, 0..1.
    """
    name = layer.rpartition(".")[2]
    rows = loss_rows(loss_grad.shape[1])
    trace = next(each for level in stack for each in level if each.name == layer)
    norms = gradient_map_of(stack, loss_grad, rows, lambda done: progress(done / 2))[name][0]
    paths = None
    if trace.weights.cell.carry is not None:
        paths = path_map_of(stack, loss_grad, rows, lambda done: progress((1 + done) / 2))[name]
    return gradient_payload(view_id, trace, norms, paths, rows, run.labels_of(layer), stacked=len(stack) > 1)


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


def norms_payload(view_id: str, name: str, norms: np.ndarray, rows: Sequence[int], reverse: bool) -> bytes:
    """Return the payload of norms alone, (R, T), of a layer whose cell is not known."""
    return pack(
        view_id,
        layer=name,
        kind="",
        gates={},
        states={"hidden": norms.T},
        tokens=[str(step + 1) for step in range(norms.shape[1])],
        options={
            "rows": list(rows),
            "reverse": reverse,
            "stacked": True,  # a step may pass on more than this layer's hidden state
            "states": ["hidden"],
            "finite": True,
            "clamped": False,
            "split": False,
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
