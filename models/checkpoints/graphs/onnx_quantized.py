"""ONNX operators on quantized values: ``value = (integer - zero point) * scale``.

Source: https://onnx.ai/onnx/operators, and onnxruntime's own operators. Rounding is that of onnxruntime: half to even,
integers kept within their type.
"""

from __future__ import annotations

import torch
from torch import Tensor

from models.checkpoints.graphs.onnx_elementwise import convert
from models.checkpoints.graphs.onnx_layers import CONVOLUTION, convolution, product
from models.checkpoints.graphs.onnx_registry import MICROSOFT, OnnxOperation, axis_of, operator


def _along(node: OnnxOperation, values: Tensor, x: Tensor, default: int = 1) -> Tensor:
    """Return scales or zero points so that they are broadcast along the node's axis."""
    if values.numel() == 1:
        return values.reshape(())
    shape = [1] * x.dim()
    shape[axis_of(node.get("axis", default), x.dim())] = values.numel()
    return values.reshape(shape)


@operator("DequantizeLinear", attributes=("axis", "block_size", "output_dtype"), first=10)
@operator("DequantizeLinear", attributes=("axis",), domain=MICROSOFT)
def dequantize(node: OnnxOperation, x: Tensor, scale: Tensor, zero: Tensor | None = None) -> Tensor:
    """Return the dequantized values."""
    node.require(block_size=0, output_dtype=0)
    offset = (
        x.to(scale.dtype)
        if zero is None
        else (x.to(torch.int64) - _along(node, zero, x).to(torch.int64)).to(scale.dtype)
    )
    return offset * _along(node, scale, x)


@operator("QuantizeLinear", attributes=("axis", "block_size", "output_dtype", "saturate", "precision"), first=10)
@operator("QuantizeLinear", attributes=("axis",), domain=MICROSOFT)
def _quantize(node: OnnxOperation, x: Tensor, scale: Tensor, zero: Tensor | None = None) -> Tensor:
    node.require(block_size=0, precision=0)
    code = node.get("output_dtype", 0)
    dtype = torch.uint8 if zero is None else zero.dtype
    if code:
        dtype = convert(node, torch.zeros(()), code).dtype
    if dtype.is_floating_point:
        node.refuse("output_dtype", dtype)
    scaled = (x / _along(node, scale, x)).round()
    return _saturated(scaled if zero is None else scaled + _along(node, zero, x).to(x.dtype), dtype)


def _saturated(values: Tensor, dtype: torch.dtype) -> Tensor:
    limits = torch.iinfo(dtype)
    return values.clamp(limits.min, limits.max).to(dtype)


@operator("DynamicQuantizeLinear", outputs=3, first=11)
def quantize_by_range(node: OnnxOperation, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return ``x`` as integers from 0 to 255, with the scale and the zero point that its own range asks for."""
    low = torch.minimum(x.min(), torch.zeros_like(x.min()))
    high = torch.maximum(x.max(), torch.zeros_like(x.max()))
    scale = torch.where(high == low, torch.ones_like(high), (high - low) / 255)
    zero = _saturated((-low / scale).round(), torch.uint8)
    return _saturated((x / scale).round() + zero, torch.uint8), scale, zero


def _integer_product(node: OnnxOperation, a: Tensor, b: Tensor, zero_a: Tensor | None, zero_b: Tensor | None) -> Tensor:
    """Return the exact product of integers without their zero points, as float64: sums stay below 2 ** 53."""
    left, right = a.double(), b.double()
    if zero_a is not None:
        left = left - (zero_a.double() if zero_a.numel() == 1 or zero_a.dim() > 1 else zero_a.double()[:, None])
    if zero_b is not None:
        right = right - zero_b.double()
    return product(node, left, right)


@operator("MatMulInteger", first=10)
def _matmul_integer(
    node: OnnxOperation, a: Tensor, b: Tensor, zero_a: Tensor | None = None, zero_b: Tensor | None = None
) -> Tensor:
    return _integer_product(node, a, b, zero_a, zero_b).to(torch.int32)


@operator("MatMulIntegerToFloat", domain=MICROSOFT)
def _matmul_integer_to_float(
    node: OnnxOperation,
    a: Tensor,
    b: Tensor,
    scale_a: Tensor,
    scale_b: Tensor,
    zero_a: Tensor | None = None,
    zero_b: Tensor | None = None,
    bias: Tensor | None = None,
) -> Tensor:
    out = _integer_product(node, a, b, zero_a, zero_b).float() * (scale_a * scale_b)
    return out if bias is None else out + bias


@operator("DynamicQuantizeMatMul", domain=MICROSOFT)
def _dynamic_quantize_matmul(
    node: OnnxOperation, a: Tensor, b: Tensor, scale: Tensor, zero: Tensor | None = None, bias: Tensor | None = None
) -> Tensor:
    integers, own_scale, own_zero = quantize_by_range(node, a)
    out = _integer_product(node, integers, b, own_zero, zero).float() * (own_scale * scale)
    return out if bias is None else out + bias


@operator("ConvInteger", attributes=CONVOLUTION, first=10)
def _convolution_integer(
    node: OnnxOperation, x: Tensor, weight: Tensor, zero_x: Tensor | None = None, zero_weight: Tensor | None = None
) -> Tensor:
    values, kernel = x.double(), weight.double()
    if zero_x is not None:  # padding is 0 after dequantization
        values = values - zero_x.double().reshape(())
    if zero_weight is not None:
        kernel = kernel - zero_weight.double().reshape(-1, *[1] * (weight.dim() - 1))
    return convolution(node, values, kernel).to(torch.int32)
