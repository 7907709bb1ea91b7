"""Functions of ``keras.ops`` between the layers of a Functional model, such as those that Keras 3 makes masks with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from models.checkpoints.graphs.graph_module import refuse, refuse_setting
from models.checkpoints.graphs.keras_activations import FUNCTIONS
from models.checkpoints.graphs.keras_layer import DTYPES, Builder, KerasLayer, LayerEntry, Value

Axis = int | list[int] | None


def _axes(x: Tensor, axis: Axis) -> list[int]:
    return list(range(x.dim())) if axis is None else axis if isinstance(axis, list) else [axis]


def _any(x: Tensor, axis: Axis, keepdims: bool) -> Tensor:
    return x.bool().any(_axes(x, axis), keepdim=keepdims)


def _all(x: Tensor, axis: Axis, keepdims: bool) -> Tensor:
    return x.bool().all(_axes(x, axis), keepdim=keepdims)


def _floating(x: Tensor) -> Tensor:
    return x if x.is_floating_point() else x.float()


REDUCTIONS: dict[str, Callable[[Tensor, Axis, bool], Tensor]] = {
    "Any": _any,
    "All": _all,
    "Mean": lambda x, axis, kept: _floating(x).mean(_axes(x, axis), keepdim=kept),
    "Sum": lambda x, axis, kept: _floating(x).sum(_axes(x, axis), keepdim=kept),
    "Max": lambda x, axis, kept: x.amax(_axes(x, axis), keepdim=kept),
    "Min": lambda x, axis, kept: x.amin(_axes(x, axis), keepdim=kept),
}
"""Functions of a tensor along axes."""

ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "Add": lambda a, b: a + b,
    "Subtract": lambda a, b: a - b,
    "Multiply": lambda a, b: a * b,
    "Divide": lambda a, b: a / b,
    "TrueDivide": lambda a, b: a / b,
    "Maximum": lambda a, b: torch.maximum(*_tensors(a, b)),
    "Minimum": lambda a, b: torch.minimum(*_tensors(a, b)),
    "Matmul": torch.matmul,
    "NotEqual": lambda a, b: a != b,
    "Equal": lambda a, b: a == b,
    "Greater": lambda a, b: a > b,
    "GreaterEqual": lambda a, b: a >= b,
    "Less": lambda a, b: a < b,
    "LessEqual": lambda a, b: a <= b,
    "LogicalAnd": lambda a, b: torch.logical_and(*_tensors(a, b)),
    "LogicalOr": lambda a, b: torch.logical_or(*_tensors(a, b)),
}
"""Functions of two tensors, or of one and a number."""

ELEMENTWISE: dict[str, Callable[[Tensor], Tensor]] = {
    "LogicalNot": torch.logical_not,
    "Negative": torch.neg,
    "Absolute": torch.abs,
    "Abs": torch.abs,
    "Square": torch.square,
    "Sqrt": torch.sqrt,
    "Exp": torch.exp,
    "Log": torch.log,
    "Relu": FUNCTIONS["relu"],
    "Sigmoid": FUNCTIONS["sigmoid"],
    "Tanh": FUNCTIONS["tanh"],
    "Softplus": FUNCTIONS["softplus"],
    "Silu": FUNCTIONS["silu"],
    "ZerosLike": torch.zeros_like,
    "OnesLike": torch.ones_like,
}
"""Functions of each number of a tensor."""

OPERATIONS = frozenset((
    *REDUCTIONS, *ARITHMETIC, *ELEMENTWISE, "Softmax", "ExpandDims", "Squeeze", "Reshape", "Transpose", "Concatenate",
    "Stack", "GetItem", "Cast", "ConvertToTensor",
))  # fmt: skip
"""The names of their classes."""

OPERATION_DTYPES = DTYPES | {"bool": torch.bool, "int32": torch.int32, "int64": torch.int64}


class OperationLayer(KerasLayer):
    """A function that a configuration lists among the layers; its output has no mask."""

    settings = frozenset(("axis", "axes", "keepdims", "newshape"))
    arguments = frozenset()

    def __init__(self, entry: LayerEntry, builder: Builder) -> None:
        """Read the axes.

        Raises:
            CheckpointError: there is no such function here.
        """
        if entry.type not in OPERATIONS:
            refuse(entry.label, entry.type)
        said = entry.config.get("dtype")
        super().__init__(LayerEntry(entry.name, entry.label, entry.type, {**entry.config, "dtype": None}), builder)
        if said is not None and said not in OPERATION_DTYPES:
            refuse_setting(self.label, "dtype", said)
        self.to_dtype = None if said is None else OPERATION_DTYPES[said]
        for name in ("axis", "axes", "newshape"):
            value = self.config.get(name)
            if not all(each is None or type(each) is int for each in (value if isinstance(value, list) else [value])):
                refuse_setting(self.label, name, value)

    def call(self, net: nn.Module, args: list[Any], kwargs: Mapping[str, Any]) -> Value:
        """The function of its arguments."""
        try:
            result = self._run([_plain(each) for each in args])
        except (TypeError, ValueError, IndexError, RuntimeError) as error:
            raise self.wrong_call() from error
        return Value(result if self.to_dtype is None else result.to(self.to_dtype))

    def _run(self, args: list[Any]) -> Tensor:
        type = self.entry.type
        axis: Any = self.config.get("axis")
        if type in ARITHMETIC:
            first, second = args
            return ARITHMETIC[type](first, second)
        if type == "GetItem":
            x, index = args
            listed = index if isinstance(index, list) else [index]
            if not all(each is Ellipsis or isinstance(each, int | slice | None) for each in listed):
                raise self.wrong_call()
            return x[tuple(listed)]
        (x,) = args
        if type in REDUCTIONS:
            return REDUCTIONS[type](x, axis, bool(self.config.get("keepdims")))
        if type in ELEMENTWISE:
            return ELEMENTWISE[type](x)
        match type:
            case "Softmax":
                return x.softmax(-1 if axis is None else axis)
            case "ExpandDims":
                return x.unsqueeze(axis)
            case "Squeeze":
                return x.squeeze() if axis is None else x.squeeze(axis)
            case "Reshape":
                return x.reshape(self.config.get("newshape"))
            case "Transpose":
                axes = self.config.get("axes")
                return x.permute(*(axes if axes is not None else reversed(range(x.dim()))))
            case "Concatenate":
                return torch.cat(x, axis)
            case "Stack":
                return torch.stack(x, axis)
        return x


def _plain(tree: Any) -> Any:
    """An argument with tensors where there were values."""
    if isinstance(tree, Value):
        return tree.tensor
    return [_plain(each) for each in tree] if isinstance(tree, list) else tree


def _tensors(*values: Any) -> list[Tensor]:
    """Numbers as tensors of the type of the tensors."""
    like = next((each for each in values if isinstance(each, Tensor)), None)
    return [each if isinstance(each, Tensor) or like is None else like.new_tensor(each) for each in values]
