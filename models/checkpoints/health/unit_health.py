"""Units of a layer that do nothing, do the same, or cannot do anything else: by their weights alone, and in a run.

By weights alone, a unit is dead where nothing in it reads anything, or nothing reads it; two units are duplicates where all
their gates read the same in the same way; a gate is stuck where no input and no state could bring it back from its bound.
In a run, two units are duplicates where they move and their states are the same throughout.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.core.trace import LayerTrace
from models.core.weights import LayerWeights
from models.states.saturation import gate_saturations

NEGLIGIBLE_RATIO = 1e-6
"""Weights this small against the layer's median do nothing."""
DUPLICATE_TOLERANCE = 1e-3
"""Rows that differ by less than this part of their length are the same."""
CHUNK_UNITS, MAX_PAIRS = 512, 1000
"""Units whose rows are compared with all others at once, and pairs of doubles at most."""
STUCK_PREACTIVATION = 4.0
"""A sigmoid of this is 0.982: further out its slope is below 0.018, a fourteenth of the most it can be."""
CONSTANT_RANGE = 1e-3
"""A unit whose state moves by less than this in a whole run is still."""
ALWAYS_SATURATED_SHARE = 0.95
"""The share of the steps at which a gate is saturated from which on it counts as always saturated."""


@dataclass(frozen=True)
class UnitHealth:
    """What the weights alone say.

    Attributes:
        unread: units that nothing reads: neither their own layer nor, where they are known, those above.
        unreading: units none of whose gates reads anything: they depend on their biases alone.
        duplicates: pairs of units that compute the same.
        stuck: by gate, the units whose gate stays beyond ``STUCK`` whatever comes in.
    """

    no_outgoing: tuple[int, ...]
    no_incoming: tuple[int, ...]
    duplicates: tuple[tuple[int, int], ...]
    stuck: dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class RunHealth:
    """What a run says.

    Attributes:
        still: units whose hidden state moves by less than ``STILL`` over the whole run.
        silent: units of a relu RNN that are never above 0.
        duplicates: pairs of units that move, and whose hidden states are the same at every step.
        closed, open: by gate, the units whose gate is below 0.1, or above 0.9, at ``ALWAYS`` of the steps or more
            (Karpathy, Johnson and Li 2015).
        steps: how many steps the run had.
    """

    constant: tuple[int, ...]
    inactive: tuple[int, ...]
    duplicates: tuple[tuple[int, int], ...]
    closed: dict[str, tuple[int, ...]]
    open: dict[str, tuple[int, ...]]
    steps: int


def check_units(weights: LayerWeights, readers: Sequence[np.ndarray] | None = None, reach: float = 1.0) -> UnitHealth:
    """What a layer's weights alone say of its units.

    Args:
        weights: a layer.
        readers: matrices (?, P) that read its output besides itself; None where they are not known: then a unit counts as
            unread only if there is a projection that does not read it.
        reach: the largest magnitude of an input; 1 where another layer's states or one-hot vectors come in.
    """
    strongest = np.maximum(_strongest(weights.weight_ih, 1), _strongest(weights.weight_hh, 1))
    strongest = strongest.reshape(len(weights.cell.gates), -1)
    faint = NEGLIGIBLE_RATIO * float(np.median(strongest))
    unreading = np.flatnonzero((strongest <= faint).all(axis=0))
    return UnitHealth(
        _units_without_outgoing(weights, readers),
        tuple(map(int, unreading)),
        _duplicate_pairs(_incoming_blocks(weights)),
        _stuck_gates(weights, reach),
    )


def _units_without_outgoing(weights: LayerWeights, readers: Sequence[np.ndarray] | None) -> tuple[int, ...]:
    if weights.weight_hr is not None:
        by: list[np.ndarray] = [weights.weight_hr]
    elif readers is None:
        return ()
    else:
        by = [weights.weight_hh, *readers]
    strongest = np.stack([_strongest(matrix, 0) for matrix in by]).max(axis=0)
    return tuple(map(int, np.flatnonzero(strongest <= NEGLIGIBLE_RATIO * float(np.median(strongest)))))


def _strongest(matrix: np.ndarray, axis: int) -> np.ndarray:
    """The largest magnitude along an axis, without a copy of the matrix."""
    return np.maximum(matrix.max(axis=axis, initial=0), -matrix.min(axis=axis, initial=0))


def _duplicate_pairs(blocks: list[np.ndarray]) -> tuple[tuple[int, int], ...]:
    """Pairs of units whose rows are the same in every block (U, ?): near in the Gram matrix, then held against each other."""
    units = len(blocks[0])
    length = sum(np.einsum("ud,ud->u", block, block) for block in blocks)
    found: list[tuple[int, int]] = []
    for start in range(0, units, CHUNK_UNITS):
        rows = slice(start, min(start + CHUNK_UNITS, units))
        gram = sum(block[rows] @ block.T for block in blocks)
        longer = np.maximum(length[rows, None], length[None])
        with np.errstate(invalid="ignore"):
            apart = length[rows, None] + length[None] - 2 * gram
        near = (apart <= 1e-4 * longer) & (longer > 0) & np.isfinite(apart)  # infinite weights are far from all others
        for one, other in np.argwhere(near):
            if other > one + start and len(found) < MAX_PAIRS and _rows_equal(blocks, one + start, other):
                found.append((int(one + start), int(other)))
    return tuple(found)


def _incoming_blocks(weights: LayerWeights) -> list[np.ndarray]:
    """What a unit reads with, (H, ?) for each gate and matrix; of biases of which only the sum counts, the sum."""
    gates = weights.cell.gates
    found = [weights.rows(name, gate) for name in ("weight_ih", "weight_hh") for gate in gates]
    if weights.bias_ih is not None:
        both = {gate: (weights.rows("bias_ih", gate), weights.rows("bias_hh", gate)) for gate in gates}
        found += [np.stack(pair if weights.kind == "GRU" else [pair[0] + pair[1]], axis=1) for pair in both.values()]
    return found


def _rows_equal(blocks: list[np.ndarray], one: int, other: int) -> bool:
    pair = [np.concatenate([block[unit] for block in blocks]).astype(np.float64) for unit in (one, other)]
    return bool(np.linalg.norm(pair[0] - pair[1]) <= DUPLICATE_TOLERANCE * max(map(np.linalg.norm, pair)))


def _stuck_gates(weights: LayerWeights, reach: float) -> dict[str, tuple[int, ...]]:
    """Gates whose bias outweighs all that can come in; only where states lie within -1 and 1."""
    cell = weights.cell
    if weights.bias_ih is None or cell.ranges["hidden"] != (-1.0, 1.0):
        return {}
    found = {}
    for gate in cell.gates:
        if cell.ranges[gate] != (0.0, 1.0):
            continue
        bias = np.abs(weights.rows("bias_ih", gate) + weights.rows("bias_hh", gate))
        most = np.abs(weights.rows("weight_hh", gate)).sum(axis=1)
        most = most + reach * np.abs(weights.rows("weight_ih", gate)).sum(axis=1)
        units = np.flatnonzero(bias - most >= STUCK_PREACTIVATION)
        if len(units):
            found[gate] = tuple(map(int, units))
    return found


def _pairs_moving_together(hidden: np.ndarray, still: set[int]) -> tuple[tuple[int, int], ...]:
    """Pairs of columns of states (T, H) that move alike, and from the same place; of those that move at all."""
    middle = hidden.mean(axis=0)
    pairs = _duplicate_pairs([(hidden - middle).T]) if len(hidden) > 1 else ()
    return tuple(
        pair for pair in pairs if not {*pair} & still and abs(middle[pair[0]] - middle[pair[1]]) < CONSTANT_RANGE
    )


def check_units_in_run(layer: LayerTrace, row: int = 0) -> RunHealth:
    """What a run says of a layer's units; of sequence ``row`` of its batch."""
    steps = int(layer.lengths[row])
    hidden = layer.hidden[row, :steps]
    still = np.flatnonzero(hidden.max(axis=0) - hidden.min(axis=0) < CONSTANT_RANGE) if steps > 1 else np.array([], int)
    relu = layer.kind == "RNN" and layer.weights.nonlinearity == "relu"
    silent = np.flatnonzero((hidden <= 0).all(axis=0)) if relu else np.array([], int)
    found = gate_saturations(layer, row)
    return RunHealth(
        tuple(map(int, still)),
        tuple(map(int, silent)),
        _pairs_moving_together(hidden, {*still}),
        {gate: tuple(map(int, np.flatnonzero(each.left >= ALWAYS_SATURATED_SHARE))) for gate, each in found.items()},
        {gate: tuple(map(int, np.flatnonzero(each.right >= ALWAYS_SATURATED_SHARE))) for gate, each in found.items()},
        steps,
    )
