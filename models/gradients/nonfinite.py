"""The first step, sequence and unit at which NaN or infinity appears."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from models.core.trace import LayerTrace


@dataclass(frozen=True)
class NonFinite:
    """The place of a NaN or an infinity.

    Attributes:
        position: the step's position in the sequence.
        sequence: the index in the batch.
        unit: the unit's index.
        value: ``"nan"`` or ``"inf"``.
    """

    position: int
    sequence: int
    unit: int
    value: Literal["nan", "inf"]


def first_nonfinite(layer: LayerTrace, quantity: str) -> NonFinite | None:
    """Return where NaN or infinity first appears in a gate, a state, ``"hidden_grad"`` or ``"cell_grad"``, or None.

    First in the order of computation: the order of the layer's steps for gates and states, the reverse for gradients.

    Raises:
        GradientError: ``quantity`` is a gradient and no backward pass has run.
    """
    backward = quantity in ("hidden_grad", "cell_grad")
    values = getattr(layer, quantity) if backward else layer[quantity]
    return first_nonfinite_value(values, last_first=backward != layer.reverse)


def first_nonfinite_value(values: np.ndarray, last_first: bool = False) -> NonFinite | None:
    """Return where NaN or infinity first appears in ``values`` (B, T, units), or None; ``last_first`` searches backwards."""
    bad = ~np.isfinite(values)
    steps = np.flatnonzero(bad.any(axis=(0, 2)))
    if not len(steps):
        return None
    position = int(steps[-1] if last_first else steps[0])
    sequence, unit = (int(index) for index in np.argwhere(bad[:, position])[0])
    value = values[sequence, position, unit]
    return NonFinite(position, sequence, unit, "nan" if np.isnan(value) else "inf")
