"""How the weights of a recurrent layer are distributed, block by block of its gates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.weights import LayerWeights

BINS = 61
"""Odd, so that 0 lies in the middle of a bin."""


@dataclass(frozen=True, eq=False)
class Distribution:
    """The finite numbers of one block.

    Attributes:
        counts: (BINS), how many lie in each bin.
        edges: (BINS + 1), the same for every block of one array, symmetric about 0.
        mean, deviation: of the numbers; smallest, largest: their bounds.
        size: how many numbers there are; finite: how many of them are finite.
    """

    counts: np.ndarray
    edges: np.ndarray
    mean: float
    deviation: float
    smallest: float
    largest: float
    size: int
    finite: int


def distributions(weights: LayerWeights, bins: int = BINS) -> dict[str, dict[str, Distribution]]:
    """By array, such as ``"weight_hh"``, and by gate; a projection's only block is called ``"hidden"``.

    Example:
        >>> distributions(checkpoint.layers["rnn.l0"])["weight_hh"]["forget_gate"].deviation
    """
    found: dict[str, dict[str, Distribution]] = {}
    for name, values in weights.arrays().items():
        whole = values[np.isfinite(values)]
        bound = float(np.abs(whole).max(initial=0)) or 1.0
        edges = np.linspace(-bound, bound, bins + 1)
        if name == "weight_hr":
            found[name] = {"hidden": _distribution(values, edges)}
        else:
            found[name] = {gate: _distribution(weights.rows(name, gate), edges) for gate in weights.cell.gates}
    return found


def _distribution(values: np.ndarray, edges: np.ndarray) -> Distribution:
    finite = values[np.isfinite(values)].astype(np.float64)
    counts = np.histogram(finite, edges)[0]
    if not len(finite):
        return Distribution(counts, edges, np.nan, np.nan, np.nan, np.nan, values.size, 0)
    bounds = float(finite.min()), float(finite.max())
    return Distribution(counts, edges, float(finite.mean()), float(finite.std()), *bounds, values.size, len(finite))


def forget_biases(weights: LayerWeights) -> np.ndarray | None:
    """(H), ``b_if + b_hf`` of an LSTM: how far each forget gate is open where nothing is read; None without biases.

    Of a GRU it is that of the update gate, which keeps the state as the forget gate keeps the cell.
    """
    gate = weights.cell.carry.keep if weights.cell.carry else None
    if gate is None or weights.bias_ih is None:
        return None
    return weights.rows("bias_ih", gate) + weights.rows("bias_hh", gate)
