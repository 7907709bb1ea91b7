"""ONNX operators that compute each value from the values at the same place: arithmetic, comparison, activations.

Source: https://onnx.ai/onnx/operators. Inputs are broadcast as in numpy.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from models.checkpoints.graphs.onnx_registry import (
    DTYPES_BY_CODE,
    MICROSOFT,
    OPERATORS,
    OnnxOperation,
    Operator,
    broadcast,
    operator,
)

UNARY: dict[str, Callable[[Tensor], Tensor]] = {
    "Abs": torch.abs, "Neg": torch.neg, "Sqrt": torch.sqrt, "Exp": torch.exp, "Log": torch.log,
    "Reciprocal": torch.reciprocal, "Floor": torch.floor, "Ceil": torch.ceil, "Round": torch.round, "Sign": torch.sign,
    "Sin": torch.sin, "Cos": torch.cos, "Tan": torch.tan, "Asin": torch.asin, "Acos": torch.acos, "Atan": torch.atan,
    "Sinh": torch.sinh, "Cosh": torch.cosh, "Asinh": torch.asinh, "Acosh": torch.acosh, "Atanh": torch.atanh,
    "Erf": torch.erf, "Sigmoid": torch.sigmoid, "Tanh": torch.tanh, "Relu": torch.relu, "Softsign": functional.softsign,
    "Softplus": functional.softplus, "Mish": functional.mish, "HardSwish": functional.hardswish,
    "Not": torch.logical_not, "IsNaN": torch.isnan, "Identity": lambda x: x,
}  # fmt: skip
BINARY: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "Add": torch.add, "Sub": torch.sub, "Mul": torch.mul, "And": torch.logical_and, "Or": torch.logical_or,
    "Xor": torch.logical_xor, "Equal": torch.eq, "Greater": torch.gt, "Less": torch.lt, "GreaterOrEqual": torch.ge,
    "LessOrEqual": torch.le,
}  # fmt: skip
VARIADIC: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "Max": torch.maximum, "Min": torch.minimum, "Sum": torch.add,
}  # fmt: skip


def _on_one(function: Callable[[Tensor], Tensor]) -> Callable[..., Tensor]:
    return lambda node, x: function(x)


def _on_two(function: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    def compute(node: OnnxOperation, a: Tensor, b: Tensor) -> Tensor:
        broadcast(node, a, b)
        return function(a, b)

    return compute


def _on_all(function: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    def compute(node: OnnxOperation, *inputs: Tensor) -> Tensor:
        broadcast(node, *inputs)
        return reduce(function, inputs)

    return compute


OPERATORS.update({("", name): Operator(_on_one(function)) for name, function in UNARY.items()})
OPERATORS.update({("", name): Operator(_on_two(function), first=7) for name, function in BINARY.items()})
OPERATORS.update({("", name): Operator(_on_all(function), first=8) for name, function in VARIADIC.items()})


@operator("Mean", first=8)
def _mean(node: OnnxOperation, *inputs: Tensor) -> Tensor:
    broadcast(node, *inputs)
    return reduce(torch.add, inputs) / len(inputs)


@operator("Div", first=7)
def _divide(node: OnnxOperation, a: Tensor, b: Tensor) -> Tensor:
    broadcast(node, a, b)
    return a / b if a.is_floating_point() else torch.div(a, b, rounding_mode="trunc")


@operator("Mod", attributes=("fmod",), first=10)
def _remainder(node: OnnxOperation, a: Tensor, b: Tensor) -> Tensor:
    broadcast(node, a, b)
    return torch.fmod(a, b) if node.get("fmod", 0) else torch.remainder(a, b)


@operator("Pow", first=7)
def _power(node: OnnxOperation, a: Tensor, b: Tensor) -> Tensor:
    broadcast(node, a, b)
    return torch.pow(a, b).to(a.dtype)


@operator("Where", first=9)
def _where(node: OnnxOperation, condition: Tensor, a: Tensor, b: Tensor) -> Tensor:
    broadcast(node, condition, a, b)
    return torch.where(condition, a, b)


@operator("IsInf", attributes=("detect_negative", "detect_positive"))
def _is_infinite(node: OnnxOperation, x: Tensor) -> Tensor:
    found = torch.isinf(x)
    if not node.get("detect_negative", 1):
        found = found & (x > 0)
    return found if node.get("detect_positive", 1) else found & (x < 0)


@operator("Clip", attributes=("min", "max"))
def _clip(node: OnnxOperation, x: Tensor, low: Tensor | None = None, high: Tensor | None = None) -> Tensor:
    lowest = node.get("min") if low is None else low
    highest = node.get("max") if high is None else high
    if lowest is not None:
        x = torch.maximum(x, torch.as_tensor(lowest, dtype=x.dtype, device=x.device))
    if highest is not None:
        x = torch.minimum(x, torch.as_tensor(highest, dtype=x.dtype, device=x.device))
    return x


@operator("LeakyRelu", attributes=("alpha",))
def _leaky_relu(node: OnnxOperation, x: Tensor) -> Tensor:
    return functional.leaky_relu(x, node.get("alpha", 0.01))


@operator("PRelu", first=7)
def _prelu(node: OnnxOperation, x: Tensor, slope: Tensor) -> Tensor:
    return torch.where(x < 0, x * slope.expand_as(x), x)


@operator("ThresholdedRelu", attributes=("alpha",))
def _thresholded_relu(node: OnnxOperation, x: Tensor) -> Tensor:
    return torch.where(x > node.get("alpha", 1.0), x, torch.zeros_like(x))


@operator("Elu", attributes=("alpha",))
def _elu(node: OnnxOperation, x: Tensor) -> Tensor:
    return functional.elu(x, node.get("alpha", 1.0))


@operator("Celu", attributes=("alpha",))
def _celu(node: OnnxOperation, x: Tensor) -> Tensor:
    return functional.celu(x, node.get("alpha", 1.0))


@operator("Selu", attributes=("alpha", "gamma"))
def _selu(node: OnnxOperation, x: Tensor) -> Tensor:
    alpha, gamma = node.get("alpha", 1.67326319217681884765625), node.get("gamma", 1.05070102214813232421875)
    return gamma * torch.where(x > 0, x, alpha * torch.expm1(x))


@operator("HardSigmoid", attributes=("alpha", "beta"))
def _hard_sigmoid(node: OnnxOperation, x: Tensor) -> Tensor:
    return (node.get("alpha", 0.2) * x + node.get("beta", 0.5)).clamp(0, 1)


@operator("Shrink", attributes=("bias", "lambd"))
def _shrink(node: OnnxOperation, x: Tensor) -> Tensor:
    bias, limit = node.get("bias", 0.0), node.get("lambd", 0.5)
    return torch.where(x < -limit, x + bias, torch.where(x > limit, x - bias, torch.zeros_like(x)))


@operator("Gelu", attributes=("approximate",))
def _gelu(node: OnnxOperation, x: Tensor) -> Tensor:
    return functional.gelu(x, approximate=node.get("approximate", "none"))


@operator("Gelu", domain=MICROSOFT)
def _microsoft_gelu(node: OnnxOperation, x: Tensor) -> Tensor:
    return functional.gelu(x)


@operator("FastGelu", domain=MICROSOFT)
def _fast_gelu(node: OnnxOperation, x: Tensor, bias: Tensor | None = None) -> Tensor:
    return functional.gelu(x if bias is None else x + bias, approximate="tanh")


@operator("QuickGelu", domain=MICROSOFT, attributes=("alpha",))
def _quick_gelu(node: OnnxOperation, x: Tensor) -> Tensor:
    return x * torch.sigmoid(node.get("alpha", 1.702) * x)


@operator("Dropout", attributes=("ratio", "seed"), outputs=2, first=7)
def _dropout(
    node: OnnxOperation, x: Tensor, ratio: Tensor | None = None, training: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Return the input as it is, as in evaluation mode, and the mask that keeps everything."""
    if training is not None and bool(training):
        node.refuse("training_mode", True)
    return x, torch.ones_like(x, dtype=torch.bool)


@operator("Cast", attributes=("to", "saturate", "round_mode"))
def _cast(node: OnnxOperation, x: Tensor) -> Tensor:
    return convert(node, x, node.get("to"))


@operator("CastLike", attributes=("saturate", "round_mode"), first=15)
def _cast_like(node: OnnxOperation, x: Tensor, other: Tensor) -> Tensor:
    return x.to(other.dtype)


def convert(node: OnnxOperation, x: Tensor, code: Any) -> Tensor:
    """Return ``x`` in the data type that has this number in files.

    Raises:
        CheckpointError: that type cannot be computed with.
    """
    if code not in DTYPES_BY_CODE:
        node.refuse("to", code)
    return x.to(DTYPES_BY_CODE[code])
