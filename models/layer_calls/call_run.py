"""The run of a call: the states of every level and direction at every position."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.core.messages import Problem
from models.core.stepwise import ClampSchedule, run_layer
from models.core.weights import LayerWeights
from models.layer_calls.call_inputs import CallInput, read_input
from models.layer_calls.call_options import CallOptions, check_call
from models.layer_calls.call_weights import CallWeights, call_weights
from models.networks.precision import Tf32Products


@dataclass(frozen=True, eq=False)
class DirectionStates:
    """The states of one level in one direction.

    Attributes:
        level: from 0.
        direction: 0, or 1 for the second layer of ``Bidirectional``.
        backwards: whether it runs from the last position to the first.
        weights: its weights.
        states: by name, ``"hidden"`` and of an LSTM ``"cell"``: (B, T, H) float32 by position; at masked positions the state
            that is kept.
        last: of each sequence the position at which it ends.
    """

    level: int
    direction: int
    backwards: bool
    weights: LayerWeights
    states: dict[str, np.ndarray]
    last: tuple[int, ...]

    def final(self, state: str) -> np.ndarray:
        """Return a state after the last step, (B, H)."""
        values = self.states[state]
        return np.stack([values[row, position] for row, position in enumerate(self.last)])


@dataclass(frozen=True, eq=False)
class CallRun:
    """The run of a call.

    Attributes:
        call: the arguments.
        given: the input.
        weights: the weights.
        x: (B, T, D) float32, the input of the first level.
        spans: the positions of each sequence at which the layers run: all of them if nothing is masked.
        levels: the states, by level and direction.
    """

    call: CallOptions
    given: CallInput
    weights: CallWeights
    x: np.ndarray
    spans: tuple[tuple[int, int], ...]
    levels: tuple[tuple[DirectionStates, ...], ...]

    @property
    def is_masked(self) -> bool:
        """Whether padding is masked."""
        return self.call.mask and self.given.is_padded


def run_call(call: CallOptions, example: str = "") -> CallRun:
    """Run a call.

    Args:
        call: the arguments.
        example: the text of a call whose source is text and that has none.

    Raises:
        Problem: the arguments or the data are not valid.
    """
    check_call(call)
    given = read_input(call, example)
    batch = given.batch(call)
    is_text = call.source == "text"
    size = call.embedding if is_text else batch.shape[2]
    weights = call_weights(call, size, given.rows if is_text else 0)
    x = batch if weights.embedding is None else weights.embedding[batch]
    masked = call.mask and given.is_padded
    if masked and call.go_backwards and call.layers > 1:
        raise Problem(
            "With go_backwards, Keras does not reverse the mask for the next layer. Use one layer, or turn the mask off."
        )
    spans = given.spans if masked else ((0, given.length),) * len(x)
    levels, values = [], torch.from_numpy(x)
    with torch.inference_mode(), Tf32Products() if call.tf32 else nullcontext():
        for level, both in enumerate(weights.levels):
            found = tuple(
                _run_direction(level, direction, call.go_backwards != bool(direction), own, values, spans)
                for direction, own in enumerate(both)
            )
            levels.append(found)
            values = torch.from_numpy(merged(call, [each.states["hidden"] for each in found]))
    return CallRun(call, given, weights, x, spans, tuple(levels))


def merged(call: CallOptions, parts: list[np.ndarray]) -> np.ndarray:
    """Return the outputs of the directions joined as ``call.merge`` says."""
    if len(parts) == 1:
        return parts[0]
    one, other = parts
    match call.merge:
        case "sum":
            return one + other
        case "ave":
            return (one + other) / np.float32(2)
        case "mul":
            return one * other
    return np.concatenate(parts, axis=-1)


def _run_direction(
    level: int,
    direction: int,
    backwards: bool,
    weights: LayerWeights,
    x: Tensor,
    spans: tuple[tuple[int, int], ...],
) -> DirectionStates:
    states = {name: np.zeros((*x.shape[:2], weights.hidden_size), np.float32) for name in weights.cell.states}
    for start, stop in dict.fromkeys(spans):  # sequences at the same positions run together
        rows = [row for row, span in enumerate(spans) if span == (start, stop)]
        begin = {name: x.new_zeros(len(rows), weights.hidden_size) for name in states}
        part = x[rows, start:stop]
        found, _ = run_layer(weights.cell, weights.tensors, part, begin, ClampSchedule(), backwards)
        for name, values in states.items():
            values[rows, start:stop] = torch.stack(found[name], 1).numpy()
            if backwards:
                values[rows, :start] = values[rows, start : start + 1]
            else:
                values[rows, stop:] = values[rows, stop - 1 : stop]
    last = [start if backwards else stop - 1 for start, stop in spans]
    return DirectionStates(level, direction, backwards, weights, states, tuple(last))
