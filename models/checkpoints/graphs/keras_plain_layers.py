"""Keras's plain layers: dense, embedding, masking, activations, dropout (identity here), normalizations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.checkpoints.graphs.graph_module import refuse_setting
from models.checkpoints.graphs.keras_activations import LAYER_FUNCTIONS, activation_function
from models.checkpoints.graphs.keras_layer import Builder, Holder, KerasLayer, LayerEntry, Value, parameter
from models.checkpoints.parsing.contents import StoredTensor


class InputLayer(KerasLayer):
    """The place of an input; the model around it gives it its value."""

    settings = frozenset(("sparse", "ragged", "optional"))

    def __init__(self, entry: LayerEntry, builder: Builder) -> None:
        """Read the shape; the data type may be any."""
        super().__init__(LayerEntry(entry.name, entry.label, entry.type, {**entry.config, "dtype": None}), builder)
        for name in ("sparse", "ragged"):
            self.require(name, False, None)
        said = entry.config.get("dtype")
        dtypes = {"float64": torch.float64, "int32": torch.int32, "int64": torch.int64, "bool": torch.bool}
        if said not in (None, "float32", *dtypes):
            refuse_setting(self.label, "dtype", said)
        self.dtype = dtypes.get(str(said), torch.float32)
        shape = entry.config.get("batch_shape", entry.config.get("batch_input_shape"))
        listed = shape if isinstance(shape, list) else []
        self.shape = tuple(size if type(size) is int and size > 0 else None for size in listed)


class DenseLayer(KerasLayer):
    """``Dense``: a matrix on the last axis."""

    settings = frozenset(("units", "activation", "use_bias", "input_dim"))
    keeps_mask = True

    def __init__(self, entry: LayerEntry, builder: Builder) -> None:
        """Read the activation, and whether there is a bias."""
        super().__init__(entry, builder)
        self.own = ("kernel", "bias") if self.setting("use_bias", bool, True) else ("kernel",)
        self.activation = activation_function(self.label, self.config.get("activation"), self.version)

    def make(self, variables: Mapping[str, StoredTensor]) -> dict[str, nn.Module]:
        """An ``nn.Linear``."""
        kernel = parameter(variables["kernel"], self.dtype)
        inputs, units = kernel.shape
        module = nn.Linear(inputs, units, bias="bias" in self.own, device="meta")
        state = {"weight": kernel.detach().T.contiguous()}
        if "bias" in self.own:
            state["bias"] = parameter(variables["bias"], self.dtype).detach()
        module.load_state_dict(state, assign=True)
        return {"": module}

    def apply(self, net: nn.Module, x: Tensor) -> Tensor:
        """(..., D) to (..., U)."""
        return self.activation(self.part(net)(x))


class EmbeddingLayer(KerasLayer):
    """``Embedding``: rows of a matrix by ids; with ``mask_zero`` the id 0 is a step to be skipped."""

    settings = frozenset(("input_dim", "output_dim", "mask_zero", "input_length", "sparse"))
    own = ("embeddings",)

    def make(self, variables: Mapping[str, StoredTensor]) -> dict[str, nn.Module]:
        """An ``nn.Embedding``."""
        return {"": nn.Embedding.from_pretrained(parameter(variables["embeddings"], self.dtype), freeze=False)}

    def call(self, net: nn.Module, args: list[Any], kwargs: Mapping[str, Any]) -> Value:
        """(...) to (..., D)."""
        ids = self.only(args, kwargs).tensor.long()
        return Value(self.part(net)(ids), ids != 0 if self.setting("mask_zero", bool, False) else None)


class MaskingLayer(KerasLayer):
    """``Masking``: steps of which all values equal one value are zeroed and skipped."""

    settings = frozenset(("mask_value",))

    def call(self, net: nn.Module, args: list[Any], kwargs: Mapping[str, Any]) -> Value:
        """(B, T, D), and its mask (B, T)."""
        x = self.only(args, kwargs).tensor.to(self.dtype)
        mask = (x != float(self.setting("mask_value", (int, float), 0.0))).any(-1)
        return Value(x * mask[..., None], mask)


class IdentityLayer(KerasLayer):
    """A layer that changes nothing outside training: dropout, noise and penalties."""

    settings = frozenset(("rate", "noise_shape", "stddev", "l1", "l2", "data_format"))

    def call(self, net: nn.Module, args: list[Any], kwargs: Mapping[str, Any]) -> Value:
        """The value given."""
        return self.only(args, kwargs)


class ActivationLayer(KerasLayer):
    """``Activation`` and the layers that are a function of one tensor: ``ReLU``, ``LeakyReLU``, ``ELU``."""

    settings = frozenset(("activation", "max_value", "negative_slope", "threshold", "alpha", "theta"))
    keeps_mask = True

    def __init__(self, entry: LayerEntry, builder: Builder) -> None:
        """Read the function."""
        super().__init__(entry, builder)
        if entry.type == "Activation":
            self.activation = activation_function(self.label, self.config.get("activation"), self.version)
        else:
            self.activation = LAYER_FUNCTIONS[entry.type](self.label, self.config)

    def apply(self, net: nn.Module, x: Tensor) -> Tensor:
        """Each number, or each vector for a softmax."""
        return self.activation(x)


class SoftmaxLayer(KerasLayer):
    """``Softmax``, which gives a masked position no weight."""

    settings = frozenset(("axis",))

    def __init__(self, entry: LayerEntry, builder: Builder) -> None:
        """Read the axis."""
        super().__init__(entry, builder)
        self.activation = LAYER_FUNCTIONS["Softmax"](self.label, self.config)

    def call(self, net: nn.Module, args: list[Any], kwargs: Mapping[str, Any]) -> Value:
        """Scores, with those at masked positions replaced by -1e9."""
        x = self.only(args, kwargs)
        scores = x.tensor.to(self.dtype)
        if x.mask is None:
            return Value(self.activation(scores))
        weights = self.activation(torch.where(x.mask, scores, scores.new_tensor(-1e9)))
        if self.version.major >= 3:
            weights = torch.where(x.mask, weights, torch.zeros_like(weights))
        return Value(weights, x.mask)


class PReLULayer(KerasLayer):
    """``PReLU``: a slope of its own below 0 for each position, or shared along axes."""

    settings = frozenset(("shared_axes",))
    keeps_mask = True
    own = ("alpha",)

    def make(self, variables: Mapping[str, StoredTensor]) -> dict[str, nn.Module]:
        """The slopes."""
        return {"": Holder(alpha=parameter(variables["alpha"], self.dtype))}

    def apply(self, net: nn.Module, x: Tensor) -> Tensor:
        """(B, ...), with slopes (...)."""
        return F.relu(x) - self.part(net).alpha * F.relu(-x)


class BatchNormalizationLayer(KerasLayer):
    """``BatchNormalization`` with the moving mean and variance."""

    settings = frozenset(("axis", "momentum", "epsilon", "center", "scale", "synchronized", "fused", "renorm_momentum"))
    keeps_mask = True
    fixed = ("moving_mean", "moving_variance")

    def __init__(self, entry: LayerEntry, builder: Builder) -> None:
        """Read the axis, epsilon, and which parameters there are."""
        super().__init__(entry, builder)
        self.own = tuple(
            name for name, setting in (("gamma", "scale"), ("beta", "center")) if self.setting(setting, bool, True)
        )
        axis = self.setting("axis", (int, list), -1)
        self.axis = axis[0] if isinstance(axis, list) and len(axis) == 1 else axis
        if type(self.axis) is not int:
            refuse_setting(self.label, "axis", axis)
        self.epsilon = float(self.setting("epsilon", (int, float), 1e-3))

    def make(self, variables: Mapping[str, StoredTensor]) -> dict[str, nn.Module]:
        """Its variables; the moving ones are not parameters."""
        module = Holder(**{name: parameter(variables[name], self.dtype) for name in self.own})
        for name in self.fixed:
            module.register_buffer(name, parameter(variables[name], self.dtype).detach())
        return {"": module}

    def apply(self, net: nn.Module, x: Tensor) -> Tensor:
        """(B, ..., U, ...), U on the axis."""
        part, shape = self.part(net), [1] * x.dim()
        shape[self.axis] = -1
        scale = (part.moving_variance + self.epsilon).rsqrt()
        if "gamma" in self.own:
            scale = scale * part.gamma
        y = (x - part.moving_mean.reshape(shape)) * scale.reshape(shape)
        return y + part.beta.reshape(shape) if "beta" in self.own else y


class LayerNormalizationLayer(KerasLayer):
    """``LayerNormalization`` over one or more axes."""

    settings = frozenset(("axis", "epsilon", "center", "scale"))
    keeps_mask = True

    def __init__(self, entry: LayerEntry, builder: Builder) -> None:
        """Read the axes, epsilon, and which parameters there are."""
        super().__init__(entry, builder)
        self.centered = entry.type == "LayerNormalization"
        if self.centered:
            self.own = tuple(
                name for name, setting in (("gamma", "scale"), ("beta", "center")) if self.setting(setting, bool, True)
            )
        else:
            self.own = ("scale",)
        axis = self.setting("axis", (int, list), -1)
        self.axes = tuple(axis) if isinstance(axis, list) else (axis,)
        if not self.axes or not all(type(each) is int for each in self.axes):
            refuse_setting(self.label, "axis", axis)
        self.epsilon = float(self.setting("epsilon", (int, float), 1e-3 if self.centered else 1e-6))

    def make(self, variables: Mapping[str, StoredTensor]) -> dict[str, nn.Module]:
        """Its parameters."""
        return {"": Holder(**{name: parameter(variables[name], self.dtype) for name in self.own})}

    def apply(self, net: nn.Module, x: Tensor) -> Tensor:
        """The same shape."""
        part, axes = self.part(net), sorted(axis % x.dim() for axis in self.axes)
        if self.centered:
            x = x - x.mean(axes, keepdim=True)
        y = x * (x.square().mean(axes, keepdim=True) + self.epsilon).rsqrt()
        shape = [size if axis in axes else 1 for axis, size in enumerate(x.shape)]
        for name in self.own:
            own = getattr(part, name).reshape(shape)
            y = y + own if name == "beta" else y * own
        return y


class RMSNormalizationLayer(LayerNormalizationLayer):
    """``RMSNormalization``: the same without a mean."""

    keeps_mask = False


class UnitNormalizationLayer(KerasLayer):
    """``UnitNormalization``: vectors of length 1."""

    settings = frozenset(("axis",))
    keeps_mask = True

    def apply(self, net: nn.Module, x: Tensor) -> Tensor:
        """The same shape."""
        axis = self.setting("axis", (int, list), -1)
        return x * x.square().sum(axis, keepdim=True).rsqrt().clamp(max=1e12)


class RescalingLayer(KerasLayer):
    """``Rescaling``: ``scale * x + offset``."""

    settings = frozenset(("scale", "offset"))
    keeps_mask = True

    def apply(self, net: nn.Module, x: Tensor) -> Tensor:
        """The same shape."""
        kinds = (int, float, list)
        scale, offset = self.setting("scale", kinds, 1.0), self.setting("offset", kinds, 0.0)
        return x * x.new_tensor(scale) + x.new_tensor(offset)


class NormalizationLayer(KerasLayer):
    """``Normalization``: with a mean and variance from data, or of the settings."""

    settings = frozenset(("axis", "invert", "mean", "variance"))
    keeps_mask = True

    def __init__(self, entry: LayerEntry, builder: Builder) -> None:
        """Read where the mean and variance are, and the axes that they are of."""
        super().__init__(entry, builder)
        axis = self.config.get("axis", -1)
        self.axes = () if axis is None else tuple(axis) if isinstance(axis, list) else (axis,)
        if not all(type(each) is int for each in self.axes):
            refuse_setting(self.label, "axis", axis)
        self.given: dict[str, Any] = {}
        if self.config.get("mean") is None:
            self.fixed = ("mean", "variance", "count")
        else:
            self.given = {name: self.setting(name, (int, float, list)) for name in ("mean", "variance")}

    def make(self, variables: Mapping[str, StoredTensor]) -> dict[str, nn.Module]:
        """The mean and variance, which are not parameters."""
        module = nn.Module()
        for name in ("mean", "variance"):
            stored = np.asarray(self.given[name], np.float32) if self.given else variables[name].read()
            module.register_buffer(name, torch.tensor(np.array(stored)).to(self.dtype))
        return {"": module}

    def apply(self, net: nn.Module, x: Tensor) -> Tensor:
        """The same shape."""
        part, kept = self.part(net), {axis % x.dim() for axis in self.axes}
        shape = [size if axis in kept else 1 for axis, size in enumerate(x.shape)]
        mean, variance = (
            values if self.given and values.dim() == 0 else values.reshape(shape)
            for values in (part.mean, part.variance)
        )
        deviation = variance.sqrt().clamp(min=1e-7)
        return mean + x * deviation if self.setting("invert", bool, False) else (x - mean) / deviation


PLAIN_LAYERS: dict[str, type[KerasLayer]] = {
    "InputLayer": InputLayer,
    "Dense": DenseLayer,
    "Embedding": EmbeddingLayer,
    "Masking": MaskingLayer,
    "Activation": ActivationLayer,
    **dict.fromkeys(("ReLU", "LeakyReLU", "ELU", "ThresholdedReLU"), ActivationLayer),
    "Softmax": SoftmaxLayer,
    "PReLU": PReLULayer,
    "BatchNormalization": BatchNormalizationLayer,
    "LayerNormalization": LayerNormalizationLayer,
    "RMSNormalization": RMSNormalizationLayer,
    "UnitNormalization": UnitNormalizationLayer,
    "Rescaling": RescalingLayer,
    "Normalization": NormalizationLayer,
    **dict.fromkeys(
        (
            "Identity", "Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "GaussianDropout",
            "GaussianNoise", "AlphaDropout", "ActivityRegularization",
        ),
        IdentityLayer,
    ),
}  # fmt: skip
"""By the names of their classes."""
