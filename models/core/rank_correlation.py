"""Rank correlation: how far two measures order the same items alike."""

from __future__ import annotations

import numpy as np


def kendall_tau(first: np.ndarray, second: np.ndarray) -> float:
    """Return Kendall's tau-b of two arrays (T) (Kendall 1945), from -1 to 1; NaN where either is constant.

    Jain and Wallace 2019 compare attention weights with gradients by it.
    """
    one, two = (np.sign(values[:, None] - values[None, :]) for values in (first, second))
    pairs = np.triu_indices(len(first), 1)
    one, two = one[pairs], two[pairs]
    scale = np.sqrt(float(np.count_nonzero(one)) * float(np.count_nonzero(two)))
    return float((one * two).sum() / scale) if scale else float("nan")
