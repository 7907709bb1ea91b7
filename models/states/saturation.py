"""The share of steps at which each gate is nearly closed or nearly open (Karpathy, Johnson and Li 2015, figure 3)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.core.trace import LayerTrace

LEFT, RIGHT = 0.1, 0.9
"""Below the first a gate counts as left-saturated (closed), above the second as right-saturated (open)."""


@dataclass(frozen=True, eq=False)
class Saturation:
    """A gate's saturation, unit by unit.

    Attributes:
        left: (H), the share of the steps at which the gate is below ``LEFT``; NaN for a unit with a NaN.
        right: (H), the share of the steps at which it is above ``RIGHT``.
    """

    left: np.ndarray
    right: np.ndarray


def saturation(gate: np.ndarray, left: float = LEFT, right: float = RIGHT) -> Saturation:
    """Return the saturation of ``gate`` (T, H), whose values are between 0 and 1."""
    known = np.where(np.isnan(gate).any(axis=0), np.nan, 1.0)
    return Saturation((gate < left).mean(axis=0) * known, (gate > right).mean(axis=0) * known)


def gate_saturations(layer: LayerTrace, row: int = 0) -> dict[str, Saturation]:
    """Return the saturation of every sigmoid gate of ``layer``, in sequence ``row``; an empty dict for an RNN."""
    steps = int(layer.lengths[row])
    return {gate: saturation(layer[gate][row, :steps]) for gate in layer.cell_equations.zero_one_gates}
