"""The functions of one number that the sums of the cells go through, and their slopes, each written once.

PyTorch's recurrent kernels have tanh, relu and the sigmoid; Keras and ONNX allow others. Every slope is written in the value
that the function gave, as one does on paper: where a sigmoid gave y its slope is ``y (1 - y)``, where a tanh did ``1 - y^2``.

A function takes tensors, arrays, or the symbols of ``viz.formulas``, which draw it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

OPEN, SIGNED = (0.0, 1.0), (-1.0, 1.0)


@dataclass(frozen=True, eq=False)
class Activation:
    """A function of one number.

    Attributes:
        name: as ``LayerWeights`` and the files spell it.
        symbol: as formulas and drawings write it.
        function: of a preactivation.
        slope: of the value that the function gave, an array of any shape.
        range: the values that it can give, (lowest, highest), or None where there is no bound.
        steepest: the largest slope.
    """

    name: str
    symbol: str
    function: Callable[[Any], Any]
    slope: Callable[[np.ndarray], np.ndarray]
    range: tuple[float, float] | None
    steepest: float

    def __call__(self, v: Any) -> Any:
        """The function of ``v``; a symbol stands for it by name."""
        if isinstance(v, np.ndarray):
            return self.values(v)
        named = getattr(v, "through", None)
        return self.function(v) if named is None else named(self)

    def values(self, v: np.ndarray) -> np.ndarray:
        """The function of every number of an array."""
        if self.name == "tanh":  # numpy's takes a fraction of the time of torch's
            return np.tanh(v)
        return self.function(torch.from_numpy(v if v.flags.writeable else v.copy())).numpy()


def _where(inside: np.ndarray, slope: float, y: np.ndarray) -> np.ndarray:
    return inside.astype(y.dtype) * y.dtype.type(slope)


ACTIVATIONS: dict[str, Activation] = {
    each.name: each
    for each in (
        Activation("tanh", "tanh", lambda v: v.tanh(), lambda y: 1 - y * y, SIGNED, 1.0),
        Activation("sigmoid", "σ", lambda v: v.sigmoid(), lambda y: y * (1 - y), OPEN, 0.25),
        Activation("relu", "relu", lambda v: v.relu(), lambda y: _where(y > 0, 1, y), None, 1.0),
        Activation("linear", "linear", lambda v: v, np.ones_like, None, 1.0),
        # Keras before version 3, and ONNX unless told otherwise.
        Activation(
            "hard_sigmoid", "hard σ", lambda v: (0.2 * v + 0.5).clamp(0, 1),
            lambda y: _where((y > 0) & (y < 1), 0.2, y), OPEN, 0.2,
        ),
        # Keras 3: relu6(v + 3) / 6.
        Activation(
            "hard_sigmoid_3", "hard σ", lambda v: (v / 6 + 0.5).clamp(0, 1),
            lambda y: _where((y > 0) & (y < 1), 1 / 6, y), OPEN, 1 / 6,
        ),
        Activation("softsign", "softsign", lambda v: v / (1 + v.abs()), lambda y: (1 - np.abs(y)) ** 2, SIGNED, 1.0),
        Activation(
            "elu", "elu", lambda v: v.relu() + v.clamp(max=0).expm1(),
            lambda y: 1 + np.minimum(y, 0), None, 1.0,
        ),
    )
}  # fmt: skip


def activation_of(name: str) -> Activation:
    """The activation called ``name``.

    Raises:
        ValueError: there is none.
    """
    if name not in ACTIVATIONS:
        raise ValueError(f"There is no activation {name!r}; there are {', '.join(ACTIVATIONS)}.")
    return ACTIVATIONS[name]
