"""Histograms of a recurrent layer's weights, by gate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.core.weights import LayerWeights

BINS = 61
"""Odd so that 0 is the center of a bin."""


@dataclass(frozen=True, eq=False)
class Distribution:
    """The distribution of one block's finite values.

    Attributes:
        counts: (BINS), the number of values in each bin.
        edges: (BINS + 1), the same for every block of one array, symmetric about 0.
        mean, deviation: mean and standard deviation.
        smallest, largest: minimum and maximum.
        size: the number of elements.
        finite: the number of finite elements.
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
    """Return distributions by array, such as ``"weight_hh"``, and by gate; a projection's only block is ``"hidden"``.

    Example:
        >>> distributions(checkpoint.layers["rnn.l0"])["weight_hh"]["forget_gate"].deviation
    """
    found: dict[str, dict[str, Distribution]] = {}
    for name, values in weights.arrays().items():
        gates = weights.cell.row_gates(name)
        blocks = {gate: weights.rows(name, gate) for gate in gates} if gates else {"hidden": values}
        finite = {gate: block[np.isfinite(block)] for gate, block in blocks.items()}
        bound = max(max(float(each.max(initial=0)), -float(each.min(initial=0))) for each in finite.values()) or 1.0
        edges = np.linspace(-bound, bound, bins + 1)
        found[name] = {gate: _distribution(finite[gate], block.size, edges) for gate, block in blocks.items()}
    return found


def _distribution(finite: np.ndarray, size: int, edges: np.ndarray) -> Distribution:
    counts = np.histogram(finite, edges)[0]
    if not len(finite):
        return Distribution(counts, edges, np.nan, np.nan, np.nan, np.nan, size, 0)
    mean, deviation = float(finite.mean(dtype=np.float64)), float(finite.std(dtype=np.float64))
    return Distribution(counts, edges, mean, deviation, float(finite.min()), float(finite.max()), size, len(finite))


def forget_biases(weights: LayerWeights) -> np.ndarray | None:
    """Return the forget biases (H) of an LSTM, ``b_if + b_hf``, or None without biases, with layer norm or where they are
    not used.

    The sigmoid of a bias is the forget gate for zero input and state. For a GRU the update gate's biases are returned, which
    keeps the hidden state as the forget gate keeps the cell.
    """
    gate = weights.cell.carry.gate if weights.cell.carry and weights.cell.norm is None else None
    if gate not in weights.cell.summed_gates or weights.bias_ih is None:
        return None
    return weights.rows("bias_ih", gate) + weights.rows("bias_hh", gate)
