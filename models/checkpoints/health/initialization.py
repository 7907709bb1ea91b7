"""Detect layers whose weights still have their library's default initialization, i.e. were never trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from models.core.weights import LayerWeights

MIN_NUMBERS = 400
"""The minimum number of recurrent weights for the test to be meaningful: as many in every layer of a stack."""


@dataclass(frozen=True)
class Initialization:
    """A library's default initialization that a layer's weights still follow exactly.

    Attributes:
        library: the library.
        value: the measure of its rule: for PyTorch the largest weight times sqrt(H), which is at most 1; for Keras the
            largest entry of W^T W - I, which is 0.
    """

    library: Literal["PyTorch", "Keras"]
    value: float


def matching_initialization(weights: LayerWeights) -> Initialization | None:
    """Return the default initialization that a layer's matrices still follow, or None if they were trained.

    PyTorch draws every weight from U(-1/sqrt(H), 1/sqrt(H)); Keras draws recurrent kernels orthogonal, and input kernels
    from U(-a, a) with a = sqrt(6 / (D + G H)) (Glorot and Bengio 2010).
    """
    kernel, recurrent, units = weights.weight_ih, weights.weight_hh, weights.hidden_size
    if recurrent.size < MIN_NUMBERS or not (np.isfinite(kernel).all() and np.isfinite(recurrent).all()):
        return None
    bound = units**-0.5
    if _is_uniform(kernel, bound) and _is_uniform(recurrent, bound):
        return Initialization("PyTorch", float(np.abs(recurrent).max() / bound))
    if _is_uniform(kernel, float(np.sqrt(6 / sum(kernel.shape)))) and weights.weight_hr is None:
        wide = recurrent.astype(np.float64)
        error = float(np.abs(wide.T @ wide - np.eye(units)).max())
        if error < 1e-5:
            return Initialization("Keras", error)
    return None


def _is_uniform(values: np.ndarray, bound: float) -> bool:
    """Return whether values look uniform on (-bound, bound), judged by their largest magnitude and mean square."""
    largest = max(float(values.max()), -float(values.min()))
    square = float(np.einsum("rc,rc->r", values, values).mean(dtype=np.float64) / values.shape[1])
    # the mean square of n uniform numbers is bound^2 / 3 within 4 of its standard deviations, bound^2 sqrt(4 / (45 n))
    slack = 4 * np.sqrt(4 / (45 * values.size)) * bound**2
    return bound * (1 - 40 / values.size) <= largest <= bound * (1 + 1e-6) and abs(square - bound**2 / 3) <= slack
