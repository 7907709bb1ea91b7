"""The plane in which the states of a run move most: principal component analysis (Pearson 1901; Hotelling 1933)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from models.core.messages import Problem
from models.states.moments import centred, covariance


@dataclass(frozen=True, eq=False)
class PrincipalPlane:
    """The principal plane of T states of H units.

    Attributes:
        points: (T, 2) float64, where each state lies in the plane.
        axes: (2, H), the two directions, of length 1 and at right angles; the part that is largest is positive. 0 where the
            states do not move in a second (or first) direction.
        mean: (H), the point that lies at (0, 0).
        explained: (2), the share of the whole variance along each direction; 0 where there is none.
        variance: the whole variance; exactly 0 where the states never change, and every point lies at (0, 0).
    """

    points: np.ndarray
    axes: np.ndarray
    mean: np.ndarray
    explained: np.ndarray
    variance: float

    def place(self, states: np.ndarray) -> np.ndarray:
        """(T', 2), where other states (T', H) lie in this plane."""
        return (states - self.mean) @ self.axes.T


def principal_plane(states: np.ndarray) -> PrincipalPlane:
    """The principal plane of ``states`` (T, H): the two first right singular vectors of the states less their mean.

    They are found as eigenvectors of the units' covariance, which needs H x H numbers where an SVD needs T x H.

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
            # what is left beside a straight line is rounding, not a second direction
            if values[-1 - place] > 1e-12 * values[-1]:
                axis = vectors[:, -1 - place]
                axes[place] = axis * np.sign(axis[np.abs(axis).argmax()])
                explained[place] = values[-1 - place] / variance
    points = np.concatenate([part @ axes.T for part in centred(states)])
    return PrincipalPlane(points, axes, mean, explained, variance)


def thin_trajectory(points: np.ndarray, part: tuple[int, int], count: int) -> np.ndarray:
    """The steps of ``part``, all of them, and of the others those that a drawing of the whole path cannot do without.

    The rest is split into about ``count`` blocks of steps; of each are kept the first step and those farthest to either side
    along both directions, so that no excursion is lost.

    Args:
        points: (T, 2), ``Plane.points``.
        part: the first step and the one after the last.
        count: how many blocks there are.
    """
    length = len(points)
    kept = {*range(*part)}
    if len(kept) < length:
        edges = np.linspace(0, length, min(count, length) + 1).astype(int)
        for begin, end in pairwise(edges.tolist()):
            block = points[begin:end]
            kept |= {begin, *(begin + block.argmin(axis=0)).tolist(), *(begin + block.argmax(axis=0)).tolist()}
    return np.array(sorted(kept))
