"""ONNX operators that move, select, repeat or create values: shapes, slices, gathers, constants.

Source: https://onnx.ai/onnx/operators. Sizes are checked before memory is allocated.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from models.checkpoints.graphs.onnx_registry import (
    OnnxOperation,
    axis_of,
    integers,
    operator,
    to_tensor,
)


@operator(
    "Constant",
    attributes=("value", "value_float", "value_floats", "value_int", "value_ints"),
)
def _constant(node: OnnxOperation) -> Tensor:
    (name, value), *_ = node.node.attributes.items()
    if name == "value":
        return to_tensor(value, node.label)
    return torch.tensor(value, dtype=torch.float32 if "float" in name else torch.int64)


@operator("ConstantOfShape", attributes=("value",), first=9)
def _constant_of_shape(node: OnnxOperation, shape: Tensor) -> Tensor:
    sizes = integers(shape)
    node.bounded(sizes)
    value = node.get("value")
    if value is None:
        return torch.zeros(sizes)
    return to_tensor(value, node.label).reshape(()).repeat(sizes) if sizes else to_tensor(value, node.label).reshape(())


@operator("Range", first=11)
def _range(node: OnnxOperation, start: Tensor, limit: Tensor, delta: Tensor) -> Tensor:
    if start.is_floating_point():
        count = math.ceil((float(limit) - float(start)) / float(delta))
    else:
        count = -((int(start) - int(limit)) // int(delta))
    node.bounded([count])
    return start.reshape(()) + torch.arange(max(0, count), device=start.device).to(start.dtype) * delta.reshape(())


@operator("Shape", attributes=("start", "end"))
def _shape(node: OnnxOperation, x: Tensor) -> Tensor:
    return torch.tensor(x.shape[node.get("start", 0) : node.get("end")], dtype=torch.int64)


@operator("Size")
def _size(node: OnnxOperation, x: Tensor) -> Tensor:
    return torch.tensor(x.numel(), dtype=torch.int64)


@operator("Reshape", attributes=("allowzero",), first=5)
def _reshape(node: OnnxOperation, x: Tensor, shape: Tensor) -> Tensor:
    sizes = integers(shape)
    if not node.get("allowzero", 0):
        sizes = [x.shape[place] if size == 0 else size for place, size in enumerate(sizes)]
    return x.reshape(sizes)


@operator("Flatten", attributes=("axis",))
def _flatten(node: OnnxOperation, x: Tensor) -> Tensor:
    axis = node.get("axis", 1)
    axis = axis + x.dim() if axis < 0 else axis
    return x.reshape(math.prod(x.shape[:axis]), math.prod(x.shape[axis:]))


@operator("Transpose", attributes=("perm",))
def _transpose(node: OnnxOperation, x: Tensor) -> Tensor:
    return x.permute(node.get("perm", tuple(reversed(range(x.dim())))))


@operator("Squeeze", attributes=("axes",))
def _squeeze(node: OnnxOperation, x: Tensor, axes: Tensor | None = None) -> Tensor:
    given = node.get("axes") if axes is None else integers(axes)
    if given is None:
        return x.squeeze()
    places = [axis_of(axis, x.dim()) for axis in given]
    if any(x.shape[place] != 1 for place in places):
        raise ValueError("an axis of more than one")
    return x.squeeze(places)


@operator("Unsqueeze", attributes=("axes",))
def _unsqueeze(node: OnnxOperation, x: Tensor, axes: Tensor | None = None) -> Tensor:
    given = node.get("axes", ()) if axes is None else integers(axes)
    rank = x.dim() + len(given)
    for place in sorted(axis_of(axis, rank) for axis in given):
        x = x.unsqueeze(place)
    return x


@operator("Expand", first=8)
def _expand(node: OnnxOperation, x: Tensor, shape: Tensor) -> Tensor:
    sizes = torch.broadcast_shapes(x.shape, integers(shape))
    node.bounded(sizes)
    return x.expand(sizes)


@operator("Tile", first=6)
def _tile(node: OnnxOperation, x: Tensor, repeats: Tensor) -> Tensor:
    times = integers(repeats)
    node.bounded(size * count for size, count in zip(x.shape, times, strict=True))
    return x.repeat(times)


@operator("Concat", attributes=("axis",), first=4)
def _concatenate(node: OnnxOperation, *inputs: Tensor) -> Tensor:
    node.bounded([sum(each.numel() for each in inputs)])
    axis = axis_of(node.get("axis"), inputs[0].dim())
    if any(each.dim() != inputs[0].dim() for each in inputs):
        raise ValueError("ranks")
    return torch.cat(inputs, axis)


@operator("Split", attributes=("axis", "split", "num_outputs"), outputs=10_000, first=2)
def _split(node: OnnxOperation, x: Tensor, split: Tensor | None = None) -> tuple[Tensor, ...]:
    axis = axis_of(node.get("axis", 0), x.dim())
    sizes = node.get("split") if split is None else integers(split)
    if sizes is None:
        count = node.get("num_outputs", len(node.node.outputs))
        if count != len(node.node.outputs):
            node.refuse("num_outputs", count)
        each = -(-x.shape[axis] // count)
        sizes = [each] * (count - 1) + [x.shape[axis] - each * (count - 1)]
    return x.split(list(sizes), axis)


@operator("Slice", attributes=("starts", "ends", "axes"))
def _slice(
    node: OnnxOperation,
    x: Tensor,
    starts: Tensor | None = None,
    ends: Tensor | None = None,
    axes: Tensor | None = None,
    steps: Tensor | None = None,
) -> Tensor:
    first = integers(node.get("starts") if starts is None else starts)
    last = integers(node.get("ends") if ends is None else ends)
    given = node.get("axes") if axes is None else integers(axes)
    places = list(range(len(first))) if given is None else [axis_of(axis, x.dim()) for axis in given]
    strides = [1] * len(first) if steps is None else integers(steps)
    for place, start, end, step in zip(places, first, last, strides, strict=True):
        taken = range(*slice(start, end, step).indices(x.shape[place]))
        if step > 0:
            x = x[(slice(None),) * place + (slice(taken.start, max(taken.start, taken.stop), step),)]
        else:
            x = x.index_select(place, torch.tensor(list(taken), dtype=torch.int64, device=x.device))
    return x


def _wrapped(indices: Tensor, size: int) -> Tensor:
    """Indices from the end counted from the start."""
    wide = indices.long()
    return torch.where(wide < 0, wide + size, wide)


@operator("Gather", attributes=("axis",))
def gather(node: OnnxOperation, x: Tensor, indices: Tensor) -> Tensor:
    """Return the slices of ``x`` along an axis that ``indices`` choose."""
    axis = axis_of(node.get("axis", 0), x.dim())
    shape = x.shape[:axis] + indices.shape + x.shape[axis + 1 :]
    node.bounded(shape)
    places = _wrapped(indices, x.shape[axis]).reshape(-1).to(x.device)
    return x.index_select(axis, places).reshape(shape)


@operator("GatherElements", attributes=("axis",), first=11)
def _gather_elements(node: OnnxOperation, x: Tensor, indices: Tensor) -> Tensor:
    axis = axis_of(node.get("axis", 0), x.dim())
    return torch.gather(x, axis, _wrapped(indices, x.shape[axis]))


@operator("GatherND", attributes=("batch_dims",), first=11)
def _gather_nd(node: OnnxOperation, x: Tensor, indices: Tensor) -> Tensor:
    batch = node.get("batch_dims", 0)
    width = indices.shape[-1]
    shape = indices.shape[:-1] + x.shape[batch + width :]
    node.bounded(shape)
    rows = math.prod(x.shape[:batch])
    flat = x.reshape(rows, *x.shape[batch:])
    chosen = indices.reshape(rows, -1, width)
    places = [_wrapped(chosen[..., place], x.shape[batch + place]) for place in range(width)]
    row = torch.arange(rows, device=x.device)[:, None].expand(rows, chosen.shape[1])
    return flat[(row, *places)].reshape(shape)


@operator("ScatterElements", "Scatter", attributes=("axis", "reduction"), first=9)
def _scatter_elements(node: OnnxOperation, x: Tensor, indices: Tensor, updates: Tensor) -> Tensor:
    axis = axis_of(node.get("axis", 0), x.dim())
    places, how = _wrapped(indices, x.shape[axis]), node.get("reduction", "none")
    if how == "none":
        return x.scatter(axis, places, updates)
    return x.scatter_reduce(axis, places, updates, _reduction(node, how))


@operator("ScatterND", attributes=("reduction",), first=11)
def _scatter_nd(node: OnnxOperation, x: Tensor, indices: Tensor, updates: Tensor) -> Tensor:
    width, how = indices.shape[-1], node.get("reduction", "none")
    chosen, rest = indices.reshape(-1, width), x.shape[width:]
    flat = torch.zeros(len(chosen), dtype=torch.int64, device=x.device)
    for place in range(width):
        part = _wrapped(chosen[:, place], x.shape[place])
        if bool(((part < 0) | (part >= x.shape[place])).any()):
            raise IndexError("indices")
        flat = flat * x.shape[place] + part
    rows = x.reshape(math.prod(x.shape[:width]), -1)
    new = updates.reshape(len(flat), -1)
    if how == "none":
        return rows.index_copy(0, flat, new).reshape(x.shape)
    where = flat[:, None].expand(-1, math.prod(rest))
    return rows.scatter_reduce(0, where, new, _reduction(node, how)).reshape(x.shape)


def _reduction(node: OnnxOperation, how: str) -> str:
    names = {"add": "sum", "mul": "prod", "max": "amax", "min": "amin"}
    if how not in names:
        node.refuse("reduction", how)
    return names[how]


@operator("Pad", attributes=("mode", "pads", "value"), first=2)
def _pad(
    node: OnnxOperation, x: Tensor, pads: Tensor | None = None, value: Tensor | None = None, axes: Tensor | None = None
) -> Tensor:
    given = integers(node.get("pads") if pads is None else pads)
    places = list(range(x.dim())) if axes is None else [axis_of(axis, x.dim()) for axis in integers(axes)]
    widths = [(0, 0)] * x.dim()
    for place, before, after in zip(places, given[: len(places)], given[len(places) :], strict=True):
        widths[place] = (before, after)
    return padded(
        node, x, widths, node.get("mode", "constant"), node.get("value", 0.0) if value is None else value.item()
    )


def padded(
    node: OnnxOperation, x: Tensor, widths: Sequence[tuple[int, int]], mode: str = "constant", value: float = 0.0
) -> Tensor:
    """Return ``x`` with (before, after) values added on each axis, or taken away where negative."""
    node.bounded(size + before + after for size, (before, after) in zip(x.shape, widths, strict=True))
    if mode == "constant":
        return functional.pad(x, [width for pair in reversed(widths) for width in pair], value=value)
    if mode not in ("reflect", "edge", "wrap"):
        node.refuse("mode", mode)
    for place, (before, after) in enumerate(widths):
        size = x.shape[place]
        if before or after:
            at = torch.arange(-before, size + after, device=x.device)
            if mode == "edge":
                at = at.clamp(0, size - 1)
            elif mode == "wrap":
                at = at % size
            else:
                turn = max(1, 2 * (size - 1))
                at = at % turn
                at = torch.where(at >= size, turn - at, at)
            x = x.index_select(place, at)
    return x


@operator("ReverseSequence", attributes=("batch_axis", "time_axis"), first=10)
def _reverse_sequence(node: OnnxOperation, x: Tensor, lengths: Tensor) -> Tensor:
    time_axis, batch_axis = node.get("time_axis", 0), node.get("batch_axis", 1)
    if {time_axis, batch_axis} != {0, 1}:
        node.refuse("time_axis", time_axis)
    steps = torch.arange(x.shape[time_axis], device=x.device)[:, None]
    ends = lengths.long()[None]
    at = torch.where(steps < ends, ends - 1 - steps, steps)
    columns = torch.arange(x.shape[batch_axis], device=x.device)[None]
    return x[at, columns] if time_axis == 0 else x[columns.T, at.T]


@operator("OneHot", attributes=("axis",), first=9)
def _one_hot(node: OnnxOperation, indices: Tensor, depth: Tensor, values: Tensor) -> Tensor:
    count = int(depth.reshape(-1)[0])
    axis = axis_of(node.get("axis", -1), indices.dim() + 1)
    node.bounded((*indices.shape, count))
    wide = indices.long()
    on = _wrapped(wide, count).unsqueeze(axis)
    shape = [1] * (indices.dim() + 1)
    shape[axis] = count
    return torch.where(on == torch.arange(count, device=on.device).reshape(shape), values[1], values[0])


@operator("Trilu", attributes=("upper",), first=14)
def _triangle(node: OnnxOperation, x: Tensor, diagonal: Tensor | None = None) -> Tensor:
    offset = 0 if diagonal is None else int(diagonal)
    return x.triu(offset) if node.get("upper", 1) else x.tril(offset)


@operator("NonZero", first=9)
def _nonzero(node: OnnxOperation, x: Tensor) -> Tensor:
    return x.nonzero().T


@operator("EyeLike", attributes=("k",), first=9)
def _eye_like(node: OnnxOperation, x: Tensor) -> Tensor:
    return torch.ones_like(x).triu(node.get("k", 0)).tril(node.get("k", 0))


@operator("Compress", attributes=("axis",), first=9)
def _compress(node: OnnxOperation, x: Tensor, condition: Tensor) -> Tensor:
    axis = node.get("axis")
    if axis is None:
        x, axis = x.reshape(-1), 0
    return x.index_select(axis_of(axis, x.dim()), condition.reshape(-1).nonzero()[:, 0])
