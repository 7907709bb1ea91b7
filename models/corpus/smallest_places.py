"""The places of the smallest values of an array, without sorting all of it."""

from __future__ import annotations

import numpy as np


def smallest_places(values: np.ndarray, count: int) -> np.ndarray:
    """Return the places of the ``count`` smallest of (n) values, the smallest first, equals in their order."""
    if count < len(values):
        places = np.flatnonzero(values <= np.partition(values, count - 1)[count - 1])
    else:
        places = np.arange(len(values))
    return places[np.argsort(values[places], kind="stable")][:count]
