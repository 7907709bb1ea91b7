"""Find where NaN or infinity first appears."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from models.core.trace import LayerTrace


@dataclass(frozen=True)
class NonFinite:
    """A value that is no number.

    Attributes:
        position: the step's position in the sequence.
        sequence: which one of the batch.
        unit: which unit.
        value: ``"nan"`` or ``"inf"``.
    """

    position: int
    sequence: int
    unit: int
    value: Literal["nan", "inf"]


def first_nonfinite(layer: LayerTrace, quantity: str) -> NonFinite | None:
    """Where NaN or infinity first appears in a gate, a state, ``"hidden_grad"`` or ``"cell_grad"`` of ``layer``.

    First in the order of computation: a state's is that of the layer's steps, a gradient's the other way round.

    Raises:
        GradientError: a gradient was asked for and none has come.
    """
    backward = quantity in ("hidden_grad", "cell_grad")
    values = getattr(layer, quantity) if backward else layer[quantity]
    return first_in(values, last_first=backward != layer.reverse)


def first_in(values: np.ndarray, last_first: bool = False) -> NonFinite | None:
    """Where NaN or infinity first appears in ``values`` (B, T, units); with ``last_first`` the last step counts as first."""
    bad = ~np.isfinite(values)
    steps = np.flatnonzero(bad.any(axis=(0, 2)))
    if not len(steps):
        return None
    position = int(steps[-1] if last_first else steps[0])
    sequence, unit = (int(index) for index in np.argwhere(bad[:, position])[0])
    value = values[sequence, position, unit]
    return NonFinite(position, sequence, unit, "nan" if np.isnan(value) else "inf")
