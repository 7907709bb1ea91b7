"""The Jacobian of each recurrent step: its singular values, bounds on it from the weights, and Lyapunov exponents.

The step's Jacobian is J_t = dh_t / dh_{t-1}. Gradients vanish or explode as products of these do (Bengio, Simard and Frasconi
1994; Pascanu, Mikolov and Bengio 2013, "On the difficulty of training recurrent neural networks", section 2).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor

from models.core.local_derivatives import local_derivatives
from models.core.trace import LayerTrace
from models.core.weights import LayerWeights, read_only
from models.gradients.transitions import transitions_of


def step_jacobians(layer: LayerTrace, sequence: int = 0, joint: bool = False, steps: slice = slice(None)) -> np.ndarray:
    """Return dh_t / dh_{t-1} at each step, all else fixed: [s, i, j] is the derivative of unit i by unit j's last value.

    Args:
        layer: the layer's run.
        sequence: the index in the batch.
        joint: of an LSTM, the Jacobian of (h, c) together, h first; no effect on the others.
        steps: the positions, S of them; all together need S times N x N numbers.

    Returns:
        (S, N, N), by position: N = P, or P + H of the joint one.
    """
    return read_only(torch.cat([matrices for _, matrices in _jacobians(layer, sequence, joint, steps)]))


def singular_values(
    layer: LayerTrace, sequence: int = 0, joint: bool = False, steps: slice = slice(None)
) -> np.ndarray:
    """Return the singular values of each step's Jacobian, largest first, (S, N); arguments as in ``step_jacobians``.

    A gradient's norm is multiplied at that step by at most the largest and at least the smallest. They are NaN where the
    matrix has numbers that are not finite.
    """
    parts = [_singular(matrices) for _, matrices in _jacobians(layer, sequence, joint, steps)]
    return read_only(torch.cat(parts))


def _singular(matrices: Tensor) -> Tensor:
    finite = matrices.isfinite().all(-1).all(-1)
    if finite.all():
        return torch.linalg.svdvals(matrices)
    values = matrices.new_full(matrices.shape[:2], torch.nan)
    values[finite] = torch.linalg.svdvals(matrices[finite])
    return values


@dataclass(frozen=True)
class RecurrentSpectrum:
    """The spectral norm and the spectral radius of a recurrent matrix.

    Attributes:
        norm: the largest singular value: the largest factor by which it stretches a vector.
        radius: the largest absolute eigenvalue: the factor by which it stretches per step in the long run.
    """

    norm: float
    radius: float


def recurrent_spectrum(weights: LayerWeights) -> Mapping[str, RecurrentSpectrum]:
    """Return the spectrum of W_hh by gate, with the projection (W_h? W_hr) if there is one; computed once, O(H³)."""
    found = _SPECTRA.get(weights)
    if found is None:
        found = _SPECTRA[weights] = MappingProxyType(_spectrum_by_gate(weights))
    return found


_SPECTRA: WeakKeyDictionary[LayerWeights, Mapping[str, RecurrentSpectrum]] = WeakKeyDictionary()


def _spectrum_by_gate(weights: LayerWeights) -> dict[str, RecurrentSpectrum]:
    project = weights.weight_hr
    found = {}
    for gate in weights.cell.gates:
        matrix = weights.rows("weight_hh", gate).astype(np.float64)
        if project is not None:
            matrix = matrix @ project
        if not np.isfinite(matrix).all():
            found[gate] = RecurrentSpectrum(np.nan, np.nan)
            continue
        found[gate] = RecurrentSpectrum(
            float(np.linalg.norm(matrix, 2)), float(np.abs(np.linalg.eigvals(matrix)).max())
        )
    return found


@dataclass(frozen=True)
class VanishingCondition:
    """The conditions of Pascanu, Mikolov and Bengio (2013) on the gradients of a simple RNN, from its weights alone.

    Attributes:
        gamma: the activation's steepest slope: 1 for tanh and relu, 1/4 for the sigmoid.
        norm: the spectral norm of W_hh.
        vanishes: norm < 1 / gamma, sufficient for vanishing gradients.
        may_explode: norm > 1 / gamma, necessary for exploding gradients, but not sufficient.
    """

    gamma: float
    norm: float
    vanishes: bool
    may_explode: bool


def vanishing_condition(weights: LayerWeights) -> VanishingCondition:
    """Return the conditions on the gradients of a simple RNN.

    By the spectral norm, as in the paper's proof: the largest eigenvalue alone is not a bound unless W_hh is normal.

    Raises:
        ValueError: the weights are of a gated cell, which the conditions do not cover.
    """
    if weights.kind != "RNN":
        raise ValueError(f"The bound from the weights alone is for a simple RNN; a {weights.kind} has gates.")
    gamma = weights.cell.activations["preactivation"].max_slope
    norm = recurrent_spectrum(weights)["preactivation"].norm
    return VanishingCondition(gamma, norm, norm < 1 / gamma, norm > 1 / gamma)


def jacobian_norm_bounds(layer: LayerTrace) -> np.ndarray:
    """Return an upper bound of the norm of each step's Jacobian (the joint one of an LSTM), (B, T), from norms alone.

    The same bound as in the paper, at the step's own slopes: for an RNN max_u |phi'(a_u)| * ||W_hh||; for gates the sum of
    such terms, and for an LSTM the norm of the 2 x 2 matrix of its blocks' bounds.
    """
    derivatives, weights = local_derivatives(layer), layer.weights
    through = {
        gate: _max_over_units(slope.h) * _norm(weights.rows("weight_hh", gate))
        for gate, slope in derivatives.gates.items()
    }
    if derivatives.intermediate is not None:
        factor = _max_over_units(derivatives.intermediate.h) * _norm(weights.tensors["weight_mh"].numpy())
        through = {gate: bound * factor for gate, bound in through.items()}
    norms = derivatives.norms
    if norms is not None:  # of the products of all gates together
        whole = norms.recurrent.bound().numpy() * _norm(weights.weight_hh)
        through = {gate: _max_over_units(slope.h) * whole for gate, slope in derivatives.gates.items()}
    if derivatives.reset is not None:  # the candidate's input is r h_{t-1}
        through["candidate"] *= _max_over_units(derivatives.reset) + through.pop("reset_gate")
    nothing = np.zeros(layer.shape[:2])
    to_hidden = sum((bound for gate, bound in through.items() if derivatives.gates[gate].target != "cell"), nothing)
    if derivatives.cell_to_hidden is None:
        return to_hidden if derivatives.carry is None else to_hidden + _max_over_units(derivatives.carry)
    assert derivatives.carry is not None
    to_cell = sum((bound for gate, bound in through.items() if derivatives.gates[gate].target == "cell"), nothing)
    out = 1.0 if weights.weight_hr is None else _norm(weights.weight_hr)
    carried = _max_over_units(derivatives.carry)
    through_cell = _max_over_units(derivatives.cell_to_hidden * derivatives.carry)
    if norms is not None and norms.cell is not None:
        to_cell, carried = (each * norms.cell.bound().numpy() for each in (to_cell, carried))
        through_cell = _max_over_units(derivatives.cell_to_hidden) * carried
    blocks = [
        [out * (to_hidden + _max_over_units(derivatives.cell_to_hidden) * to_cell), out * through_cell],
        [to_cell, carried],
    ]
    return _norms(np.moveaxis(np.array(blocks), (0, 1), (-2, -1)))


def _max_over_units(slope: np.ndarray) -> np.ndarray:
    """Return the largest magnitude over the units, (B, T)."""
    return np.abs(slope.astype(np.float64)).max(axis=-1)


def _norm(matrix: np.ndarray) -> float:
    """Return the spectral norm; NaN of a matrix that is not finite."""
    return float(_norms(matrix.astype(np.float64)))


def _norms(matrices: np.ndarray) -> np.ndarray:
    """Return the spectral norms of (..., N, M), NaN where a matrix is not finite: the SVD would raise an error there."""
    finite = np.isfinite(matrices).all(axis=(-2, -1))
    norms = np.linalg.norm(np.where(finite[..., None, None], matrices, 0), 2, axis=(-2, -1))
    return np.where(finite, norms, np.nan)


def lyapunov_spectrum(layer: LayerTrace, sequence: int = 0, joint: bool = True, count: int | None = None) -> np.ndarray:
    """Return the finite-time Lyapunov exponents of one run, largest first, (N) or (``count``), per step, natural logarithm.

    exp(T * exponent) is the factor by which the run stretched a small difference between states along each direction: a
    negative exponent for a difference that shrinks, a positive one for a difference that grows. The QR method of Benettin,
    Galgani, Giorgilli and Strelcyn (1980): the Jacobians act on an orthonormal frame, which is orthonormalized again at
    every step.

    Args:
        layer: the layer's run. sequence: the index in the batch.
        joint: of an LSTM, over (h, c); else over h alone, with c fixed.
        count: the number of largest exponents; all if None.
    """
    frame, logs, count_done = None, None, 0
    for positions, matrices in _jacobians(layer, sequence, joint, slice(None), in_order=True):
        for matrix in matrices:
            if frame is None:
                frame = torch.eye(len(matrix), dtype=torch.float64)[:, :count]
                logs = torch.zeros(frame.shape[1], dtype=torch.float64)
            frame, stretched = torch.linalg.qr(matrix.double() @ frame)
            logs += stretched.diagonal().abs().log()
        count_done += len(positions)
    assert logs is not None
    return np.sort((logs / count_done).numpy())[::-1].copy()


MAX_BLOCK_NUMBERS = 1 << 22
"""The largest number of elements of the Jacobians that are computed at a time."""


def _jacobians(
    layer: LayerTrace, sequence: int, joint: bool, steps: slice, in_order: bool = False
) -> Iterator[tuple[range, Tensor]]:
    """Yield some positions at a time and their Jacobians (S, N, N); ``in_order`` of computation, without padding."""
    derivatives, weights = local_derivatives(layer), layer.weights
    back = transitions_of(weights, derivatives, sequence)
    last = int(layer.lengths[sequence]) if in_order else layer.shape[1]
    positions = range(*steps.indices(last))
    if positions.step != 1:
        raise ValueError("steps must follow each other.")
    numbers = (weights.output_size + joint * weights.hidden_size) ** 2
    length = max(1, MAX_BLOCK_NUMBERS // numbers)
    starts = range(positions.start, positions.stop, length)
    for start in reversed(starts) if in_order and layer.reverse else starts:
        block = range(start, min(start + length, positions.stop))
        at = slice(block.start, block.stop)
        carry = back.carry(at) if joint and derivatives.cell_to_hidden is not None else None
        matrices = _assemble(weights, back(at), carry)
        yield block, matrices.flip(0) if in_order and layer.reverse else matrices


def _assemble(weights: LayerWeights, back: Tensor, carry: Tensor | None) -> Tensor:
    """Return the Jacobians from the steps' transitions: the rows of h (projected), with ``carry``, to c_{t-1}, those of c."""
    size, project = weights.hidden_size, weights.tensors.get("weight_hr")
    both = back.transpose(0, 1) if carry is None else torch.cat([back, carry], dim=2).transpose(0, 1)
    hidden = both[:, :size]
    if project is not None:
        hidden = project @ hidden
    return hidden.clone() if carry is None else torch.cat([hidden, both[:, size:]], dim=1)
