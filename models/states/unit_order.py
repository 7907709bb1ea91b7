"""Orders in which the units of a layer can be drawn, so that similar units are neighbours in a heatmap.

``similarity`` is spectral seriation (Atkins, Boman and Hendrickson 1998): the units sorted by the Fiedler vector, the
eigenvector of the second smallest eigenvalue of the Laplacian of their similarities. If there is an order in which
similarities only fall to both sides, it is this one.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from models.core.messages import Problem
from models.states.moments import centred, covariance

UnitOrder = Literal["index", "mean", "variance", "similarity"]


def order_units(values: np.ndarray, by: UnitOrder = "index") -> np.ndarray:
    """Return the units in the order in which to draw them, (H) int64; equal values always result in the same order.

    Units with a NaN or an infinity come last. ``"similarity"`` puts before them those that never change, since a constant
    has no correlation.

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
    """Return (H) float64, the variance of each unit of (T, H); exactly 0 for one that never changes."""
    total = np.zeros(values.shape[1])
    for part in centred(values):
        total += np.einsum("th,th->h", part, part)
    changes = values.max(axis=0) != values.min(axis=0)
    return np.where(changes, total / len(values), 0.0)


def _by_similarity(values: np.ndarray) -> np.ndarray:
    variance = unit_variance(values)
    varying, constant = np.flatnonzero(variance), np.flatnonzero(variance == 0)
    constant = constant[np.argsort(values.mean(axis=0, dtype=np.float64)[constant], kind="stable")]
    if len(varying) < 3:
        return np.concatenate([varying, constant])
    scale = np.sqrt(variance[varying])
    correlation = covariance(values[:, varying] if constant.size else values) / scale / scale[:, None]
    # negative correlation counts as none; the second part connects groups that are not correlated with each other
    similarity = np.maximum(correlation, 0) + 1e-3 * (1 + np.clip(correlation, -1, 1))
    laplacian = np.diag(similarity.sum(axis=0)) - similarity
    fiedler = np.linalg.eigh(laplacian)[1][:, 1]
    # an eigenvector's sign is arbitrary: make its largest entry positive; rounded, so that equal entries are ties
    fiedler = np.round(fiedler * np.sign(fiedler[np.abs(fiedler).argmax()]), 9)
    return np.concatenate([varying[np.argsort(fiedler, kind="stable")], constant])
