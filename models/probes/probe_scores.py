"""Scores of probes on the test documents: accuracy of categories and R² of numbers, resampled over documents."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.probes.bootstrap import Resampled, ratio, resample
from models.probes.document_parts import DocumentParts
from models.probes.linear_fit import Predict, StateScale
from models.probes.state_rows import StateArray, row_chunks


def predict_rows(
    states: StateArray, rows: np.ndarray, predictors: Sequence[Predict], scale: StateScale
) -> list[np.ndarray]:
    """Return the prediction (n) of each predictor at ``rows`` (n), in one pass over ``states``."""
    parts: list[list[np.ndarray]] = [[] for _ in predictors]
    for _, values in row_chunks(states, rows):
        standardized = scale.standardized(values)
        for part, predict in zip(parts, predictors, strict=True):
            part.append(predict(standardized))
    return [np.concatenate(part) for part in parts]


def score_of(truth: np.ndarray, guess: np.ndarray, numeric: bool) -> float:
    """Return the accuracy of categories, or R² of numbers."""
    if not numeric:
        return float((truth == guess).mean())
    return float(1 - ((truth - guess) ** 2).sum() / ((truth - truth.mean()) ** 2).sum())


def score_text(value: float, numeric: bool) -> str:
    """Return an accuracy in percent, or R²."""
    return f"R² = {value:.2f}".replace("-", "−") if numeric else f"{value:.1%}"


def resampled_score(
    counts: np.ndarray, parts: DocumentParts, truth: np.ndarray, guess: np.ndarray, numeric: bool
) -> Resampled:
    """Return the score of predictions of the test steps.

    Args:
        counts: how often each document is drawn, as of ``document_counts``.
        parts: the steps to train and test on.
        truth: (n), the labels of the test steps.
        guess: (n), the predictions.
        numeric: whether the score is R².
    """
    ones = np.ones(len(truth))
    if not numeric:
        return resample(counts, ratio, parts.sums(truth == guess), parts.sums(ones))
    centred = truth - truth.mean()  # against cancellation in the sum of squares
    sums = [parts.sums(each) for each in ((truth - guess) ** 2, centred**2, centred, ones)]
    return resample(counts, _r_squared, *sums)


def _r_squared(residual: np.ndarray, squares: np.ndarray, total: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Return R² from sums over the steps; NaN where the numbers are all the same."""
    around = squares - total**2 / count
    return np.where(around > 1e-12 * np.abs(squares), 1 - residual / around, np.nan)
