"""The functions that Keras's plain layers end in, by the names that a configuration gives them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from models.checkpoints.graphs.graph_module import refuse, refuse_setting
from models.checkpoints.layers.keras_cells import KerasVersion

Function = Callable[[Tensor], Tensor]


def identity(x: Tensor) -> Tensor:
    """Return ``x``."""
    return x


def hard_sigmoid(x: Tensor) -> Tensor:
    """relu6(x + 3) / 6, of Keras 3."""
    return F.relu6(x + 3) / 6


def steep_hard_sigmoid(x: Tensor) -> Tensor:
    """clip(0.2 x + 0.5, 0, 1), of Keras 1 and 2."""
    return (0.2 * x + 0.5).clamp(0, 1)


def squareplus(x: Tensor) -> Tensor:
    """(x + sqrt(x^2 + 4)) / 2."""
    return (x + (x * x + 4).sqrt()) / 2


def leaky_relu(x: Tensor, negative_slope: float, max_value: float | None = None, threshold: float = 0.0) -> Tensor:
    """``keras.activations.relu``: x from the threshold up to a largest value, ``negative_slope * (x - threshold)`` below."""
    above = torch.where(x > threshold, x, torch.zeros_like(x))
    if max_value is not None:
        above = above.clamp(0, max_value)
    return above + negative_slope * (x - threshold).clamp(max=0) if negative_slope else above


FUNCTIONS: dict[str, Function] = {
    "linear": identity,
    "relu": F.relu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "softmax": partial(F.softmax, dim=-1),
    "softplus": F.softplus,
    "softsign": F.softsign,
    "selu": F.selu,
    "elu": F.elu,
    "celu": F.celu,
    "exponential": torch.exp,
    "gelu": F.gelu,
    "glu": partial(F.glu, dim=-1),
    "silu": F.silu,
    "swish": F.silu,
    "mish": F.mish,
    "relu6": F.relu6,
    "leaky_relu": partial(F.leaky_relu, negative_slope=0.2),
    "log_softmax": partial(F.log_softmax, dim=-1),
    "log_sigmoid": F.logsigmoid,
    "hard_tanh": F.hardtanh,
    "hard_silu": F.hardswish,
    "hard_swish": F.hardswish,
    "tanh_shrink": F.tanhshrink,
    "soft_shrink": F.softshrink,
    "hard_shrink": F.hardshrink,
    "squareplus": squareplus,
    "hard_sigmoid": hard_sigmoid,
}
"""By the names of ``keras.activations``; the hard sigmoid as of Keras 3."""


def activation_function(layer: str, said: Any, version: KerasVersion) -> Function:
    """Return the function that a layer's setting ``activation`` names.

    Args:
        layer: the layer's name.
        said: the setting: a name, None, a function written out by Keras, or an activation layer.
        version: the writer's.

    Raises:
        CheckpointError: it cannot be run, or is a user's own.
    """
    if said is None:
        return identity
    if isinstance(said, dict):
        module, config = said.get("module"), said.get("config")
        own = module is None or (isinstance(module, str) and module.partition(".")[0] in ("keras", "builtins"))
        if own and said.get("class_name") in LAYER_FUNCTIONS and isinstance(config, dict):
            return LAYER_FUNCTIONS[str(said["class_name"])](layer, config)
        if not own or said.get("class_name") not in (None, "function") or not isinstance(config, str):
            refuse_setting(layer, "activation", said.get("class_name", "…"))
        said = config
    if not isinstance(said, str) or said not in FUNCTIONS:
        refuse_setting(layer, "activation", said)
    if said == "hard_sigmoid" and version.major < 3:
        return steep_hard_sigmoid
    return FUNCTIONS[said]


def _number(layer: str, config: Mapping[str, Any], names: tuple[str, ...], default: float) -> float:
    """A setting that has had several names; ``LeakyReLU`` of some versions writes it as an array."""
    for name in names:
        value = config.get(name)
        if isinstance(value, dict):
            value = value.get("config", {}).get("value") if isinstance(value.get("config"), dict) else value
        if value is not None:
            if not isinstance(value, int | float):
                refuse_setting(layer, name, value)
            return float(value)
    return default


def relu_layer(layer: str, config: Mapping[str, Any]) -> Function:
    """Return the function of a ``ReLU`` layer."""
    slope, threshold = _number(layer, config, ("negative_slope",), 0.0), _number(layer, config, ("threshold",), 0.0)
    most = None if config.get("max_value") is None else _number(layer, config, ("max_value",), 0.0)
    return partial(leaky_relu, negative_slope=slope, max_value=most, threshold=threshold)


def leaky_relu_layer(layer: str, config: Mapping[str, Any]) -> Function:
    """Return the function of a ``LeakyReLU`` layer."""
    return partial(F.leaky_relu, negative_slope=_number(layer, config, ("negative_slope", "alpha"), 0.3))


def elu_layer(layer: str, config: Mapping[str, Any]) -> Function:
    """Return the function of an ``ELU`` layer."""
    return partial(F.elu, alpha=_number(layer, config, ("alpha",), 1.0))


def thresholded_relu_layer(layer: str, config: Mapping[str, Any]) -> Function:
    """Return the function of a ``ThresholdedReLU`` layer: x above the threshold, otherwise 0."""
    return partial(leaky_relu, negative_slope=0.0, threshold=_number(layer, config, ("theta",), 1.0))


def softmax_layer(layer: str, config: Mapping[str, Any]) -> Function:
    """Return the function of a ``Softmax`` layer over one axis.

    Raises:
        CheckpointError: it is over several.
    """
    axis = config.get("axis", -1)
    axis = axis[0] if isinstance(axis, list) and len(axis) == 1 else axis
    if type(axis) is not int:
        refuse(layer, f"Softmax(axis={str(axis)[:40]})")
    return partial(F.softmax, dim=axis)


LAYER_FUNCTIONS: dict[str, Callable[[str, Mapping[str, Any]], Function]] = {
    "ReLU": relu_layer,
    "LeakyReLU": leaky_relu_layer,
    "ELU": elu_layer,
    "ThresholdedReLU": thresholded_relu_layer,
    "Softmax": softmax_layer,
}
"""Layers that are functions of one tensor, from their settings."""
