"""Values of recorded calls: copies where the values are, batch first, padded, in the order of the user's batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

from models.core.gate_evaluation import previous_states
from models.core.weights import LayerWeights

WHOLE = (torch.float32, torch.float64)


def stays_on_device(values: Tensor) -> bool:
    """Return whether copies of ``values`` stay where they are until the CPU needs them: on a GPU, or another accelerator."""
    return not values.is_cpu


def copy_of(values: Tensor, index: int | None = None) -> Tensor:
    """Return a detached copy of ``values``, or of one of their rows, on their device, float32 or float64."""
    if values.dtype not in WHOLE:
        return values.detach().float() if index is None else values[index].detach().float()
    if stays_on_device(values):
        return (values if index is None else values[index]).detach().clone()
    array = values.numpy(force=True)  # of small arrays numpy's copies take less time than torch's
    return torch.from_numpy((array if index is None else array[index]).copy())


def copy_to_cpu(values: Tensor) -> Tensor:
    """Return a detached copy of ``values`` on the CPU, float32 or float64."""
    return copy_of(values).cpu()


def in_16_bits(output: Tensor) -> bool:
    """Return whether a layer with this output computes, at least in part, with 16 bits."""
    return output.dtype.itemsize < 4 or torch.is_autocast_enabled(output.device.type)


def same_bits(copy: Tensor, values: Tensor) -> bool:
    """Return whether ``values`` still equal their ``copy``, bit for bit (NaN too)."""
    bits = torch.int64 if copy.dtype == torch.float64 else torch.int32
    plain = values.detach().to(copy.device, copy.dtype)
    return torch.equal(copy.view(bits), plain.view(bits))


def all_same_bits(copies: Mapping[str, Tensor], values: Mapping[str, Tensor]) -> bool:
    """Return whether all ``values`` still equal their ``copies``; on a GPU it is waited for once."""
    if any(copies[name].device != each.device for name, each in values.items()):
        return False
    if all(copy.is_cpu for copy in copies.values()):
        return all(same_bits(copies[name], each) for name, each in values.items())
    found = []
    for name, each in values.items():
        copy = copies[name]
        bits = torch.int64 if copy.dtype == torch.float64 else torch.int32
        found.append((copy.view(bits) == each.detach().to(copy.dtype).view(bits)).all())
    return bool(torch.stack(found).all())


def equal(one: Sequence[Tensor], other: Sequence[Tensor]) -> bool:
    """Return whether tensors on the same device are equal in pairs."""
    return all(
        a.shape == b.shape and a.device == b.device and a.dtype == b.dtype and torch.equal(a, b)
        for a, b in zip(one, other, strict=False)
    )


def restore_order(values: Tensor, order: Tensor | None) -> Tensor:
    """Return values of a packed batch in the order of the user's batch."""
    return values if order is None else values[order.to(values.device, non_blocking=values.is_cuda)]


def sequence_lengths(batch_sizes: Tensor | None, order: Tensor | None) -> Tensor | None:
    """Return the sequences' lengths (B) in the order of the user's batch, on the device of ``order``; None if not packed."""
    if batch_sizes is None:
        return None
    lengths = (batch_sizes.cpu() > torch.arange(int(batch_sizes[0]))[:, None]).sum(1)
    return lengths if order is None else lengths.to(order.device, non_blocking=True)[order]


def to_padded(values: Tensor, batch_sizes: Tensor | None, order: Tensor | None) -> Tensor:
    """Return a run's values as (B, T, units), possibly without a copy; detached if they were packed."""
    if batch_sizes is None:
        return values
    padded, _ = pad_packed_sequence(PackedSequence(values.detach(), batch_sizes.cpu()), batch_first=True)
    return restore_order(padded, order)


def hidden_states(
    states: Tensor, start: tuple[Tensor, ...] | None, reverse: bool, lengths: Tensor | None
) -> dict[str, Tensor]:
    """Return copies of a run's hidden states (B, T, P) and of those one step earlier, by quantity."""
    batch, steps, size = states.shape
    dtype = states.dtype if states.dtype in WHOLE else torch.float32
    if lengths is not None:
        first = states.new_zeros(batch, size, dtype=dtype) if start is None else start[0]
        hidden = copy_of(states)
        return {"hidden": hidden, "hidden_prev": previous_states(hidden, first, reverse, lengths)}
    # Both are views of one tensor, shifted by a step; on a GPU its memory is ordered by step, as a kernel's output is.
    if stays_on_device(states):
        both = states.new_empty(steps + 1, batch, size, dtype=dtype).transpose(0, 1)
        both[:, steps if reverse else 0] = 0.0 if start is None else start[0]
        earlier, later = both[:, :-1], both[:, 1:]
        (earlier if reverse else later).copy_(states.detach())
    else:
        values = (states if states.dtype == dtype else states.to(dtype)).numpy(force=True)
        array = np.empty((batch, steps + 1, size), values.dtype)
        array[:, steps if reverse else 0] = 0.0 if start is None else start[0].numpy()
        array[:, slice(0, -1) if reverse else slice(1, None)] = values
        earlier, later = torch.from_numpy(array[:, :-1]), torch.from_numpy(array[:, 1:])
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
        hidden += to_padded(grads[0], batch_sizes, order)[..., columns]
    last = (torch.full((batch,), steps) if lengths is None else lengths.cpu()) - 1
    at = (torch.arange(batch), torch.zeros_like(last) if reverse else last)
    for index, values in enumerate((hidden, cell), start=1):
        if values is not None and index in grads:
            values[at] += restore_order(grads[index][direction], order)
    return hidden, cell


def step_gradients(after: Sequence[Tensor], grads: Mapping[int, Tensor]) -> tuple[Tensor, Tensor | None]:
    """Return the gradients by the states after a Cell's call, as one step: (B, 1, H) hidden, and for an LSTM cell."""
    found = [
        grads[index][:, None] if index in grads else torch.zeros(len(state), 1, state.shape[1], dtype=state.dtype)
        for index, state in enumerate(after)
    ]
    return found[0], found[1] if len(found) > 1 else None
