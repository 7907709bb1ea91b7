"""Arrays of recorded calls: copies on the CPU, batch first, padded, in the order of the user's batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

from models.core.gate_evaluation import previous_states
from models.core.weights import LayerWeights


def copy_to_cpu(values: Tensor) -> Tensor:
    """Return a detached copy of ``values`` on the CPU, float32 or float64."""
    return torch.from_numpy(to_array(values).copy())


def to_array(values: Tensor) -> np.ndarray:
    """Return ``values`` detached, on the CPU, float32 or float64; without a copy if they already are."""
    if values.dtype not in (torch.float32, torch.float64):
        values = values.float()
    return values.numpy(force=True)


def in_16_bits(output: Tensor) -> bool:
    """Return whether a layer with this output computes, at least in part, with 16 bits."""
    return output.dtype.itemsize < 4 or torch.is_autocast_enabled(output.device.type)


def same_bits(copy: Tensor, values: Tensor) -> bool:
    """Return whether ``values`` still equal their ``copy``, bit for bit (NaN too)."""
    bits = torch.int64 if copy.dtype == torch.float64 else torch.int32
    plain = values.detach().to(copy.device, copy.dtype)
    return torch.equal(copy.view(bits), plain.view(bits))


def restore_order(values: Any, order: Tensor | None) -> Any:
    """Return values of a packed batch in the order of the user's batch."""
    return values if order is None else values[order.numpy(force=True)]


def to_padded(values: Tensor, batch_sizes: Tensor | None, order: Tensor | None) -> tuple[np.ndarray, Tensor | None]:
    """Return a run's values as (B, T, units), possibly without a copy, and the sequences' lengths if they were packed."""
    if batch_sizes is None:
        return to_array(values), None
    packed = PackedSequence(torch.from_numpy(to_array(values)), batch_sizes.cpu())
    padded, lengths = pad_packed_sequence(packed, batch_first=True)
    return restore_order(padded, order).numpy(), restore_order(lengths, order)


def hidden_states(
    states: np.ndarray, start: tuple[np.ndarray, ...] | None, reverse: bool, lengths: Tensor | None
) -> dict[str, np.ndarray]:
    """Return copies of a run's hidden states (B, T, P) and of those one step earlier, by quantity."""
    batch, steps, size = states.shape
    if lengths is not None:
        first = np.zeros((batch, size), states.dtype) if start is None else start[0]
        hidden = torch.from_numpy(states.copy())
        previous = previous_states(hidden, torch.from_numpy(first), reverse, lengths)
        return {"hidden": hidden.numpy(), "hidden_prev": previous.numpy()}
    # Both are views of one array, shifted by a step.
    both = np.empty((batch, steps + 1, size), states.dtype)
    both[:, steps if reverse else 0] = 0 if start is None else start[0]
    earlier, later = both[:, :-1], both[:, 1:]
    (earlier if reverse else later)[...] = states
    return {"hidden": earlier, "hidden_prev": later} if reverse else {"hidden": later, "hidden_prev": earlier}


def run_gradients(
    weights: LayerWeights,
    shape: Sequence[int],
    direction: int,
    reverse: bool,
    columns: slice,
    batch_sizes: Tensor | None,
    lengths: Tensor | None,
    order: Tensor | None,
    grads: Mapping[int, Tensor],
) -> tuple[Tensor, Tensor | None]:
    """Return the gradients by a run's output and last states, by state: (B, T, P) hidden, and (B, T, H) cell or None."""
    dtype = next((grad.dtype for grad in grads.values()), torch.float32)
    batch, steps, _ = shape
    hidden = torch.zeros(shape, dtype=dtype)
    cell = torch.zeros(batch, steps, weights.hidden_size, dtype=dtype) if weights.kind == "LSTM" else None
    if 0 in grads:
        hidden += torch.from_numpy(to_padded(grads[0], batch_sizes, order)[0][..., columns])
    last = (torch.full((batch,), steps) if lengths is None else lengths) - 1
    at = (torch.arange(batch), torch.zeros_like(last) if reverse else last)
    for index, values in enumerate((hidden, cell), start=1):
        if values is not None and index in grads:
            values[at] += restore_order(grads[index][direction], order)
    return hidden, cell


def step_gradients(after: Sequence[np.ndarray], grads: Mapping[int, Tensor]) -> tuple[Tensor, Tensor | None]:
    """Return the gradients by the states after a Cell's call, as one step: (B, 1, H) hidden, and for an LSTM cell."""
    found = [
        grads[index][:, None] if index in grads else torch.from_numpy(np.zeros_like(state[:, None]))
        for index, state in enumerate(after)
    ]
    return found[0], found[1] if len(found) > 1 else None
