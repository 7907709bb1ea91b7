"""Translate Keras's and ONNX's activation names to those of ``models.core.activations``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from models.checkpoints.parsing.errors import CheckpointError
from models.core.activations import ACTIVATIONS

ONNX_PARAMETERS: dict[str, tuple[float, ...]] = {
    "affine": (0, 0), "leakyrelu": (0.01,), "thresholdedrelu": (0,), "scaledtanh": (0, 0), "hardsigmoid": (0.2, 0.5),
    "elu": (1,),
}  # fmt: skip
"""onnxruntime's default alpha and then beta of the activations that have them."""
ONNX_NAMES: dict[tuple[str, tuple[float, ...]], str] = {
    ("affine", (1, 0)): "linear",
    ("elu", (1,)): "elu",
    ("hardsigmoid", (0.2, 0.5)): "hard_sigmoid",
    ("hardsigmoid", (1 / 6, 0.5)): "hard_sigmoid_3",
}
"""Names of activations with parameters; all others have the same name in ONNX and here."""


def activation_from_keras(keras_name: Any, version: int) -> str:
    """Return the activation that a Keras configuration names; a name that is not supported is returned unchanged.

    Args:
        keras_name: the configuration's entry; None is linear.
        version: Keras's major version.
            A hard sigmoid is clip(0.2 v + 0.5, 0, 1) up to version 2, and relu6(v + 3) / 6 from version 3 on.
    """
    if keras_name is None:
        return "linear"
    return "hard_sigmoid_3" if keras_name == "hard_sigmoid" and version >= 3 else str(keras_name)


def activations_from_onnx(names: Sequence[str], alpha: Sequence[float], beta: Sequence[float]) -> Iterator[str]:
    """Generate the activations that a node names; a name that is not supported is returned unchanged.

    The values of ``alpha`` and ``beta`` are assigned in turn to the activations that have such a parameter.
    """
    alphas, betas = iter(alpha), iter(beta)
    for onnx_name in names:
        name = onnx_name.lower()
        defaults = ONNX_PARAMETERS.get(name, ())
        given = tuple(next(values, default) for values, default in zip((alphas, betas), defaults, strict=False))
        if not given:
            yield name
            continue
        matches = (own for (each, at), own in ONNX_NAMES.items() if each == name and np.allclose(at, given, rtol=1e-5))
        yield next(matches, f"{onnx_name}({', '.join(f'{value:g}' for value in given)})")


def require_supported(layer: str, name: str) -> str:
    """Return ``name`` if it is an activation of ``models.core.activations``.

    Raises:
        CheckpointError: it is not; the sentence names the layer and lists the supported activations.
    """
    if name not in ACTIVATIONS:
        raise CheckpointError(
            "The activation function {activation} of {layer} is not supported. Supported functions: {supported}.",
            layer=layer,
            activation=name[:60],
            supported=", ".join(ACTIVATIONS),
        )
    return name
