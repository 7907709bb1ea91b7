"""TorchScript's operators on numbers, strings, lists and sizes. Each is a function; results are bounded."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

MAX_NUMBER = 1 << 63
MAX_LENGTH = 1_000_000
"""Entries of a list, characters of a string."""


def _divide(a: Any, b: Any) -> Any:
    return a / b


def _range_length(start: int, stop: int, step: int) -> int:
    return len(range(start, stop, step))


def _slice(values: Any, start: Any = None, stop: Any = None, step: Any = 1) -> Any:
    return values[start:stop:step]


def _insert(values: list, place: int, value: Any) -> None:
    values.insert(place, value)


def _set_item(values: Any, place: Any, value: Any) -> Any:
    values[place] = value
    return values


def _format(text: str, *values: Any) -> str:
    pieces = text.split("{}")
    return "".join(piece + (str(values[at])[:1000] if at < len(values) else "") for at, piece in enumerate(pieces))


def _power(a: Any, b: Any) -> Any:
    if isinstance(a, int) and isinstance(b, int) and abs(b) > 62 and abs(a) > 1:
        raise ValueError("number")
    return a**b


def _times(a: Any, b: Any) -> Any:
    for values, count in ((a, b), (b, a)):
        if isinstance(values, list | str) and len(values) * count > MAX_LENGTH:
            raise ValueError("length")
    return a * b


def _nothing(*values: Any, **named: Any) -> None:
    return None


SCALARS: dict[str, Callable[..., Any]] = {
    "add": operator.add, "sub": operator.sub, "mul": _times, "div": _divide, "floordiv": operator.floordiv,
    "floor_divide": operator.floordiv, "remainder": operator.mod, "neg": operator.neg, "pow": _power, "eq": operator.eq,
    "ne": operator.ne, "lt": operator.lt, "le": operator.le, "gt": operator.gt, "ge": operator.ge,
    "__not__": operator.not_, "__is__": operator.is_, "__isnot__": operator.is_not, "__and__": operator.and_,
    "__or__": operator.or_, "__xor__": operator.xor, "__contains__": operator.contains, "__getitem__": operator.getitem,
    "__range_length": _range_length, "__derive_index": lambda at, start, step: start + at * step, "len": len,
    "append": list.append, "extend": list.extend, "insert": _insert, "pop": lambda values, *place: values.pop(*place),
    "clear": lambda values: values.clear(), "copy": lambda values: values.copy(), "list": list, "slice": _slice,
    "reverse": lambda values: values.reverse(), "_set_item": _set_item, "keys": lambda values: list(values.keys()),
    "values": lambda values: list(values.values()), "items": lambda values: list(values.items()),
    "format": _format, "str": lambda value: str(value)[:1000], "abs": abs, "floor": math.floor, "ceil": math.ceil,
    "sqrt": math.sqrt, "log": math.log, "exp": math.exp, "round": round, "warn": _nothing, "sum": sum,
    "is_scripting": lambda: True, "is_autocast_enabled": lambda *args: False,
    "Int": int, "Float": float, "Bool": bool, "ScalarImplicit": lambda value: value,
    "IntImplicit": int, "FloatImplicit": float,
}  # fmt: skip
"""Of arguments that are not tensors."""


def _tensor_of(value: Any, **named: Any) -> Tensor:
    return torch.tensor(value)


OF_TENSORS: dict[str, Callable[..., Any]] = {
    "size": lambda values, *axis: values.shape[axis[0]] if axis else list(values.shape),
    "dim": lambda values: values.dim(), "len": len, "numel": lambda values: values.numel(),
    "stride": lambda values, axis: values.stride(axis), "is_floating_point": lambda values: values.is_floating_point(),
    "item": lambda values: values.item(), "requires_grad": lambda values: values.requires_grad,
    "is_complex": lambda values: values.is_complex(), "__isnot__": operator.is_not, "__is__": operator.is_,
    "append": list.append, "insert": _insert, "extend": list.extend, "_set_item": _set_item, "Int": int, "Float": float,
    "Bool": bool, "IntImplicit": int, "FloatImplicit": float, "ScalarImplicit": lambda values: values.item(),
    "is_contiguous": lambda values, *form: values.is_contiguous(), "pop": lambda values, *place: values.pop(*place),
    "list": list, "__contains__": lambda values, key: key in values, "format": _format,
}  # fmt: skip
"""Of tensors, or of lists of them, with results that are numbers or lists."""

PRIM: dict[str, Callable[..., Any]] = {
    "device": lambda values: values.device, "dtype": lambda values: values.dtype, "layout": lambda values: 0,
    "data": lambda values: values.detach(), "shape": lambda values: list(values.shape), "NumToTensor": torch.tensor,
    "is_cuda": lambda values: False, "is_quantized": lambda values: values.is_quantized,
    "requires_grad": lambda values: values.requires_grad, "max": max, "min": min, "abs": abs, "is_mkldnn": _nothing,
    "ImplicitTensorToNum": lambda values: values.item(), "itemsize": lambda values: values.element_size(),
    "tolist": lambda values, *rest: values.tolist(), "unchecked_cast": lambda value: value, "grad": _nothing,
    "is_nested": lambda values: False, "is_sparse": lambda values: False, "is_meta": lambda values: False,
    "is_xpu": lambda values: False, "is_mps": lambda values: False, "is_xla": lambda values: False,
    "is_scripting": lambda: True, "type": lambda device: device.type,
}  # fmt: skip
"""Functions called as ``ops.prim.<name>``."""

CREATES = {"tensor": _tensor_of, "as_tensor": _tensor_of}


def bounded_value(value: Any) -> Any:
    """Return a value that is not too large.

    Raises:
        ValueError: it is.
    """
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= MAX_NUMBER:
        raise ValueError("number")
    if isinstance(value, list | str | tuple) and len(value) > MAX_LENGTH:
        raise ValueError("length")
    return value


def has_tensor(values: Any) -> bool:
    """Return whether there is a tensor among arguments, or in a list among them."""
    return any(
        isinstance(each, Tensor) or (isinstance(each, list | tuple) and any(isinstance(own, Tensor) for own in each))
        for each in values
    )
