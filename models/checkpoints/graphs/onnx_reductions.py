"""ONNX operators that reduce, order or normalize along axes.

Source: https://onnx.ai/onnx/operators.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from models.checkpoints.graphs.onnx_registry import (
    MICROSOFT,
    OPERATORS,
    OnnxOperation,
    Operator,
    axis_of,
    integers,
    operator,
)

Reduction = Callable[[Tensor, list[int], bool], Tensor]


def _product(x: Tensor, axes: list[int], keep: bool) -> Tensor:
    for axis in sorted(axes, reverse=True):
        x = x.prod(axis, keepdim=keep)
    return x


REDUCTIONS: dict[str, Reduction] = {
    "ReduceSum": lambda x, axes, keep: x.sum(axes, keepdim=keep, dtype=x.dtype),
    "ReduceMean": lambda x, axes, keep: x.mean(axes, keepdim=keep),
    "ReduceMax": lambda x, axes, keep: x.amax(axes, keepdim=keep),
    "ReduceMin": lambda x, axes, keep: x.amin(axes, keepdim=keep),
    "ReduceProd": _product,
    "ReduceL1": lambda x, axes, keep: x.abs().sum(axes, keepdim=keep, dtype=x.dtype),
    "ReduceL2": lambda x, axes, keep: (x * x).sum(axes, keepdim=keep).sqrt(),
    "ReduceSumSquare": lambda x, axes, keep: (x * x).sum(axes, keepdim=keep, dtype=x.dtype),
    "ReduceLogSum": lambda x, axes, keep: x.sum(axes, keepdim=keep).log(),
    "ReduceLogSumExp": lambda x, axes, keep: x.logsumexp(axes, keepdim=keep),
}


def _reduce(name: str, reduction: Reduction) -> Callable[..., Tensor]:
    plain = name in ("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd")

    def compute(node: OnnxOperation, x: Tensor, axes: Tensor | None = None) -> Tensor:
        given = node.get("axes") if axes is None else integers(axes)
        if not given:
            if node.get("noop_with_empty_axes", 0):
                if not plain:
                    node.refuse("noop_with_empty_axes", 1)
                return x
            given = range(x.dim())
        places = [axis_of(axis, x.dim()) for axis in given]
        return reduction(x, places, bool(node.get("keepdims", 1))) if x.dim() else reduction(x[None], [0], False)

    return compute


OPERATORS.update({
    ("", name): Operator(_reduce(name, each), frozenset(("axes", "keepdims", "noop_with_empty_axes")))
    for name, each in REDUCTIONS.items()
})  # fmt: skip


def _arg(largest: bool) -> Callable[..., Tensor]:
    def compute(node: OnnxOperation, x: Tensor) -> Tensor:
        axis, keep = axis_of(node.get("axis", 0), x.dim()), bool(node.get("keepdims", 1))
        pick = torch.argmax if largest else torch.argmin
        if not node.get("select_last_index", 0):
            return pick(x, axis, keepdim=keep)
        return x.shape[axis] - 1 - pick(x.flip(axis), axis, keepdim=keep)

    return compute


OPERATORS.update({
    ("", name): Operator(_arg(name == "ArgMax"), frozenset(("axis", "keepdims", "select_last_index")))
    for name in ("ArgMax", "ArgMin")
})  # fmt: skip


@operator("TopK", attributes=("axis", "k", "largest", "sorted"), outputs=2)
def _top(node: OnnxOperation, x: Tensor, count: Tensor | None = None) -> tuple[Tensor, Tensor]:
    axis = axis_of(node.get("axis", -1), x.dim())
    size = node.get("k") if count is None else int(count.reshape(-1)[0])
    if not 0 <= size <= x.shape[axis]:
        raise ValueError("k")
    values, places = torch.sort(x, dim=axis, descending=bool(node.get("largest", 1)), stable=True)
    return values.narrow(axis, 0, size), places.narrow(axis, 0, size)


@operator("CumSum", attributes=("exclusive", "reverse"), first=11)
def _cumulative_sum(node: OnnxOperation, x: Tensor, axis: Tensor) -> Tensor:
    place = axis_of(int(axis.reshape(-1)[0]), x.dim())
    if node.get("reverse", 0):
        x = x.flip(place)
    out = x.cumsum(place, dtype=x.dtype)
    if node.get("exclusive", 0):
        out = out - x if not x.is_floating_point() else out.roll(1, place).index_fill(
            place, torch.zeros(1, dtype=torch.int64, device=x.device), 0.0
        )  # fmt: skip
    return out.flip(place) if node.get("reverse", 0) else out


def _softmax(function: Callable[[Tensor, int], Tensor]) -> Callable[..., Tensor]:
    def compute(node: OnnxOperation, x: Tensor) -> Tensor:
        if node.version >= 13:
            return function(x, axis_of(node.get("axis", -1), x.dim()))
        axis = axis_of(node.get("axis", 1), x.dim()) if x.dim() > 1 else 0  # over all axes from this one on
        flat = x.reshape(math.prod(x.shape[:axis]), -1)
        return function(flat, 1).reshape(x.shape)

    return compute


OPERATORS["", "Softmax"] = Operator(_softmax(torch.softmax), frozenset(("axis",)))
OPERATORS["", "LogSoftmax"] = Operator(_softmax(torch.log_softmax), frozenset(("axis",)))


@operator("Hardmax", attributes=("axis",), first=13)
def _hardmax(node: OnnxOperation, x: Tensor) -> Tensor:
    axis = axis_of(node.get("axis", -1), x.dim())
    return torch.zeros_like(x).scatter(axis, x.argmax(axis, keepdim=True), 1.0)


@operator("LpNormalization", attributes=("axis", "p"))
def _norm(node: OnnxOperation, x: Tensor) -> Tensor:
    length = x.norm(node.get("p", 2), axis_of(node.get("axis", -1), x.dim()), keepdim=True)
    return torch.where(length == 0, torch.zeros_like(x), x / length)


@operator(
    "BatchNormalization",
    attributes=("epsilon", "momentum", "training_mode", "spatial", "is_test"),
    first=7,
)
def _batch_norm(node: OnnxOperation, x: Tensor, scale: Tensor, bias: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    node.require(training_mode=0, spatial=1, is_test=1)
    return functional.batch_norm(x, mean, variance, scale, bias, False, 0.0, node.get("epsilon", 1e-5))


@operator("InstanceNormalization", attributes=("epsilon",), first=6)
def _instance_norm(node: OnnxOperation, x: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    axes = list(range(2, x.dim()))
    centred = x - x.mean(axes, keepdim=True)
    normal = centred / ((centred * centred).mean(axes, keepdim=True) + node.get("epsilon", 1e-5)).sqrt()
    shape = [-1] + [1] * len(axes)
    return normal * scale.reshape(shape) + bias.reshape(shape)


@operator("GroupNormalization", attributes=("epsilon", "num_groups", "stash_type"), first=18)
def _group_norm(node: OnnxOperation, x: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    groups = node.get("num_groups")
    if node.version < 21:  # one scale a group
        scale, bias = (each.repeat_interleave(x.shape[1] // groups) for each in (scale, bias))
    return functional.group_norm(x, groups, scale, bias, node.get("epsilon", 1e-5))


@operator("LayerNormalization", attributes=("axis", "epsilon", "stash_type"), outputs=3)
def _layer_norm(
    node: OnnxOperation, x: Tensor, scale: Tensor, bias: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    axes = list(range(axis_of(node.get("axis", -1), x.dim()), x.dim()))
    mean = x.mean(axes, keepdim=True)
    centred = x - mean
    inverse = ((centred * centred).mean(axes, keepdim=True) + node.get("epsilon", 1e-5)).rsqrt()
    out = centred * inverse * scale
    return out if bias is None else out + bias, mean, inverse


@operator("SkipLayerNormalization", domain=MICROSOFT, attributes=("epsilon",))
def _skip_layer_norm(
    node: OnnxOperation,
    x: Tensor,
    skip: Tensor,
    scale: Tensor,
    bias: Tensor | None = None,
    added: Tensor | None = None,
) -> Tensor:
    both = x + skip if added is None else x + skip + added
    return functional.layer_norm(both, both.shape[-1:], scale, bias, node.get("epsilon", 1e-12))


@operator("RMSNormalization", attributes=("axis", "epsilon", "stash_type"), first=23)
def _rms_norm(node: OnnxOperation, x: Tensor, scale: Tensor) -> Tensor:
    axes = list(range(axis_of(node.get("axis", -1), x.dim()), x.dim()))
    return x * ((x * x).mean(axes, keepdim=True) + node.get("epsilon", 1e-5)).rsqrt() * scale
