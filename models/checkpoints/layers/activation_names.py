"""What Keras and ONNX call the activations of ``models.core.activations``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from models.checkpoints.parsing.contents import CheckpointError
from models.core.activations import ACTIVATIONS

ONNX_PARAMETERS: dict[str, tuple[float, ...]] = {
    "affine": (0, 0), "leakyrelu": (0.01,), "thresholdedrelu": (0,), "scaledtanh": (0, 0), "hardsigmoid": (0.2, 0.5),
    "elu": (1,),
}  # fmt: skip
"""Alpha and then beta of those that have them, as onnxruntime takes them where a node does not say."""
ONNX_NAMES: dict[tuple[str, tuple[float, ...]], str] = {
    ("affine", (1, 0)): "linear",
    ("elu", (1,)): "elu",
    ("hardsigmoid", (0.2, 0.5)): "hard_sigmoid",
    ("hardsigmoid", (1 / 6, 0.5)): "hard_sigmoid_3",
}
"""Those that depend on parameters; the others have the same names as here."""


def activation_from_keras(said: Any, version: int) -> str:
    """The activation that Keras's configuration names, or as it was said where that is none.

    Args:
        said: the configuration's entry; None is linear.
        version: of Keras. A hard sigmoid is clip(0.2 v + 0.5, 0, 1) up to version 2, and relu6(v + 3) / 6 from version 3 on.
    """
    if said is None:
        return "linear"
    return "hard_sigmoid_3" if said == "hard_sigmoid" and version >= 3 else str(said)


def activations_from_onnx(names: Sequence[str], alpha: Sequence[float], beta: Sequence[float]) -> Iterator[str]:
    """The activations that a node names, each as it was said where that is none.

    ``alpha`` and ``beta`` are given out in turn to those that have such a parameter.
    """
    alphas, betas = iter(alpha), iter(beta)
    for said in names:
        name = said.lower()
        usual = ONNX_PARAMETERS.get(name, ())
        given = tuple(next(values, default) for values, default in zip((alphas, betas), usual, strict=False))
        if not given:
            yield name
            continue
        fits = (own for (each, at), own in ONNX_NAMES.items() if each == name and np.allclose(at, given, rtol=1e-5))
        yield next(fits, f"{said}({', '.join(f'{value:g}' for value in given)})")


def require_supported(layer: str, name: str) -> str:
    """``name``, if it is an activation of ``models.core.activations``.

    Raises:
        CheckpointError: it is none; the sentence names the layer and says which there are.
    """
    if name not in ACTIVATIONS:
        raise CheckpointError(
            "The activation function {activation} of {layer} is not supported. Supported functions: {supported}.",
            layer=layer,
            activation=name[:60],
            supported=", ".join(ACTIVATIONS),
        )
    return name
