"""The states of a layer at all time steps, on which every tensor that a call returns is marked, and that tensor as a box."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from models.core.weights import LayerWeights
from models.layer_calls.call_run import CallRun, DirectionStates
from models.layer_calls.gate_stages import GateStage, run_stage
from models.layer_calls.returned_tensors import ReturnedTensor
from viz.colours import NOT_FINITE, Theme, signed_scale
from viz.components import Component, float32_text
from viz.components.streamlit_host import mount
from viz.i18n import _, translate

RETURNED_STATES = Component("returned_states")

Returned = Sequence[tuple[str, Sequence[ReturnedTensor]]]
"""The tensors by library."""


def returned_states(
    run: CallRun,
    returned: Returned,
    chosen: str,
    *,
    row: int,
    theme: Theme,
    key: str,
    on_choice: Callable[[], None],
) -> None:
    """Mount the drawing.

    Args:
        run: the run of the call.
        returned: the tensors to choose from.
        chosen: the one that is marked, as of ``tensor_names``.
        row: the sequence of the batch whose states are shown.
        theme: of the page.
        key: of the component in the page.
        on_choice: called when the reader chose another tensor; {"name"} is then in the component's state as "tensor".
    """
    data = returned_states_data(run, returned, chosen, row=row, theme=theme)
    mount(RETURNED_STATES, data, key=key, on={"tensor": on_choice})


def tensor_names(returned: Returned) -> list[str]:
    """Return the names of the tensors to choose from, with that of the library: ``"Keras.output"``."""
    return [f"{library}.{tensor.name}" for library, tensors in returned for tensor in tensors]


def returned_states_data(run: CallRun, returned: Returned, chosen: str, *, row: int, theme: Theme) -> dict[str, Any]:
    """Return the data of the drawing; arguments as of `returned_states`."""
    blocks = [
        _block(run, each, state, row)
        for level in reversed(run.levels)
        for each in level
        for state in reversed(each.weights.cell.states)
    ]
    places = [(block["level"], block["direction"], block["state"]) for block in blocks]
    return {
        "view_id": "layer",
        "theme": theme,
        "colours": list(signed_scale(theme)),
        "not_finite": NOT_FINITE[theme],
        "labels": run.given.labels(row, run.call),
        "masked": [not run.spans[row][0] <= t < run.spans[row][1] for t in range(run.given.length)],
        "blocks": blocks,
        "tensors": [
            {
                "library": library,
                "name": tensor.name,
                "shape": list(tensor.values.shape),
                "axes": [tensor_axes()[axis] for axis in tensor.axes],
                "batch": tensor.axes.index("batch"),
                "meaning": translate(tensor.meaning),
                "values": float32_text(tensor.values),
                "marks": [
                    {
                        "block": places.index((each.level, each.direction, each.state)),
                        "all": each.positions == "all",
                        "part": _part(run, tensor, index),
                    }
                    for index, each in enumerate(tensor.places)
                ],
            }
            for library, tensors in returned
            for tensor in tensors
        ],
        "chosen": tensor_names(returned).index(chosen),
        "row": row,
        "words": _words(),
    }


def _words() -> dict[str, str]:
    return {
        "turn": _("Drag the box to turn it, or press the arrow keys."),
        "states": _("States of {layer}"),
        "cell_value": _("unit {unit}, time step {step}: {value}"),
        "masked": _("masked: the state stays as it is"),
        "box": _("The tensor {name} as a box, with its axes"),
        "more": _("only the outline is drawn, since it has {count} numbers"),
    }


def stage_grids(
    stages: Sequence[GateStage],
    weights: LayerWeights,
    x: np.ndarray,
    labels: Sequence[str],
    *,
    theme: Theme,
    key: str,
) -> None:
    """Mount the cell and hidden states of every stage of an LSTM on one sequence.

    Args:
        stages: the stages.
        weights: of the LSTM.
        x: (T, D).
        labels: T strings.
        theme: of the page.
        key: of the component in the page.
    """
    blocks = [
        _grid(
            run_stage(stage, weights, x)[state],
            title=_("Cell state") if state == "cell" else _("Hidden state"),
            heading=f"{number}. {translate(stage.title)}: {stage.formula}" if state == "cell" else "",
            layer=f"stage{number}",
            state=state,
            level=number,
        )
        for number, stage in enumerate(stages, start=1)
        for state in ("cell", "hidden")
    ]
    data = {
        "view_id": "stages",
        "theme": theme,
        "colours": list(signed_scale(theme)),
        "not_finite": NOT_FINITE[theme],
        "labels": list(labels),
        "masked": [False] * len(labels),
        "blocks": blocks,
        "tensors": [],
        "chosen": 0,
        "row": 0,
        "words": _words(),
    }
    mount(RETURNED_STATES, data, key=key)


def tensor_axes() -> dict[str, str]:
    """Return the names of the axes of a tensor in the language of the page."""
    return {"batch": _("batch"), "time": _("time"), "units": _("units"), "layers": _("layers × directions")}


def _part(run: CallRun, tensor: ReturnedTensor, index: int) -> str:
    """Return which part of a tensor the numbers of its place ``index`` are, as an index of Python; "" for all of it."""
    units = run.call.units
    if tensor.axes[0] == "layers":
        return f"[{index}]"
    if len(tensor.places) > 1 and tensor.values.shape[-1] == 2 * units:
        return f"[..., {index * units}:{(index + 1) * units}]"
    return ""


def direction_name(each: DirectionStates) -> str:
    """Return the name of one level in one direction, PyTorch's suffix: ``"l0"``, ``"l0_reverse"``."""
    return f"l{each.level}" + ("_reverse" if each.direction else "")


def direction_title(run: CallRun, each: DirectionStates) -> str:
    """Return the title of one level in one direction among those of the call; "" if it is the only one."""
    names = [_("Layer {n}").format(n=each.level + 1)] if run.call.layers > 1 else []
    if run.call.merge or run.call.go_backwards:
        names.append(_("backward") if each.backwards else _("forward"))
    return " · ".join(names)


def _block(run: CallRun, each: DirectionStates, state: str, row: int) -> dict[str, Any]:
    values = each.states[state][row]
    title = direction_title(run, each)
    return _grid(
        values,
        title=" · ".join(filter(None, (title, _("Hidden state") if state == "hidden" else _("Cell state")))),
        layer=direction_name(each),
        state=state,
        level=each.level,
        direction=each.direction,
        backwards=each.backwards,
        last=each.last[row],
    )


def _grid(
    values: np.ndarray,
    *,
    title: str,
    layer: str,
    state: str,
    level: int,
    direction: int = 0,
    backwards: bool = False,
    last: int = -1,
    heading: str = "",
) -> dict[str, Any]:
    """Return one grid of states (T, H); those of the same level and direction are beside each other."""
    return {
        "level": level,
        "direction": direction,
        "layer": layer,
        "state": state,
        "title": title,
        "heading": heading,
        "backwards": backwards,
        "last": last,
        "values": float32_text(values),
        "units": values.shape[1],
    }
