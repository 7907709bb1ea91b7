"""Linear classifiers and regressions of labels on standardized states, of a corpus in memory or a part at a time.

Categories: logistic regression with an L2 penalty (C = 1). States that fit into memory are fitted at once by L-BFGS; more by
averaged stochastic gradient descent (Polyak and Juditsky 1992) in several passes. Numbers: ridge regression (alpha = 1) by
the normal equations, exact in one pass.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.probes.state_rows import StateArray, row_chunks, states_at
from models.training.cancelled_calls import end_if_cancelled

MAX_NUMBERS = 1 << 25
"""The largest number of values of states that are fitted at once: 128 MB as float32."""
PASSES = 5
"""The number of passes of stochastic gradient descent over the states."""
RIDGE_PENALTY = 1.0
TOLERANCE = 1e-3
"""The largest gradient at which L-BFGS ends: with a tenth of it the accuracy is the same after twice as many steps."""

Predict = Callable[[np.ndarray], np.ndarray]
"""The prediction (n) from states (n, H)."""


@dataclass(frozen=True, eq=False)
class StateScale:
    """The units' means and standard deviations on the steps to train on, and each unit's relation to the label there.

    Attributes:
        mean: (H).
        deviation: (H); 1 of a unit that is constant.
        explained: (H), the share of each unit's variance that the label explains: of categories the square of the
            correlation ratio, of numbers that of Pearson's r.
    """

    mean: np.ndarray
    deviation: np.ndarray
    explained: np.ndarray

    def standardized(self, states: np.ndarray) -> np.ndarray:
        """Return states (n, H) minus the mean, in deviations, float32."""
        return ((states - self.mean) / self.deviation).astype(np.float32)


def state_scale(states: StateArray, rows: np.ndarray, labels: np.ndarray, classes: int) -> StateScale:
    """Return the scale of ``states`` (N, H) at ``rows``, in one pass.

    Args:
        states: (N, H).
        rows: ascending indices of steps.
        labels: (N), codes from 0 to ``classes`` - 1, or numbers.
        classes: the number of categories, 0 of numbers.
    """
    units = states.shape[1]
    total, squares, products = np.zeros(units), np.zeros(units), np.zeros((max(classes, 1), units))
    here = labels[rows]
    centre = 0.0 if classes else here.mean()
    origin = states_at(states, rows[:1])[0].astype(np.float64)  # against cancellation in the sums of squares
    for places, values in row_chunks(states, rows):
        shifted = values - origin
        total += shifted.sum(axis=0)
        squares += np.einsum("nh,nh->h", shifted, shifted)
        own = here[places]
        weights = own[None] == np.arange(classes)[:, None] if classes else (own - centre)[None]
        products += weights.astype(np.float64) @ shifted
    count = len(rows)
    mean = total / count
    around = np.maximum(squares - count * mean**2, 0)
    around[around <= 1e-12 * squares] = 0
    if classes:
        sizes = np.bincount(here, minlength=classes)[:, None]
        between = (np.divide(products, sizes, out=np.zeros_like(products), where=sizes > 0) - mean) ** 2
        numerators, denominators = (sizes * between).sum(axis=0), around
    else:
        numerators, denominators = products[0] ** 2, around * ((here - centre) ** 2).sum()
    explained = np.divide(numerators, denominators, out=np.zeros(units), where=denominators > 0)
    deviation = np.sqrt(around / count)
    return StateScale(mean + origin, np.where(deviation > 0, deviation, 1.0), explained)


def fit_classes(
    states: StateArray,
    rows: np.ndarray,
    labels: Sequence[np.ndarray],
    scale: StateScale,
    seed: int = 0,
    fitted: Callable[[], None] = lambda: None,
) -> list[Predict]:
    """Return a logistic regression for each array of labels (N), codes of categories, fitted at ``rows``.

    ``fitted`` is called after each of them, unless they are fitted together.
    """
    if len(rows) * states.shape[1] <= MAX_NUMBERS:
        values = scale.standardized(states_at(states, rows))
        found = []
        for each in labels:
            found.append(_logistic(values, each[rows]))
            fitted()
        return found
    return _descended(states, rows, labels, scale, seed)


def _logistic(values: np.ndarray, codes: np.ndarray) -> Predict:
    """Return the logistic regression of L-BFGS."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    end_if_cancelled()
    if codes.min() == codes.max():
        return _constant(int(codes[0]))
    # its matrix products are small: a second thread costs more than it saves, ten times more on a busy machine
    with threadpool_limits(1), warnings.catch_warnings():
        # a label that is separated exactly has no optimum nearby; its accuracy is 1
        warnings.simplefilter("ignore", ConvergenceWarning)
        return LogisticRegression(max_iter=300, tol=TOLERANCE).fit(values, codes).predict


def _descended(
    states: StateArray, rows: np.ndarray, labels: Sequence[np.ndarray], scale: StateScale, seed: int
) -> list[Predict]:
    """Return the logistic regressions of stochastic gradient descent, all in the same passes."""
    from sklearn.linear_model import SGDClassifier

    count, units = len(rows), states.shape[1]
    models: list[Any] = [
        SGDClassifier(
            loss="log_loss",
            alpha=1 / count,
            learning_rate="invscaling",
            eta0=2 / units,
            power_t=0.25,
            average=max(1, count * PASSES // 2),
            random_state=seed,
        )
        for _ in labels
    ]
    constant = [bool((each[rows] == each[rows[0]]).all()) for each in labels]
    classes = [np.unique(each[rows]) for each in labels]
    for index in range(PASSES):
        for places, values in row_chunks(states, rows, seed=seed + index):
            standardized = scale.standardized(values)
            for model, each, own, same in zip(models, labels, classes, constant, strict=True):
                if not same:
                    model.partial_fit(standardized, each[rows[places]], classes=own)
    return [
        _constant(int(own[0])) if same else model.predict
        for model, own, same in zip(models, classes, constant, strict=True)
    ]


def fit_numbers(
    states: StateArray, rows: np.ndarray, labels: Sequence[np.ndarray], scale: StateScale, units: Sequence[int | None]
) -> list[Predict]:
    """Return a ridge regression for each array of numbers (N), fitted at ``rows``.

    Args:
        states: (N, H).
        rows: ascending indices of steps.
        labels: (N) each.
        scale: of the states at these steps.
        units: for each array of labels the only unit that is used, or None for all.
    """
    size = states.shape[1]
    gram, products = np.zeros((size, size)), np.zeros((size, len(labels)))
    means = [each[rows].mean() for each in labels]
    targets = np.stack([each[rows] - mean for each, mean in zip(labels, means, strict=True)], axis=1)
    for places, values in row_chunks(states, rows):
        standardized = scale.standardized(values).astype(np.float64)
        gram += standardized.T @ standardized
        products += standardized.T @ targets[places]
    found: list[Predict] = []
    for index, (mean, unit) in enumerate(zip(means, units, strict=True)):
        used = slice(None) if unit is None else slice(unit, unit + 1)
        square = gram[used, used]
        slopes = np.zeros(size)
        slopes[used] = np.linalg.solve(square + RIDGE_PENALTY * np.eye(len(square)), products[used, index])
        found.append(_affine(slopes, mean))
    return found


def _constant(code: int) -> Predict:
    """Return the prediction of the same category for every state."""
    return lambda states: np.full(len(states), code)


def _affine(slopes: np.ndarray, mean: float) -> Predict:
    """Return the prediction of a number as ``states @ slopes + mean``."""
    return lambda states: states @ slopes + mean
