"""Eigenvalues and singular values of a layer's recurrent weights.

An eigenvalue's magnitude is the factor by which its direction grows or shrinks each time the matrix is applied; the largest,
the spectral radius, dominates in the long run. The singular values are the factors by which a single step can stretch and
shrink a vector; in an orthogonal matrix, which preserves every length, they are all 1 (Saxe et al. 2014; Arjovsky et al.
2016).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from models.core.messages import Problem
from models.core.weights import LayerWeights

MAX_EXACT_UNITS = 1024
"""The largest number of units for which all eigenvalues are computed; a block of that size takes about a second."""
KRYLOV_DIMENSION = 120
"""The dimension of the Krylov space in which the eigenvalues of a larger block are estimated."""


@dataclass(frozen=True, eq=False)
class WeightSpectrum:
    """The spectrum of a square block (H, H) of weights.

    Attributes:
        eigenvalues: complex, the largest magnitude first: all (H) or, if not ``exact``, estimates of the outermost ones.
        singular_values: float64, the largest first, likewise.
        exact: whether all values were computed.
    """

    eigenvalues: np.ndarray
    singular_values: np.ndarray
    exact: bool

    @property
    def radius(self) -> float:
        """The spectral radius: the largest magnitude of an eigenvalue."""
        return float(np.abs(self.eigenvalues[0]))

    @property
    def norm(self) -> float:
        """The spectral norm: the largest factor by which one step can stretch a vector."""
        return float(self.singular_values[0])

    @cached_property
    def from_orthogonal(self) -> float | None:
        """|W^T W - I|_F / sqrt(H): 0 if orthogonal, 1 if zero; None if not ``exact``."""
        return float(np.sqrt(np.mean((self.singular_values**2 - 1) ** 2))) if self.exact else None


def recurrent_blocks(weights: LayerWeights) -> dict[str, np.ndarray]:
    """Return the square recurrent weights (H, H) of each gate, by gate; with a projection, ``W_hr W_h?``, (P, P)."""
    blocks = {gate: weights.rows("weight_hh", gate) for gate in weights.cell.gates}
    if weights.weight_hr is not None:
        blocks = {gate: weights.weight_hr @ block for gate, block in blocks.items()}
    return blocks


def weight_spectra(weights: LayerWeights, exact: int = MAX_EXACT_UNITS) -> dict[str, WeightSpectrum]:
    """Return the spectrum of every recurrent block, by gate.

    Args:
        weights: a layer's weights.
        exact: the largest number of units for which all values are computed; for larger blocks the outermost are estimated.

    Raises:
        Problem: a block contains NaN or infinity.

    Example:
        >>> spectra(checkpoint.layers["rnn.l0"])["candidate"].radius
    """
    return {gate: weight_spectrum(block, exact, gate) for gate, block in recurrent_blocks(weights).items()}


def weight_spectrum(matrix: np.ndarray, exact: int = MAX_EXACT_UNITS, name: str = "W") -> WeightSpectrum:
    """Return the spectrum of a square matrix.

    Raises:
        Problem: it contains NaN or infinity.
    """
    if not np.isfinite(matrix).all():
        raise Problem("{name} contains values that are not finite, so its eigenvalues cannot be computed.", name=name)
    wide = matrix.astype(np.float64)
    if len(matrix) <= exact:
        values = np.linalg.eigvals(wide)
        singular = np.linalg.svd(wide, compute_uv=False)
    else:
        values = _outermost(wide, False)
        singular = np.sqrt(np.abs(_outermost(wide, True)))
    order = np.argsort(-np.abs(values), kind="stable")
    return WeightSpectrum(values[order], np.sort(singular)[::-1], len(matrix) <= exact)


def _outermost(matrix: np.ndarray, squared: bool) -> np.ndarray:
    """Estimate the outermost eigenvalues of W, or of W^T W, by Arnoldi's method (Arnoldi 1951; Saad 2011, chapter 6)."""
    size = min(KRYLOV_DIMENSION, len(matrix))
    basis = np.zeros((size + 1, len(matrix)))
    basis[0] = np.random.default_rng(0).normal(size=len(matrix))
    basis[0] /= np.linalg.norm(basis[0])
    reduced = np.zeros((size + 1, size))
    for step in range(size):
        vector = matrix @ basis[step]
        if squared:
            vector = matrix.T @ vector
        for _ in range(2):  # orthogonalize twice: the first pass loses digits
            parts = basis[: step + 1] @ vector
            vector -= parts @ basis[: step + 1]
            reduced[: step + 1, step] += parts
        length = np.linalg.norm(vector)
        if length < 1e-12:
            return np.linalg.eigvals(reduced[: step + 1, : step + 1])
        reduced[step + 1, step] = length
        basis[step + 1] = vector / length
    return np.linalg.eigvals(reduced[:size])
