"""Statistics of attention weights: their entropy at each step, and their sum over the steps so far."""

from __future__ import annotations

import numpy as np


def entropy(weights: np.ndarray) -> np.ndarray:
    """Return the entropy of attention weights in bits: ``-sum_j w_j log2 w_j`` (Shannon 1948).

    0 if one position has all the weight, log2(Ts) if all have the same.

    Args:
        weights: (..., Ts), not negative, adding up to 1.

    Returns:
        (...).
    """
    safe = np.where(weights > 0, weights, 1.0)
    return -(weights * np.log2(safe)).sum(axis=-1)


def coverage(weights: np.ndarray) -> np.ndarray:
    """Return the total attention of each source position up to and including each step (Tu et al. 2016, section 3).

    Args:
        weights: (..., Tt, Ts).

    Returns:
        (..., Tt, Ts), the sum of the weights over the steps so far.
    """
    return np.cumsum(weights, axis=-2)
