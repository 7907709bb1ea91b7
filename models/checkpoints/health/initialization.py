"""Whether a layer is still as its library initialised it, so that no training ever moved it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from models.core.weights import LayerWeights

MIN_NUMBERS = 400
"""Numbers below which nothing is said."""


@dataclass(frozen=True)
class Initialization:
    """How a layer's recurrent matrix was initialised, and that it is still so.

    Attributes:
        library: whose rule it follows to the digit.
        value: the measure of that rule: of PyTorch the largest weight times sqrt(H), which the rule bounds by 1; of Keras
            the largest entry of W^T W - I, which the rule makes 0.
    """

    library: Literal["PyTorch", "Keras"]
    value: float


def matching_initialization(weights: LayerWeights) -> Initialization | None:
    """The initializer that explains a layer's matrices; None where training has moved them.

    PyTorch draws every weight from U(-1/sqrt(H), 1/sqrt(H)); Keras draws recurrent kernels orthogonal, and input kernels
    from U(-a, a) with a = sqrt(6 / (D + G H)) (Glorot and Bengio 2010).
    """
    read, back, units = weights.weight_ih, weights.weight_hh, weights.hidden_size
    if min(read.size, back.size) < MIN_NUMBERS or not (np.isfinite(read).all() and np.isfinite(back).all()):
        return None
    bound = units**-0.5
    if _is_uniform(read, bound) and _is_uniform(back, bound):
        return Initialization("PyTorch", float(np.abs(back).max() / bound))
    if _is_uniform(read, float(np.sqrt(6 / sum(read.shape)))) and weights.weight_hr is None:
        wide = back.astype(np.float64)
        apart = float(np.abs(wide.T @ wide - np.eye(units)).max())
        if apart < 1e-5:
            return Initialization("Keras", apart)
    return None


def _is_uniform(values: np.ndarray, bound: float) -> bool:
    """Whether values fill (-bound, bound) evenly, and do not leave it: their largest and their mean square."""
    largest = max(float(values.max()), -float(values.min()))
    square = float(np.einsum("rc,rc->r", values, values).mean(dtype=np.float64) / values.shape[1])
    # the mean square of n uniform numbers is bound^2 / 3 within 4 of its standard deviations, bound^2 sqrt(4 / (45 n))
    slack = 4 * np.sqrt(4 / (45 * values.size)) * bound**2
    return bound * (1 - 40 / values.size) <= largest <= bound * (1 + 1e-6) and abs(square - bound**2 / 3) <= slack
