"""Orders in which the units of a layer can be drawn, so that a heatmap shows what belongs together.

``similarity`` is spectral seriation (Atkins, Boman and Hendrickson 1998): the units along the Fiedler vector, the eigenvector
of the second smallest eigenvalue of the Laplacian of their similarities. If any order has only falling similarities to both
sides, it is this one.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from models.core.messages import Problem
from models.states.moments import centred, covariance

UnitOrder = Literal["index", "mean", "variance", "similarity"]


def order_units(values: np.ndarray, by: UnitOrder = "index") -> np.ndarray:
    """The units in the order in which to draw them, (H) int64; the same values always give the same order.

    Units that are not numbers somewhere come last, and before them, by similarity, those that never change (a constant is
    similar to nothing).

    Args:
        values: (T, H), a gate or state.
        by: ``"index"``, ``"mean"`` (rising), ``"variance"`` (falling) or ``"similarity"``.

    Raises:
        Problem: there is no such order.
    """
    if by not in get_args(UnitOrder):
        raise Problem(
            "Units cannot be sorted by “{order}”. Choose one of these: {orders}.",
            orders=", ".join(get_args(UnitOrder)),
            order=by,
        )
    if by == "index":
        return np.arange(values.shape[1])
    finite = np.isfinite(values).all(axis=0)
    known, unknown = np.flatnonzero(finite), np.flatnonzero(~finite)
    of = values if not unknown.size else values[:, known]
    match by:
        case "mean":
            places = np.argsort(of.mean(axis=0, dtype=np.float64), kind="stable")
        case "variance":
            places = np.argsort(-unit_variance(of), kind="stable")
        case _:
            places = _by_similarity(of)
    return np.concatenate([known[places], unknown])


def unit_variance(values: np.ndarray) -> np.ndarray:
    """(H) float64, the variance of each unit of (T, H); exactly 0 for one that never changes."""
    total = np.zeros(values.shape[1])
    for part in centred(values):
        total += np.einsum("th,th->h", part, part)
    changes = values.max(axis=0) != values.min(axis=0)
    return np.where(changes, total / len(values), 0.0)


def _by_similarity(values: np.ndarray) -> np.ndarray:
    variance = unit_variance(values)
    moving, still = np.flatnonzero(variance), np.flatnonzero(variance == 0)
    still = still[np.argsort(values.mean(axis=0, dtype=np.float64)[still], kind="stable")]
    if len(moving) < 3:
        return np.concatenate([moving, still])
    scale = np.sqrt(variance[moving])
    correlation = covariance(values[:, moving] if still.size else values) / scale / scale[:, None]
    # units that go against each other are no more alike than strangers; the second part joins groups of strangers
    similarity = np.maximum(correlation, 0) + 1e-3 * (1 + np.clip(correlation, -1, 1))
    laplacian = np.diag(similarity.sum(axis=0)) - similarity
    fiedler = np.linalg.eigh(laplacian)[1][:, 1]
    # a vector and its negative say the same: the one whose largest part is positive; rounded, so that equals are ties
    fiedler = np.round(fiedler * np.sign(fiedler[np.abs(fiedler).argmax()]), 9)
    return np.concatenate([moving[np.argsort(fiedler, kind="stable")], still])
