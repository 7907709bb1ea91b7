"""The first two principal components of the states of a run (Pearson 1901; Hotelling 1933)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from models.core.messages import Problem
from models.states.moments import centred, covariance


@dataclass(frozen=True, eq=False)
class PrincipalPlane:
    """The plane of the first two principal components of T states of H units.

    Attributes:
        points: (T, 2) float64, the coordinates of each state in the plane.
        axes: (2, H), the two directions, orthonormal; the entry of largest magnitude is positive. 0 where the states do not
            vary in a second (or first) direction.
        mean: (H), the point with coordinates (0, 0).
        explained: (2), the share of the total variance along each direction; 0 for a direction without variance.
        variance: the total variance; exactly 0 if the states never change, and then every point is (0, 0).
    """

    points: np.ndarray
    axes: np.ndarray
    mean: np.ndarray
    explained: np.ndarray
    variance: float

    def project(self, states: np.ndarray) -> np.ndarray:
        """Return (T', 2), the coordinates of other states (T', H) in this plane."""
        return (states - self.mean) @ self.axes.T


def principal_plane(states: np.ndarray) -> PrincipalPlane:
    """Return the principal plane of ``states`` (T, H): the first two right singular vectors of the states minus their mean.

    They are computed as eigenvectors of the units' covariance, which needs H x H numbers where an SVD needs T x H.

    Raises:
        Problem: a state is not a finite number.
    """
    finite = np.isfinite(states).all(axis=1)
    if not finite.all():
        raise Problem(
            "The states are not finite from time step {step} on, so their principal plane cannot be computed.",
            step=int(finite.argmin()) + 1,
        )
    units = states.shape[1]
    mean = states.mean(axis=0, dtype=np.float64)
    axes, explained, variance = np.zeros((2, units)), np.zeros(2), 0.0
    if (states != states[:1]).any():
        values, vectors = np.linalg.eigh(covariance(states))
        variance = float(values.clip(0).sum())
        for place in range(min(2, units)):
            # a smaller second eigenvalue is a rounding error of states on a straight line
            if values[-1 - place] > 1e-12 * values[-1]:
                axis = vectors[:, -1 - place]
                axes[place] = axis * np.sign(axis[np.abs(axis).argmax()])
                explained[place] = values[-1 - place] / variance
    points = np.concatenate([part @ axes.T for part in centred(states)])
    return PrincipalPlane(points, axes, mean, explained, variance)


def thin_trajectory(points: np.ndarray, part: tuple[int, int], count: int) -> np.ndarray:
    """Return the steps to draw of a long trajectory: all of ``part``, and of the others the extremes.

    The rest is split into about ``count`` blocks of steps. Each block keeps its first step and those farthest to either
    side along both directions, so that no excursion is lost.

    Args:
        points: (T, 2), ``PrincipalPlane.points``.
        part: the first step and the one after the last.
        count: the number of blocks.
    """
    length = len(points)
    kept = {*range(*part)}
    if len(kept) < length:
        edges = np.linspace(0, length, min(count, length) + 1).astype(int)
        for begin, end in pairwise(edges.tolist()):
            block = points[begin:end]
            kept |= {begin, *(begin + block.argmin(axis=0)).tolist(), *(begin + block.argmax(axis=0)).tolist()}
    return np.array(sorted(kept))
