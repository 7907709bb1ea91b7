"""The difference of two runs, step by step: two texts in one network, or one text in two networks of one size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.core.messages import Problem


@dataclass(frozen=True, eq=False)
class StateComparison:
    """The second run minus the first, step by step from the beginning.

    Attributes:
        difference: (N, H), at the N steps that both have.
        distance: (N) float64, the L2 norm of the difference at each step.
        first_difference: the first step at which they differ at all, or None.
        steps: the number of steps of each run.
    """

    difference: np.ndarray
    distance: np.ndarray
    first_difference: int | None
    steps: tuple[int, int]


def compare_states(first: np.ndarray, second: np.ndarray) -> StateComparison:
    """Compare the same quantity of two runs, (T, H) and (T', H), aligned by step.

    Raises:
        Problem: the runs have different numbers of units.
    """
    if first.shape[1] != second.shape[1]:
        raise Problem(
            (
                "The runs have {first} and {second} units, so their difference cannot be computed. Choose two runs "
                "with the same number of units."
            ),
            first=first.shape[1],
            second=second.shape[1],
        )
    common = min(len(first), len(second))
    with np.errstate(invalid="ignore"):  # infinity minus infinity
        difference = second[:common] - first[:common]
    unequal = first[:common] != second[:common]
    unequal &= ~(np.isnan(first[:common]) & np.isnan(second[:common]))
    apart = unequal.any(axis=1)
    distance = np.sqrt(np.einsum("th,th->t", difference, difference, dtype=np.float64))
    return StateComparison(
        difference, distance, int(apart.argmax()) if apart.any() else None, (len(first), len(second))
    )
