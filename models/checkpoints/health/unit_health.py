"""Dead, duplicate and stuck units of a layer: by its weights alone, and in a run.

By weights alone, a unit is dead if all its incoming or all its outgoing weights are negligible; two units are duplicates if
all their incoming weights are the same; a gate is stuck if no input and no state can bring it out of saturation. In a run,
two units are duplicates if they vary and their hidden states are the same at every step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.core.trace import LayerTrace
from models.core.weights import LayerWeights
from models.states.saturation import gate_saturations

NEGLIGIBLE_RATIO = 1e-6
"""Weights smaller than this fraction of the layer's median are negligible."""
DUPLICATE_TOLERANCE = 1e-3
"""Rows whose difference has less than this fraction of their norm are the same."""
CHUNK_UNITS, MAX_PAIRS = 512, 1000
"""Units whose rows are compared with all others at once, and the maximum number of duplicate pairs."""
STUCK_PREACTIVATION = 4.0
"""The sigmoid of this is 0.982: beyond it, the slope is below 0.018, a fourteenth of its maximum."""
CONSTANT_RANGE = 1e-3
"""A unit whose hidden state varies by less than this in a whole run is constant."""
ALWAYS_SATURATED_SHARE = 0.95
"""A gate that is saturated at this share of the steps or more counts as always saturated."""


@dataclass(frozen=True)
class UnitHealth:
    """Dead, duplicate and stuck units by the weights alone.

    Attributes:
        no_outgoing: units whose outgoing weights, to their own layer and the layers above if known, are negligible.
        no_incoming: units whose incoming weights are negligible: they depend on their biases alone.
        duplicates: pairs of units that compute the same.
        stuck: by gate, the units whose gate's sum stays beyond ``STUCK_PREACTIVATION`` for every input and state.
    """

    no_outgoing: tuple[int, ...]
    no_incoming: tuple[int, ...]
    duplicates: tuple[tuple[int, int], ...]
    stuck: dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class RunHealth:
    """Constant, inactive, duplicate and saturated units in a run.

    Attributes:
        constant: units whose hidden state varies by less than ``CONSTANT_RANGE`` over the whole run.
        silent: units whose hidden state stays below ``CONSTANT_RANGE`` in magnitude: nothing that reads it depends on them.
        inactive: units of a relu RNN that are never above 0.
        duplicates: pairs of units that vary, and whose hidden states are the same at every step.
        closed, open: by gate, the units whose gate is below 0.1, or above 0.9, at ``ALWAYS_SATURATED_SHARE`` of the steps or
            more (Karpathy, Johnson and Li 2015).
        steps: the number of steps of the run.
    """

    constant: tuple[int, ...]
    silent: tuple[int, ...]
    inactive: tuple[int, ...]
    duplicates: tuple[tuple[int, int], ...]
    closed: dict[str, tuple[int, ...]]
    open: dict[str, tuple[int, ...]]
    steps: int


def check_units(
    weights: LayerWeights, consumers: Sequence[np.ndarray] | None = None, max_input: float = 1.0
) -> UnitHealth:
    """Find dead, duplicate and stuck units by a layer's weights alone.

    Args:
        weights: a layer's weights.
        consumers: matrices (?, P) outside the layer that take its output as input. If None, they are unknown: then a unit
            has no outgoing weights only if there is a projection whose weights of it are negligible.
        max_input: the largest magnitude of an input; 1 for another layer's states or one-hot vectors.
    """
    strongest = np.maximum(_strongest(weights.weight_ih, 1), _strongest(weights.weight_hh, 1))
    strongest = strongest.reshape(len(weights.cell.gates), -1)
    for gate in weights.cell.peepholes:
        own = strongest[weights.cell.gates.index(gate)]
        np.maximum(own, np.abs(weights.rows("weight_ch", gate)), out=own)
    strongest = strongest[[weights.cell.gates.index(gate) for gate in weights.cell.summed_gates]]
    faint = NEGLIGIBLE_RATIO * float(np.median(strongest))
    # a layer norm subtracts the mean of all units from a product of 0, so no unit is without an input
    no_incoming = np.flatnonzero((strongest <= faint).all(axis=0) & (weights.cell.norm is None))
    return UnitHealth(
        _units_without_outgoing(weights, consumers),
        tuple(map(int, no_incoming)),
        _duplicate_pairs(_incoming_blocks(weights)),
        _stuck_gates(weights, max_input),
    )


def _units_without_outgoing(weights: LayerWeights, consumers: Sequence[np.ndarray] | None) -> tuple[int, ...]:
    if weights.weight_hr is not None:
        outgoing: list[np.ndarray] = [weights.weight_hr]
    elif consumers is None:
        return ()
    else:
        outgoing = [weights.arrays()[weights.cell.hidden_weight], *consumers]
    strongest = np.stack([_strongest(matrix, 0) for matrix in outgoing]).max(axis=0)
    return tuple(map(int, np.flatnonzero(strongest <= NEGLIGIBLE_RATIO * float(np.median(strongest)))))


def _strongest(matrix: np.ndarray, axis: int) -> np.ndarray:
    """Return the largest magnitude along an axis, without copying the matrix."""
    return np.maximum(matrix.max(axis=axis, initial=0), -matrix.min(axis=axis, initial=0))


def _duplicate_pairs(blocks: list[np.ndarray]) -> tuple[tuple[int, int], ...]:
    """Return pairs of units whose rows are the same in every block (U, ?): by the Gram matrix, then compared exactly."""
    units = len(blocks[0])
    length = sum(np.einsum("ud,ud->u", block, block) for block in blocks)
    found: list[tuple[int, int]] = []
    for start in range(0, units, CHUNK_UNITS):
        rows = slice(start, min(start + CHUNK_UNITS, units))
        gram = sum(block[rows] @ block.T for block in blocks)
        longer = np.maximum(length[rows, None], length[None])
        with np.errstate(invalid="ignore"):
            distance = length[rows, None] + length[None] - 2 * gram
        near = (distance <= 1e-4 * longer) & (longer > 0) & np.isfinite(distance)  # infinite weights match no others
        for one, other in np.argwhere(near):
            if other > one + start and len(found) < MAX_PAIRS and _rows_equal(blocks, one + start, other):
                found.append((int(one + start), int(other)))
    return tuple(found)


def _incoming_blocks(weights: LayerWeights) -> list[np.ndarray]:
    """Return a layer's incoming weights, (H, ?) for each gate and matrix; biases are summed where only the sum matters."""
    gates, used = weights.cell.summed_gates, {*weights.cell.summed_gates, "cell"}
    found = [weights.rows(name, gate) for name in ("weight_ih", "weight_hh") for gate in gates]
    if weights.bias_ih is not None:
        both = {gate: (weights.rows("bias_ih", gate), weights.rows("bias_hh", gate)) for gate in gates}
        found += [np.stack(pair if weights.kind == "GRU" else [pair[0] + pair[1]], axis=1) for pair in both.values()]
    further = weights.cell.further_weights
    found += [
        weights.rows(name, gate)[:, None] for name in further for gate in weights.cell.row_gates(name) if gate in used
    ]
    return found


def _rows_equal(blocks: list[np.ndarray], one: int, other: int) -> bool:
    pair = [np.concatenate([block[unit] for block in blocks]).astype(np.float64) for unit in (one, other)]
    return bool(np.linalg.norm(pair[0] - pair[1]) <= DUPLICATE_TOLERANCE * max(map(np.linalg.norm, pair)))


def _stuck_gates(weights: LayerWeights, max_input: float) -> dict[str, tuple[int, ...]]:
    """Return gates whose bias outweighs every possible input, by gate; only for states bounded by -1 and 1.

    A gate with a peephole depends on a state without a bound, and one with a smaller clip is never saturated. Of a layer with
    layer norm none are returned: the biases come before the norm. Nor of a multiplicative LSTM: its intermediate state is
    unbounded.
    """
    cell = weights.cell
    if weights.bias_ih is None or cell.norm is not None or cell.multiplicative or cell.ranges["hidden"] != (-1.0, 1.0):
        return {}
    if cell.clip is not None and cell.clip < STUCK_PREACTIVATION:
        return {}
    found = {}
    for gate in cell.summed_gates:
        if cell.ranges[gate] != (0.0, 1.0) or gate in cell.peepholes:
            continue
        bias = np.abs(weights.rows("bias_ih", gate) + weights.rows("bias_hh", gate))
        bound = np.abs(weights.rows("weight_hh", gate)).sum(axis=1)
        bound = bound + max_input * np.abs(weights.rows("weight_ih", gate)).sum(axis=1)
        units = np.flatnonzero(bias - bound >= STUCK_PREACTIVATION)
        if len(units):
            found[gate] = tuple(map(int, units))
    return found


def _pairs_moving_together(hidden: np.ndarray, constant: set[int]) -> tuple[tuple[int, int], ...]:
    """Return pairs of columns of hidden states (T, H) that are the same at every step, except those in ``constant``."""
    with np.errstate(invalid="ignore", over="ignore"):  # units with NaN or infinity match no others
        mean = hidden.mean(axis=0)
        pairs = _duplicate_pairs([(hidden - mean).T]) if len(hidden) > 1 else ()
    return tuple(
        pair for pair in pairs if not {*pair} & constant and abs(mean[pair[0]] - mean[pair[1]]) < CONSTANT_RANGE
    )


def check_units_in_run(layer: LayerTrace, row: int = 0) -> RunHealth:
    """Find constant, inactive, duplicate and saturated units in a layer's run, for sequence ``row`` of its batch."""
    steps = int(layer.lengths[row])
    hidden = layer.hidden[row, :steps]
    with np.errstate(invalid="ignore"):  # infinity minus infinity
        extent = hidden.max(axis=0) - hidden.min(axis=0)
    constant = np.flatnonzero(extent < CONSTANT_RANGE) if steps > 1 else np.array([], int)
    relu = layer.kind == "RNN" and layer.weights.nonlinearity == "relu"
    inactive = np.flatnonzero((hidden <= 0).all(axis=0)) if relu else np.array([], int)
    found = gate_saturations(layer, row)
    return RunHealth(
        tuple(map(int, constant)),
        tuple(map(int, np.flatnonzero((np.abs(hidden) < CONSTANT_RANGE).all(axis=0)))),
        tuple(map(int, inactive)),
        _pairs_moving_together(hidden, {*constant}),
        {gate: tuple(map(int, np.flatnonzero(each.left >= ALWAYS_SATURATED_SHARE))) for gate, each in found.items()},
        {gate: tuple(map(int, np.flatnonzero(each.right >= ALWAYS_SATURATED_SHARE))) for gate, each in found.items()},
        steps,
    )
