"""The agreement of units with a hypothesis: where a feature of the text is present, the unit is above (or below) a threshold.

As NetDissect scores units by the overlap with a concept (Bau et al. 2017), here by F1 and correlation: on other documents
than those that the threshold is chosen on, and against what the best of all units reaches by chance.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from models.core.messages import Problem, Sentence
from models.probes.bootstrap import Estimate, document_counts, ratio, resample
from models.probes.document_parts import DocumentParts, split_documents
from models.probes.probe_labels import given_labels
from models.probes.probe_verdict import above_untrained
from models.probes.state_rows import StateArray, check_steps, states_at
from models.training.cancelled_calls import end_if_cancelled

MAX_STEPS = 100_000
"""The default number of steps to choose thresholds and to test on."""
MAX_NUMBERS = 1 << 25
"""The largest number of values of states that are in memory: 128 MB."""
PERMUTATIONS = 400
"""The number of shifts of the hypothesis: the smallest possible p-value is 1/401."""
SIGNIFICANCE = 0.05
PERMUTATION_BLOCK = 50


@dataclass(frozen=True, eq=False)
class UnitAgreement:
    """The agreement of H units with a hypothesis, on the test documents, except for what is chosen on the others.

    Attributes:
        threshold: (H), of the best F1 in the training documents.
        above: (H) bool, whether the unit is on at or above the threshold; else it is on below it.
        train_correlation: (H), Pearson's r with the hypothesis in the training documents; 0 of a constant unit.
        correlation: (H), the same (the point-biserial correlation) in the test documents.
        correlation_low: (H), the lower end of its 95 % interval over documents; correlation_high: the upper end.
        f1: (H), the harmonic mean of precision and recall.
        f1_low: (H), the lower end of its 95 % interval over documents; f1_high: the upper end.
        precision: (H), the share of the steps with the unit on at which the hypothesis is true.
        recall: (H), the share of the steps with a true hypothesis at which the unit is on.
        p_value: (H), the share of shifts of the hypothesis along the documents with which the largest absolute r of all
            units is at least this unit's: corrected for the number of units (Westfall and Young 1993).
        chance_correlation: the absolute r that the best of all units exceeds in 5 % of the shifts.
        chance_f1: likewise the F1.
        always_f1: the F1 of a unit that is always on.
        unit: the unit with the largest absolute r in the training documents.
        untrained_correlation: the absolute r of each untrained network's unit that is chosen in the same way.
        untrained_f1: the F1 of these units.
        gain: the unit's absolute r minus the highest of theirs; None without untrained networks.
        steps: the numbers of steps to choose on and to test on.
        documents: likewise of documents.
        agrees: whether ``unit`` agrees with the hypothesis: its p-value is at most 0.05, its correlations
            in both parts have the same sign, and its absolute r is above that of all untrained networks' units (the 99 %
            interval of the difference is above 0) and farther from them than they are from each other.
        verdict: the sentence that says so, or what else gives this answer.
    """

    threshold: np.ndarray
    above: np.ndarray
    train_correlation: np.ndarray
    correlation: np.ndarray
    correlation_low: np.ndarray
    correlation_high: np.ndarray
    f1: np.ndarray
    f1_low: np.ndarray
    f1_high: np.ndarray
    precision: np.ndarray
    recall: np.ndarray
    p_value: np.ndarray
    chance_correlation: float
    chance_f1: float
    always_f1: float
    unit: int
    untrained_correlation: tuple[Estimate, ...]
    untrained_f1: tuple[Estimate, ...]
    gain: Estimate | None
    steps: tuple[int, int]
    documents: tuple[int, int]
    agrees: bool
    verdict: Sentence

    @property
    def ranked(self) -> np.ndarray:
        """(H), the units by falling magnitude of the correlation in the training documents."""
        return np.argsort(-np.abs(self.train_correlation), kind="stable")


def unit_agreement(
    states: StateArray,
    hypothesis: np.ndarray,
    documents: np.ndarray,
    *,
    untrained: Sequence[StateArray] = (),
    max_steps: int = MAX_STEPS,
    seed: int = 0,
    progress: Callable[[float], None] = lambda share: None,
) -> UnitAgreement:
    """Return how well each unit agrees with a hypothesis.

    Args:
        states: (N, H) of floats, an array or a Zarr array.
        hypothesis: (N), True or 1 where it is true; steps with NaN or None are left out.
        documents: (N) int, the document of each step; thresholds are chosen on some and tested on others.
        untrained: (N, H) of floats each, the states of untrained networks of the same shape at the same steps. Give three:
            two random networks differ too, and one does not show by how much.
        max_steps: the largest number of steps, of documents drawn at random; fewer if they do not fit into memory.
        seed: of the random numbers.
        progress: called with the share of the work that is done.

    Raises:
        Problem: there are too few documents, the hypothesis does not vary, or a state is not finite.
        ValueError: a shape does not fit, or a hypothesis is neither 0 nor 1.
        CancelledError: the task was cancelled.
    """
    check_steps(states, hypothesis=hypothesis, documents=documents)
    for each in untrained:
        check_steps(each, hypothesis=hypothesis)
    fits = MAX_NUMBERS // max(each.shape[1] for each in (states, *untrained))
    parts = split_documents(documents, given_labels(hypothesis), min(max_steps, fits), seed)
    truth = _truth(hypothesis, parts)
    counts = document_counts(parts.group_count, seed)
    units = _Units(states, truth, parts, counts)
    p_value, chance_correlation, chance_f1 = units.chance(documents, seed)
    unit = units.best
    score = abs(units.correlation.at(unit))
    others: list[_Units] = []
    for each in untrained:
        progress((1 + len(others)) / (1 + len(untrained)))
        others.append(_Units(each, truth, parts, counts))
    their_r = [abs(each.correlation.at(each.best)) for each in others]
    highest = max(their_r, key=lambda each: float(each.value), default=None)
    by_chance = bool(p_value[unit] > SIGNIFICANCE or units.train_correlation[unit] * units.correlation.value[unit] <= 0)
    agrees = not by_chance and (not their_r or above_untrained(score, their_r))
    correlation, f1 = (each.interval() for each in (units.correlation, units.f1))
    true = truth[parts.test].mean()
    if agrees:
        verdict = Sentence(
            "Unit {unit} agrees with the hypothesis: F1 is {f1:.2f} and the correlation {correlation:.2f} on the test "
            "documents (p = {p:.3f}, corrected for {units} units).",
            unit=unit,
            f1=float(units.f1.value[unit]),
            correlation=float(units.correlation.value[unit]),
            p=float(p_value[unit]),
            units=len(p_value),
        )
    elif highest is None or by_chance:
        verdict = Sentence(
            "Chance gives this answer: the best unit's correlation is {found:.2f} on the test documents, and the best of "
            "{units} units reaches {chance:.2f} with a shifted hypothesis too.",
            found=float(score.value),
            chance=chance_correlation,
            units=len(p_value),
        )
    else:
        verdict = Sentence(
            "An untrained network gives this answer too: the correlation of its best unit is {untrained:.2f} on the test "
            "documents, and that of the trained one's {found:.2f}.",
            untrained=float(highest.value),
            found=float(score.value),
        )
    return UnitAgreement(
        threshold=units.threshold,
        above=units.above,
        train_correlation=units.train_correlation,
        correlation=units.correlation.value,
        correlation_low=correlation[0],
        correlation_high=correlation[1],
        f1=units.f1.value,
        f1_low=f1[0],
        f1_high=f1[1],
        precision=units.precision,
        recall=units.recall,
        p_value=p_value,
        chance_correlation=chance_correlation,
        chance_f1=chance_f1,
        always_f1=float(2 * true / (1 + true)),
        unit=unit,
        untrained_correlation=tuple(each.estimate() for each in their_r),
        untrained_f1=tuple(each.f1.at(each.best).estimate() for each in others),
        gain=None if highest is None else (score - highest).estimate(),
        steps=(len(parts.train), len(parts.test)),
        documents=parts.documents,
        agrees=agrees,
        verdict=verdict,
    )


class _Units:
    """Thresholds and correlations of units in the training documents, and measures of them on the test documents."""

    def __init__(self, states: StateArray, truth: np.ndarray, parts: DocumentParts, counts: np.ndarray) -> None:
        train, true = states_at(states, parts.train), truth[parts.train]
        self.train_correlation = point_biserial(train, true)
        self.best = int(np.abs(self.train_correlation).argmax())
        self.threshold, self.above = np.zeros(train.shape[1]), np.ones(train.shape[1], dtype=bool)
        for unit in range(train.shape[1]):
            end_if_cancelled()
            self.threshold[unit], self.above[unit] = best_threshold(train[:, unit], true)
        del train
        self._parts, self._truth = parts, truth[parts.test]
        self._states = states_at(states, parts.test)
        self._states -= self._states.mean(axis=0, dtype=np.float64)  # against cancellation in the sums
        on = states_at(states, parts.test) >= self.threshold
        self._on = np.where(self.above, on, ~on)
        true = self._truth[:, None]
        hits, ons, trues = (parts.sums(each) for each in (self._on & true, self._on, true))
        self.f1 = resample(counts, _f1, hits, ons, trues)
        hits, ons, trues = (each.sum(axis=0) for each in (hits, ons, trues))
        self.precision, self.recall = ratio(hits, ons), ratio(hits, trues)
        sums = [parts.sums(each) for each in (self._states * true, self._states, self._states**2, true)]
        self.correlation = resample(counts, _correlation_of_sums, *sums, parts.sums(np.ones_like(true, dtype=float)))

    def chance(self, documents: np.ndarray, seed: int) -> tuple[np.ndarray, float, float]:
        """Return the p-values (H), and the |r| and F1 that the best unit exceeds in 5 % of the shifts.

        The documents' hypotheses are joined in a random order, rotated by a random number of steps and laid over the states:
        this keeps how long the hypothesis stays true, which a shuffle of the steps does not.
        """
        random = np.random.default_rng(seed)
        own = documents[self._parts.test]
        pieces = np.split(self._truth, np.flatnonzero(np.diff(own)) + 1)
        count, true = len(own), self._truth.sum()
        deviation = self._states.std(axis=0)
        scale = ratio(np.ones_like(deviation), count * deviation * self._truth.std())
        ons = self._on.sum(axis=0)
        on = self._on.astype(np.float32)
        largest_r, largest_f1 = np.zeros(PERMUTATIONS), np.zeros(PERMUTATIONS)
        for start in range(0, PERMUTATIONS, PERMUTATION_BLOCK):
            end_if_cancelled()
            block = slice(start, min(start + PERMUTATION_BLOCK, PERMUTATIONS))
            shifted = np.empty((count, block.stop - block.start), np.float32)
            for column in shifted.T:
                joined = np.concatenate([pieces[index] for index in random.permutation(len(pieces))])
                column[:] = np.roll(joined, int(random.integers(count)))
            largest_r[block] = np.abs((self._states.T @ shifted) * scale[:, None]).max(axis=0)
            largest_f1[block] = _f1(on.T @ shifted, ons[:, None], true).max(axis=0)
        reached = (largest_r >= np.abs(self.correlation.value)[:, None] - 1e-6).sum(axis=1)
        quantile = 1 - SIGNIFICANCE
        return (
            (1 + reached) / (1 + PERMUTATIONS),
            float(np.quantile(largest_r, quantile)),
            float(np.quantile(largest_f1, quantile)),
        )


def best_threshold(values: np.ndarray, truth: np.ndarray) -> tuple[float, bool]:
    """Return the threshold of the largest F1 of one unit, and whether the unit is on at or above it, or below it.

    Args:
        values: (n).
        truth: (n) bool, the hypothesis, true at least once.
    """
    order = np.argsort(values, kind="stable")
    ordered, hits = values[order], truth[order].cumsum()
    starts = np.flatnonzero(np.append(True, np.diff(ordered) != 0))  # of equal values
    below = np.append(0, hits)[starts]  # true steps below each threshold
    total = int(hits[-1])
    f1_above = 2 * (total - below) / (total + len(values) - starts)
    f1_below = 2 * below / (total + starts)
    one, other = int(f1_above.argmax()), int(f1_below.argmax())
    above = bool(f1_above[one] >= f1_below[other])
    place = int(starts[one if above else other])
    return float(ordered[place] if place == 0 else _between(ordered[place - 1], ordered[place])), above


def point_biserial(states: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return (H), Pearson's r of each unit of ``states`` (n, H) with ``truth`` (n) bool; 0 of a constant unit."""
    centred = states - states.mean(axis=0, dtype=np.float64)
    products, sums, squares = (each.sum(axis=0) for each in (centred[truth], centred, centred**2))
    return _correlation_of_sums(products, sums, squares, np.array(float(truth.sum())), np.array(float(len(truth))))


def _between(low: np.floating, high: np.floating) -> float:
    """Return a number above ``low`` and at most ``high``, in the middle if float64 has one."""
    middle = (float(low) + float(high)) / 2
    return middle if middle > float(low) else float(high)


def _f1(hits: np.ndarray, ons: np.ndarray, trues: np.ndarray) -> np.ndarray:
    """Return F1 from the numbers of steps where both are true, the unit is on, and the hypothesis is true."""
    return ratio(2 * hits, ons + trues)


def _correlation_of_sums(
    products: np.ndarray, sums: np.ndarray, squares: np.ndarray, trues: np.ndarray, count: np.ndarray
) -> np.ndarray:
    """Return Pearson's r of values and a hypothesis from sums over the steps; 0 if one of them is constant."""
    around = np.maximum(squares - sums**2 / count, 0)
    around = np.where(around > 1e-12 * squares, around, 0)
    return ratio(products - sums * trues / count, np.sqrt(around * (trues - trues**2 / count)))


def _truth(hypothesis: np.ndarray, parts: DocumentParts) -> np.ndarray:
    """Return the hypothesis (N) bool, False at steps that are not used."""
    truth = np.zeros(len(hypothesis), dtype=bool)
    for rows in (parts.train, parts.test):
        values = hypothesis[rows].astype(np.float64)
        if not np.isin(values, (0, 1)).all():
            raise ValueError("A hypothesis is 0 or 1 at every step.")
        truth[rows] = values.astype(bool)
        if truth[rows].all() or not truth[rows].any():
            raise Problem(
                "The hypothesis is true at {true} of {count} steps of some documents, so no unit can agree or disagree with "
                "it there. Choose a hypothesis that varies, or a larger corpus.",
                true=int(truth[rows].sum()),
                count=len(rows),
            )
    return truth
