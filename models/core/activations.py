"""The activation functions of the cells and their slopes, each written once.

PyTorch's recurrent kernels have tanh, relu and the sigmoid; Keras and ONNX allow others. Every slope is a function of the
activation's output y: of a sigmoid ``y (1 - y)``, of a tanh ``1 - y^2``.

A function takes tensors, arrays, or the symbols of ``viz.formulas``, which draw it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

ZERO_TO_ONE, MINUS_ONE_TO_ONE = (0.0, 1.0), (-1.0, 1.0)


@dataclass(frozen=True, eq=False)
class Activation:
    """An elementwise activation function.

    Attributes:
        name: in ``LayerWeights`` and in files.
        symbol: in formulas and drawings.
        function: of a preactivation.
        slope: derivative as a function of the activation's output, an array of any shape.
        range: of the output, (lowest, highest), or None if it is unbounded.
        max_slope: the largest slope.
    """

    name: str
    symbol: str
    function: Callable[[Any], Any]
    slope: Callable[[np.ndarray], np.ndarray]
    range: tuple[float, float] | None
    max_slope: float

    def __call__(self, v: Any) -> Any:
        """Return the function of ``v``; of a symbol, the symbol of the result."""
        if isinstance(v, np.ndarray):
            return self.values(v)
        named = getattr(v, "through", None)
        return self.function(v) if named is None else named(self)

    def __reduce__(self) -> tuple[Callable[[str], Activation], tuple[str]]:
        """Return how it is pickled: by its name, because its functions cannot be."""
        return activation_of, (self.name,)

    def values(self, v: np.ndarray) -> np.ndarray:
        """Return the function of every element of an array."""
        if self.name == "tanh":  # numpy's is several times faster than torch's
            return np.tanh(v)
        return self.function(torch.from_numpy(v if v.flags.writeable else v.copy())).numpy()

    def in_place(self, v: np.ndarray) -> np.ndarray:
        """Return the function of every element of an array, in its memory if there is an operation that does so."""
        if self.name == "tanh":
            return np.tanh(v, out=v)
        if self.name == "sigmoid":
            return torch.from_numpy(v).sigmoid_().numpy()
        return self.values(v)


def _where(inside: np.ndarray, slope: float, y: np.ndarray) -> np.ndarray:
    return inside.astype(y.dtype) * y.dtype.type(slope)


ACTIVATIONS: dict[str, Activation] = {
    each.name: each
    for each in (
        Activation("tanh", "tanh", lambda v: v.tanh(), lambda y: 1 - y * y, MINUS_ONE_TO_ONE, 1.0),
        Activation("sigmoid", "σ", lambda v: v.sigmoid(), lambda y: y * (1 - y), ZERO_TO_ONE, 0.25),
        Activation("relu", "relu", lambda v: v.relu(), lambda y: _where(y > 0, 1, y), None, 1.0),
        Activation("linear", "linear", lambda v: v, np.ones_like, None, 1.0),
        # Keras before version 3, and ONNX by default.
        Activation(
            "hard_sigmoid", "hard σ", lambda v: (0.2 * v + 0.5).clamp(0, 1),
            lambda y: _where((y > 0) & (y < 1), 0.2, y), ZERO_TO_ONE, 0.2,
        ),
        # Keras 3: relu6(v + 3) / 6.
        Activation(
            "hard_sigmoid_3", "hard σ", lambda v: (v / 6 + 0.5).clamp(0, 1),
            lambda y: _where((y > 0) & (y < 1), 1 / 6, y), ZERO_TO_ONE, 1 / 6,
        ),
        Activation(
            "softsign", "softsign", lambda v: v / (1 + v.abs()),
            lambda y: (1 - np.abs(y)) ** 2, MINUS_ONE_TO_ONE, 1.0,
        ),
        Activation(
            "elu", "elu", lambda v: v.relu() + v.clamp(max=0).expm1(),
            lambda y: 1 + np.minimum(y, 0), None, 1.0,
        ),
    )
}  # fmt: skip


def activation_of(name: str) -> Activation:
    """Return the activation called ``name``.

    Raises:
        ValueError: there is no such activation.
    """
    if name not in ACTIVATIONS:
        raise ValueError(f"There is no activation {name!r}; there are {', '.join(ACTIVATIONS)}.")
    return ACTIVATIONS[name]
