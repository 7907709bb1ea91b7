"""ONNX operators with weights, and pooling: matrix products, convolutions, pools.

Source: https://onnx.ai/onnx/operators.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from models.checkpoints.graphs.onnx_registry import MICROSOFT, OnnxOperation, operator
from models.checkpoints.graphs.onnx_shapes import padded

CONVOLUTIONS = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}
TRANSPOSED = {1: functional.conv_transpose1d, 2: functional.conv_transpose2d, 3: functional.conv_transpose3d}
MAX_POOLS = {1: functional.max_pool1d, 2: functional.max_pool2d, 3: functional.max_pool3d}
AVERAGE_POOLS = {1: functional.avg_pool1d, 2: functional.avg_pool2d, 3: functional.avg_pool3d}


def product(node: OnnxOperation, a: Tensor, b: Tensor) -> Tensor:
    """Return ``a @ b`` as numpy does; its size is checked before."""
    if a.dim() and b.dim():
        batch = torch.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        node.bounded((*batch, *a.shape[-2:-1], *(b.shape[-1:] if b.dim() > 1 else ())))
    return a @ b


@operator("MatMul")
def _matmul(node: OnnxOperation, a: Tensor, b: Tensor) -> Tensor:
    return product(node, a, b)


@operator("Gemm", attributes=("alpha", "beta", "transA", "transB"), first=7)
def _gemm(node: OnnxOperation, a: Tensor, b: Tensor, c: Tensor | None = None) -> Tensor:
    out = product(node, a.T if node.get("transA", 0) else a, b.T if node.get("transB", 0) else b)
    alpha, beta = node.get("alpha", 1.0), node.get("beta", 1.0)
    out = out if alpha == 1 else alpha * out
    return out if c is None else out + (c if beta == 1 else beta * c).expand_as(out)


@operator("FusedMatMul", domain=MICROSOFT, attributes=("alpha", "transA", "transB", "transBatchA", "transBatchB"))
def _fused_matmul(node: OnnxOperation, a: Tensor, b: Tensor) -> Tensor:
    node.require(transBatchA=0, transBatchB=0)
    a = a.transpose(-1, -2) if node.get("transA", 0) and a.dim() > 1 else a
    b = b.transpose(-1, -2) if node.get("transB", 0) and b.dim() > 1 else b
    return node.get("alpha", 1.0) * product(node, a, b)


@operator("Einsum", attributes=("equation",), first=12)
def _einsum(node: OnnxOperation, *inputs: Tensor) -> Tensor:
    equation = node.get("equation", "").replace(" ", "")
    terms, _, out = equation.partition("->")
    sizes: dict[str, int] = {}
    for term, values in zip(terms.split(","), inputs, strict=True):
        if "." not in term:
            sizes |= dict(zip(term, values.shape, strict=True))
    node.bounded(sizes[letter] for letter in out if letter in sizes)
    return torch.einsum(equation, *inputs)


def _pads(
    node: OnnxOperation, sizes: Sequence[int], kernel: Sequence[int], strides: Sequence[int]
) -> list[tuple[int, int]]:
    """Return (before, after) of each spatial axis; ``kernel`` holds the extents with dilation."""
    count, how = len(kernel), node.get("auto_pad", "NOTSET")
    if how == "NOTSET":
        given = node.get("pads", (0,) * 2 * count)
        return list(zip(given[:count], given[count:], strict=True))
    if how == "VALID":
        return [(0, 0)] * count
    if how not in ("SAME_UPPER", "SAME_LOWER"):
        node.refuse("auto_pad", how)
    if any(by != 1 for by in node.get("dilations", ())):  # onnxruntime's padding is then another
        node.refuse("dilations", node.get("dilations"))
    found = []
    for size, extent, stride in zip(sizes, kernel, strides, strict=True):
        total = max(0, (-(-size // stride) - 1) * stride + extent - size)
        small, large = total // 2, total - total // 2
        found.append((small, large) if how == "SAME_UPPER" else (large, small))
    return found


def _spatial(node: OnnxOperation, name: str, count: int) -> tuple[int, ...]:
    return tuple(node.get(name, (1,) * count))


CONVOLUTION = ("auto_pad", "dilations", "group", "kernel_shape", "pads", "strides")


@operator("Conv", attributes=CONVOLUTION)
def convolution(node: OnnxOperation, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return the convolution of ``x``, (B, C, ...), with ``weight``."""
    count = weight.dim() - 2
    if count not in CONVOLUTIONS or x.dim() != weight.dim():
        node.refuse("kernel_shape", list(weight.shape))
    strides, dilations = _spatial(node, "strides", count), _spatial(node, "dilations", count)
    extents = [(side - 1) * by + 1 for side, by in zip(weight.shape[2:], dilations, strict=True)]
    pads = _pads(node, x.shape[2:], extents, strides)
    x = padded(node, x, [(0, 0), (0, 0), *pads])
    out = [(size - extent) // by + 1 for size, extent, by in zip(x.shape[2:], extents, strides, strict=True)]
    node.bounded((x.shape[0], weight.shape[0], *out))
    node.bounded((*weight.shape[1:], *out))  # what a kernel may unfold of one sequence
    return CONVOLUTIONS[count](x, weight, bias, strides, 0, dilations, node.get("group", 1))


@operator("ConvTranspose", attributes=(*CONVOLUTION, "output_padding"))
def _transposed_convolution(node: OnnxOperation, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    count = weight.dim() - 2
    if count not in TRANSPOSED or x.dim() != weight.dim():
        node.refuse("kernel_shape", list(weight.shape))
    strides, dilations = _spatial(node, "strides", count), _spatial(node, "dilations", count)
    extra = tuple(node.get("output_padding", (0,) * count))
    extents = [(side - 1) * by + 1 for side, by in zip(weight.shape[2:], dilations, strict=True)]
    full = [(size - 1) * by + extent for size, by, extent in zip(x.shape[2:], strides, extents, strict=True)]
    how = node.get("auto_pad", "NOTSET")
    if how in ("SAME_UPPER", "SAME_LOWER"):  # the output is as long as the input times the stride
        totals = [
            max(0, each + more - size * by)
            for each, more, size, by in zip(full, extra, x.shape[2:], strides, strict=True)
        ]
        halves = [(total // 2, total - total // 2) for total in totals]
        pads = halves if how == "SAME_UPPER" else [(after, before) for before, after in halves]
    else:
        pads = _pads(node, x.shape[2:], extents, strides)
    groups = node.get("group", 1)
    node.bounded((x.shape[0], weight.shape[1] * groups, *full))
    out = TRANSPOSED[count](x, weight, None, strides, 0, 0, groups, dilations)
    cut = [(-before, more - after) for (before, after), more in zip(pads, extra, strict=True)]
    out = padded(node, out, [(0, 0), (0, 0), *cut])
    return out if bias is None else out + bias.reshape(-1, *[1] * count)


def _windows(
    node: OnnxOperation, x: Tensor, kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int]
) -> tuple[list[tuple[int, int]], list[int]]:
    """Return the padding on each spatial axis, and how many values more the last windows need where sizes are rounded up."""
    extents = [(side - 1) * by + 1 for side, by in zip(kernel, dilations, strict=True)]
    pads = _pads(node, x.shape[2:], extents, strides)
    more = []
    for size, (before, after), extent, stride in zip(x.shape[2:], pads, extents, strides, strict=True):
        free = size + before + after - extent
        count = (-(-free // stride) if node.get("ceil_mode", 0) else free // stride) + 1
        if node.get("ceil_mode", 0) and (count - 1) * stride >= size + before:  # a window of padding alone
            count -= 1
        more.append(max(0, (count - 1) * stride - free))
    return pads, more


POOL = ("auto_pad", "ceil_mode", "kernel_shape", "pads", "strides", "dilations")


@operator("MaxPool", attributes=(*POOL, "storage_order"))
def _max_pool(node: OnnxOperation, x: Tensor) -> Tensor:
    kernel = tuple(node.get("kernel_shape"))
    strides, dilations = _spatial(node, "strides", len(kernel)), _spatial(node, "dilations", len(kernel))
    pads, more = _windows(node, x, kernel, strides, dilations)
    widths = [(before, after + rest) for (before, after), rest in zip(pads, more, strict=True)]
    lowest = -math.inf if x.is_floating_point() else torch.iinfo(x.dtype).min
    return MAX_POOLS[len(kernel)](
        padded(node, x, [(0, 0), (0, 0), *widths], value=lowest), kernel, strides, 0, dilations
    )


@operator("AveragePool", attributes=(*POOL, "count_include_pad"), first=7)
def _average_pool(node: OnnxOperation, x: Tensor) -> Tensor:
    kernel = tuple(node.get("kernel_shape"))
    strides = _spatial(node, "strides", len(kernel))
    node.require(dilations=(1,) * len(kernel))
    pads, more = _windows(node, x, kernel, strides, (1,) * len(kernel))
    pool = AVERAGE_POOLS[len(kernel)]
    counted = torch.ones_like(x[:1, :1])
    around: list[tuple[int, int]] = [(0, 0), (0, 0), *pads]
    beyond = [(0, 0), (0, 0), *((0, rest) for rest in more)]
    counted = padded(node, counted, around, value=float(node.get("count_include_pad", 0)))
    counted = padded(node, counted, beyond)
    x = padded(node, padded(node, x, around), beyond)
    return pool(x, kernel, strides) / pool(counted, kernel, strides)


@operator("GlobalAveragePool")
def _global_average_pool(node: OnnxOperation, x: Tensor) -> Tensor:
    return x.mean(list(range(2, x.dim())), keepdim=True)


@operator("GlobalMaxPool")
def _global_max_pool(node: OnnxOperation, x: Tensor) -> Tensor:
    return x.amax(list(range(2, x.dim())), keepdim=True)
