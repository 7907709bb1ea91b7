"""What attention weights say in one number a step: how widely it looks, and what it has looked at so far."""

from __future__ import annotations

import numpy as np


def entropy(weights: np.ndarray) -> np.ndarray:
    """How widely the attention is spread, in bits: ``-sum_j w_j log2 w_j`` (Shannon 1948).

    0 where all of it goes to one position, log2(Ts) where it goes to all alike.

    Args:
        weights: (..., Ts), not negative, adding up to 1.

    Returns:
        (...).
    """
    safe = np.where(weights > 0, weights, 1.0)
    return -(weights * np.log2(safe)).sum(axis=-1)


def coverage(weights: np.ndarray) -> np.ndarray:
    """How much attention each source position has had up to and with each step (Tu et al. 2016, section 3).

    Args:
        weights: (..., Tt, Ts).

    Returns:
        (..., Tt, Ts), the sum of the weights over the steps so far.
    """
    return np.cumsum(weights, axis=-2)
