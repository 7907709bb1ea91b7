"""Every tensor that a call returns, in Keras and in PyTorch: its name, shape, meaning, and place among the states."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from models.core.messages import Sentence
from models.layer_calls.call_run import CallRun, DirectionStates, merged

STATE_NAMES = {"hidden": "h", "cell": "c"}
DIRECTION_NAMES = ("forward", "backward")


@dataclass(frozen=True)
class StatePlace:
    """The place of a tensor's numbers among the states.

    Attributes:
        level, direction: of the layer.
        state: ``"hidden"`` or ``"cell"``.
        positions: ``"all"`` time steps, or the one after which the layer ends: ``"last"``.
    """

    level: int
    direction: int
    state: str
    positions: Literal["all", "last"]


@dataclass(frozen=True, eq=False)
class ReturnedTensor:
    """One tensor that a call returns.

    Attributes:
        name: in the line of code.
        values: float32.
        axes: the meaning of each axis: ``"batch"``, ``"time"``, ``"units"``, ``"layers"``.
        meaning: one sentence.
        places: of its numbers among the states.
    """

    name: str
    values: np.ndarray
    axes: tuple[str, ...]
    meaning: Sentence
    places: tuple[StatePlace, ...]


def keras_tensors(run: CallRun) -> tuple[ReturnedTensor, ...]:
    """Return what the call returns in Keras, in order."""
    call, top = run.call, run.levels[-1]
    found = [_result(run, "output", ("batch", "time", "units"))]
    for each in top if call.return_state else ():
        for state in reversed(each.weights.cell.states):  # hidden, then cell
            prefix = DIRECTION_NAMES[each.direction] if call.merge else "state"
            found.append(
                ReturnedTensor(
                    f"{prefix}_{STATE_NAMES[state]}",
                    each.final(state),
                    ("batch", "units"),
                    _state_meaning(each, state),
                    (StatePlace(each.level, each.direction, state, "last"),),
                )
            )
    return tuple(found)


def pytorch_tensors(run: CallRun) -> tuple[ReturnedTensor, ...]:
    """Return what the call returns in PyTorch, in order, and at the end ``result``, which is Keras's output.

    Of a GRU with its reset gate before the product there is nothing: PyTorch has no such layer.
    """
    call, top = run.call, run.levels[-1]
    if not has_pytorch_layer(run):
        return ()
    axes = ("batch", "time", "units") if call.batch_first else ("time", "batch", "units")
    output = np.concatenate([_sequence(run, each, zeros=True, packed=run.is_masked) for each in top], axis=-1)
    if not call.batch_first:
        output = output.swapaxes(0, 1)
    places = tuple(StatePlace(each.level, each.direction, "hidden", "all") for each in top)
    meaning = (
        Sentence("Hidden states of the last layer at every time step, of both directions side by side.")
        if call.merge
        else Sentence("Hidden states of the last layer at every time step.")
    )
    found = [ReturnedTensor("output", output, axes, meaning, places)]
    levels = run.levels if is_one_module(run) else run.levels[-1:]
    for state in reversed(top[0].weights.cell.states):
        parts = [each for level in levels for each in level]
        meaning = (
            Sentence("Hidden state after the last step of each layer and direction, one row for each.")
            if state == "hidden"
            else Sentence("Cell state after the last step of each layer and direction, one row for each.")
        )
        places = tuple(StatePlace(each.level, each.direction, state, "last") for each in parts)
        values = np.stack([each.final(state) for each in parts])
        found.append(ReturnedTensor(f"{STATE_NAMES[state]}_n", values, ("layers", "batch", "units"), meaning, places))
    if has_result_line(run):
        found.append(_result(run, "result", axes, packed=True))
    return tuple(found)


def has_pytorch_layer(run: CallRun) -> bool:
    """Return whether PyTorch has such a layer."""
    return run.call.cell != "GRU" or run.call.reset_after


def is_one_module(run: CallRun) -> bool:
    """Return whether one PyTorch module has all levels: its directions are always concatenated between them."""
    return run.call.layers == 1 or run.call.merge in ("", "concat")


def has_result_line(run: CallRun) -> bool:
    """Return whether PyTorch's ``output`` is not yet what Keras returns as its output."""
    return not run.call.return_sequences or run.call.merge not in ("", "concat")


def _result(run: CallRun, name: str, axes: tuple[str, ...], *, packed: bool = False) -> ReturnedTensor:
    """Return the output of the call as Keras defines it."""
    call, top = run.call, run.levels[-1]
    last = not call.return_sequences
    places = tuple(StatePlace(each.level, each.direction, "hidden", "last" if last else "all") for each in top)
    if last:
        values = merged(call, [each.final("hidden") for each in top])
        return ReturnedTensor(name, values, ("batch", "units"), _last_meaning(run), places)
    as_torch = packed and run.is_masked
    parts = [_sequence(run, each, zeros=bool(call.merge) or as_torch, packed=as_torch) for each in top]
    values = merged(call, parts)
    if axes[0] == "time":
        values = values.swapaxes(0, 1)
    return ReturnedTensor(name, values, axes, _sequence_meaning(run), places)


def _sequence(run: CallRun, each: DirectionStates, *, zeros: bool, packed: bool) -> np.ndarray:
    """Return the hidden states of one direction as a call returns them, (B, T, H).

    Args:
        run: the run.
        each: the direction.
        zeros: whether masked positions are 0, not the state that is kept.
        packed: whether padding is moved behind the sequences, and cut off behind the longest one.
    """
    values = each.states["hidden"].copy()
    if zeros and run.is_masked:
        for row, (start, stop) in enumerate(run.spans):
            values[row, :start] = 0
            values[row, stop:] = 0
    if not packed:
        return values[:, ::-1] if run.call.go_backwards else values
    longest = max(stop - start for start, stop in run.spans)
    found = np.zeros((len(values), longest, values.shape[2]), np.float32)
    for row, (start, stop) in enumerate(run.spans):
        own = values[row, start:stop]
        found[row, : stop - start] = own[::-1] if run.call.go_backwards else own
    return found


def _last_meaning(run: CallRun) -> Sentence:
    match run.call.merge:
        case "":
            return Sentence("Hidden state after the last step of the layer.")
        case "concat":
            return Sentence(
                "Last state of the forward layer beside the last state of the backward layer, which ends at the first input."
            )
        case "sum":
            return Sentence("Sum of the last states of the forward and the backward layer.")
        case "ave":
            return Sentence("Mean of the last states of the forward and the backward layer.")
    return Sentence("Element-wise product of the last states of the forward and the backward layer.")


def _sequence_meaning(run: CallRun) -> Sentence:
    match run.call.merge:
        case "":
            return Sentence("Hidden state at every time step.")
        case "concat":
            return Sentence(
                "At every time step, the forward layer's state beside the backward layer's state of the same input."
            )
        case "sum":
            return Sentence("At every time step, the sum of both directions' states.")
        case "ave":
            return Sentence("At every time step, the mean of both directions' states.")
    return Sentence("At every time step, the element-wise product of both directions' states.")


def _state_meaning(each: DirectionStates, state: str) -> Sentence:
    if state == "cell":
        if each.backwards:
            return Sentence("Cell state after the layer's last step, which is at the first input: it runs backward.")
        return Sentence("Cell state after the layer's last step, at the last input.")
    if each.backwards:
        return Sentence("Hidden state after the layer's last step, which is at the first input: it runs backward.")
    return Sentence("Hidden state after the layer's last step, at the last input.")
