"""Keras's layers that move, repeat, pool or convolve steps."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from models.checkpoints.graphs.graph_module import refuse_setting
from models.checkpoints.graphs.keras_activations import activation_function
from models.checkpoints.graphs.keras_layer import Builder, Holder, KerasLayer, LayerEntry, Value, check_size, parameter
from models.checkpoints.parsing.contents import StoredTensor


class FlattenLayer(KerasLayer):
    """``Flatten``: (B, ...) to (B, N)."""

    settings = frozenset(("data_format",))

    def __init__(self, entry: LayerEntry, builder: Builder) -> None:
        """Check the order of axes."""
        super().__init__(entry, builder)
        self.require("data_format", "channels_last", None)

    def apply(self, net: nn.Module, x: Tensor) -> Tensor:
        """(B, N)."""
        return x.reshape(len(x), -1)


class ReshapeLayer(KerasLayer):
    """``Reshape``: other axes for the same numbers."""

    settings = frozenset(("target_shape",))

    def apply(self, net: nn.Module, x: Tensor) -> Tensor:
        """(B, ...)."""
        shape = self.setting("target_shape", list, [])
        if not all(type(size) is int for size in shape):
            refuse_setting(self.label, "target_shape", shape)
        return x.reshape(len(x), *shape)


class PermuteLayer(KerasLayer):
    """``Permute``: the axes after the batch's in another order, counted from 1."""

    settings = frozenset(("dims",))

    def apply(self, net: nn.Module, x: Tensor) -> Tensor:
        """(B, ...)."""
        order = self.setting("dims", list, [])
        if sorted(map(str, order)) != sorted(map(str, range(1, x.dim()))):
            refuse_setting(self.label, "dims", order)
        return x.permute(0, *order)


class RepeatVectorLayer(KerasLayer):
    """``RepeatVector``: (B, D) to (B, n, D)."""

    settings = frozenset(("n",))

    def apply(self, net: nn.Module, x: Tensor) -> Tensor:
        """(B, n, D)."""
        times = self.count("n")
        check_size(self, "n", times * x.numel())
        return x[:, None].expand(-1, times, -1)


class UpSampling1DLayer(KerasLayer):
    """``UpSampling1D``: each step several times."""

    settings = frozenset(("size",))

    def apply(self, net: nn.Module, x: Tensor) -> Tensor:
        """(B, size * T, D)."""
        times = self.count("size", 2)
        check_size(self, "size", times * x.numel())
        return x.repeat_interleave(times, 1)


class ZeroPadding1DLayer(KerasLayer):
    """``ZeroPadding1D``: steps of zeros before and after."""

    settings = frozenset(("padding", "data_format"))

    def apply(self, net: nn.Module, x: Tensor) -> Tensor:
        """(B, before + T + after, D)."""
        self.require("data_format", "channels_last", None)
        before, after = self.counts("padding", 2, 1, least=0)
        check_size(self, "padding", (before + after + x.shape[1]) * x[:, :1].numel())
        return F.pad(x, (0, 0, before, after))


class Cropping1DLayer(KerasLayer):
    """``Cropping1D``: fewer steps at the beginning and the end."""

    settings = frozenset(("cropping",))

    def apply(self, net: nn.Module, x: Tensor) -> Tensor:
        """(B, T - before - after, D)."""
        before, after = self.counts("cropping", 2, 1, least=0)
        return x[:, before : x.shape[1] - after]


class GlobalPoolingLayer(KerasLayer):
    """``GlobalAveragePooling1D`` and ``GlobalMaxPooling1D``, and over images; the first leaves masked steps out."""

    settings = frozenset(("data_format", "keepdims"))

    def __init__(self, entry: LayerEntry, builder: Builder) -> None:
        """Read over how many axes."""
        super().__init__(entry, builder)
        self.require("data_format", "channels_last", None)
        self.axes = (1,) if entry.type.endswith("1D") else (1, 2)
        self.average = "Average" in entry.type

    def call(self, net: nn.Module, args: list[Any], kwargs: Mapping[str, Any]) -> Value:
        """(B, T, D) to (B, D)."""
        given, kept = self.only(args, kwargs), self.setting("keepdims", bool, False)
        x = given.tensor.to(self.dtype)
        if not self.average:
            return Value(x.amax(self.axes, keepdim=kept))
        if given.mask is None or len(self.axes) > 1:
            return Value(x.mean(self.axes, keepdim=kept))
        weights = given.mask[..., None].to(x.dtype)
        return Value((x * weights).sum(1, keepdim=kept) / weights.sum(1, keepdim=kept))


class PoolingLayer(KerasLayer):
    """``MaxPooling1D``, ``AveragePooling1D``, and over images."""

    settings = frozenset(("pool_size", "strides", "padding", "data_format"))

    def __init__(self, entry: LayerEntry, builder: Builder) -> None:
        """Read the windows. Averages over padded windows differ among the libraries that Keras runs on: refused."""
        super().__init__(entry, builder)
        self.require("data_format", "channels_last", None)
        self.average = entry.type.startswith("Average")
        self.require("padding", *(("valid",) if self.average else ("valid", "same")))
        self.rank = int(entry.type[-2])
        self.size = self.counts("pool_size", self.rank, 2)
        self.strides = self.size if self.config.get("strides") is None else self.counts("strides", self.rank)

    def apply(self, net: nn.Module, x: Tensor) -> Tensor:
        """(B, T, D) to (B, windows, D)."""
        x = x.movedim(-1, 1)
        if self.config.get("padding") == "same":
            x = F.pad(x, same_padding(x, self.size, self.strides, (1,) * self.rank), value=-math.inf)
        pool: Any = {
            (True, 1): F.avg_pool1d, (True, 2): F.avg_pool2d, (False, 1): F.max_pool1d, (False, 2): F.max_pool2d,
        }[self.average, self.rank]  # fmt: skip
        return pool(x, self.size, self.strides).movedim(1, -1)


class ConvolutionLayer(KerasLayer):
    """``Conv1D``, ``Conv2D``, ``DepthwiseConv1D`` and ``SeparableConv1D``."""

    settings = frozenset((
        "filters", "kernel_size", "strides", "padding", "data_format", "dilation_rate", "groups", "activation", "use_bias",
        "rank", "depth_multiplier",
    ))  # fmt: skip

    def __init__(self, entry: LayerEntry, builder: Builder) -> None:
        """Read the windows and the activation."""
        super().__init__(entry, builder)
        self.require("data_format", "channels_last", None)
        self.require("padding", "valid", "same", "causal")
        self.rank = int(entry.type[-2])
        self.size = self.counts("kernel_size", self.rank)
        self.strides, self.dilation = (self.counts(name, self.rank, 1) for name in ("strides", "dilation_rate"))
        depthwise = "kernel" if self.version.major >= 3 else "depthwise_kernel"
        kernels = {"Separable": ("depthwise_kernel", "pointwise_kernel"), "Depthwise": (depthwise,)}
        self.kind = next((kind for kind in kernels if entry.type.startswith(kind)), "")
        bias = ("bias",) if self.setting("use_bias", bool, True) else ()
        self.own = (*kernels.get(self.kind, ("kernel",)), *bias)
        self.activation = activation_function(self.label, self.config.get("activation"), self.version)

    def make(self, variables: Mapping[str, StoredTensor]) -> dict[str, nn.Module]:
        """The kernels as torch lays them out, (outputs, inputs of a group, window); the bias."""
        made = {}
        for name in self.own:
            values = parameter(variables[name], self.dtype).detach()
            if name != "bias":
                if self.kind and name != "pointwise_kernel":  # (window, channels, multiplier)
                    values = values.reshape(*self.size, 1, -1)
                values = values.movedim((-1, -2), (0, 1)).contiguous()
            made[name] = nn.Parameter(values)
        return {"": Holder(**made)}

    def apply(self, net: nn.Module, x: Tensor) -> Tensor:
        """(B, T, D) to (B, steps, filters)."""
        part, x = self.part(net), x.movedim(-1, 1)
        if (padding := self.config.get("padding")) == "same":
            x = F.pad(x, same_padding(x, self.size, self.strides, self.dilation))
        elif padding == "causal":
            x = F.pad(x, ((self.size[0] - 1) * self.dilation[0], 0))
        run: Any = F.conv1d if self.rank == 1 else F.conv2d
        kernel = getattr(part, self.own[0])
        bias = part.bias if "bias" in self.own else None
        own = None if self.kind == "Separable" else bias
        x = run(x, kernel, own, self.strides, 0, self.dilation, x.shape[1] // kernel.shape[1])
        if self.kind == "Separable":
            x = run(x, part.pointwise_kernel, bias)
        return self.activation(x.movedim(1, -1))


def same_padding(x: Tensor, size: tuple[int, ...], strides: tuple[int, ...], dilation: tuple[int, ...]) -> list[int]:
    """Padding so that a window starts every stride: for ``F.pad``, the last axis first; an odd one is larger behind."""
    padding: list[int] = []
    for length, window, stride, apart in zip(x.shape[2:], size, strides, dilation, strict=True):
        total = max((math.ceil(length / stride) - 1) * stride + (window - 1) * apart + 1 - length, 0)
        padding = [total // 2, total - total // 2, *padding]
    return padding


SHAPE_LAYERS: dict[str, type[KerasLayer]] = {
    "Flatten": FlattenLayer,
    "Reshape": ReshapeLayer,
    "Permute": PermuteLayer,
    "RepeatVector": RepeatVectorLayer,
    "UpSampling1D": UpSampling1DLayer,
    "ZeroPadding1D": ZeroPadding1DLayer,
    "Cropping1D": Cropping1DLayer,
    **dict.fromkeys(
        (f"Global{kind}Pooling{rank}D" for kind in ("Average", "Max") for rank in (1, 2)), GlobalPoolingLayer
    ),
    **dict.fromkeys((f"{kind}Pooling{rank}D" for kind in ("Average", "Max") for rank in (1, 2)), PoolingLayer),
    **dict.fromkeys(("Conv1D", "Conv2D", "DepthwiseConv1D", "SeparableConv1D"), ConvolutionLayer),
}
"""By the names of their classes."""
