"""Linear probes: what a linear model reads from the state, and whether that is more than chance, an untrained network or the
current token would give (Alain and Bengio 2017; Zhang and Bowman 2018; Hewitt and Liang 2019)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np

from models.core.messages import Sentence
from models.probes.bootstrap import Estimate, Resampled, document_counts
from models.probes.document_parts import split_documents
from models.probes.linear_fit import fit_classes, fit_numbers, state_scale
from models.probes.probe_labels import coded_labels, control_labels, given_labels, shuffled_labels, token_predictions
from models.probes.probe_scores import predict_rows, resampled_score, score_of
from models.probes.probe_verdict import probe_verdict, selectivity_warning
from models.probes.state_rows import StateArray, UnitColumn, check_steps

MAX_STEPS = 200_000
"""The default number of steps to train and test on."""


@dataclass(frozen=True, eq=False)
class ProbeScores:
    """The scores of a linear probe and of its controls, on documents that no probe was trained on.

    A score is the accuracy of a probe of categories, or R² of a probe of numbers.

    Attributes:
        numeric: whether the label is a number, so that scores are R².
        classes: the categories; of numbers empty.
        train: the probe's score on the documents that it was trained on.
        test: its score on the test documents.
        baseline: the score of the most frequent category of the test documents, or of their mean: no constant has a higher
            one.
        shuffled: the score of the same probe trained and tested on shuffled labels.
        token: the score of the current token alone: each token's most frequent label, or mean, in the training documents;
            None if tokens were not given.
        control: the score of the same probe in the control task, where every token has a label drawn at random; None if
            tokens were not given.
        selectivity: test minus control (Hewitt and Liang 2019), or None.
        untrained: the score of the same probe of each untrained network's states.
        gain: test minus the highest of them; None without any.
        unit: the single unit that the label explains best in the training documents.
        unit_test: the score of the same probe of that unit alone.
        steps: the numbers of steps trained and tested on.
        documents: the numbers of documents trained and tested on.
        readable: whether the score is above all of baseline, shuffled, untrained and token: the 99 % interval of each
            difference is above 0, and it is farther from those of untrained networks than they are from each other.
        verdict: the sentence that says so, or what else gives this answer.
        warning: of a readable label, the sentence that says that the probe learns random labels of the tokens as well; else
            None.
    """

    numeric: bool
    classes: tuple[str, ...]
    train: float
    test: Estimate
    baseline: Estimate
    shuffled: Estimate
    token: Estimate | None
    control: Estimate | None
    selectivity: Estimate | None
    untrained: tuple[Estimate, ...]
    gain: Estimate | None
    unit: int
    unit_test: Estimate
    steps: tuple[int, int]
    documents: tuple[int, int]
    readable: bool
    verdict: Sentence
    warning: Sentence | None


def linear_probe(
    states: StateArray,
    labels: np.ndarray,
    documents: np.ndarray,
    *,
    tokens: np.ndarray | None = None,
    untrained: Sequence[StateArray] = (),
    numeric: bool | None = None,
    max_steps: int | None = MAX_STEPS,
    seed: int = 0,
    progress: Callable[[float], None] = lambda share: None,
) -> ProbeScores:
    """Return what a linear probe reads of a label from the state, with its controls.

    Args:
        states: (N, H) of floats, an array or a Zarr array.
        labels: (N), categories or numbers; steps with NaN or None are left out.
        documents: (N) int, the document of each step; training and test steps are of different documents.
        tokens: (N) int, the token of each step, for the control task and the score of the token alone.
        untrained: (N, H) of floats each, the states of untrained networks of the same shape at the same steps. Give three:
            two random networks differ too, and one does not show by how much.
        numeric: whether labels are numbers; None for True if they are floats.
        max_steps: the largest number of steps, of documents drawn at random; None for all.
        seed: of the random numbers.
        progress: called with the share of the work that is done.

    Raises:
        Problem: there are too few documents, one category or too many, or a state is not finite.
        ValueError: a shape does not fit.
        CancelledError: the task was cancelled.
    """
    check_steps(states, labels=labels, documents=documents, tokens=tokens)
    numeric = labels.dtype.kind == "f" if numeric is None else numeric
    parts = split_documents(documents, given_labels(labels), max_steps, seed)
    values, classes = coded_labels(labels, parts, numeric)
    random = np.random.default_rng(seed)
    sets = [values, shuffled_labels(values, parts, random)]
    token_guess = None
    if tokens is not None:
        codes = np.unique(tokens, return_inverse=True)[1]
        sets.append(control_labels(values, codes, parts, len(classes), random))
        token_guess = token_predictions(values, codes, parts, len(classes))
    fits, done = len(sets) + 1 + len(untrained), count(1)

    def fitted() -> None:
        progress(next(done) / fits)

    scale = state_scale(states, parts.train, values, len(classes))
    unit = int(scale.explained.argmax())
    alone = UnitColumn(states, unit)
    if numeric:
        models = fit_numbers(states, parts.train, [*sets, values], scale, [*([None] * len(sets)), unit])
        predicted = predict_rows(states, parts.test, models, scale)
    else:
        models = fit_classes(states, parts.train, sets, scale, seed, fitted)
        predicted = predict_rows(states, parts.test, models, scale)
        own = state_scale(alone, parts.train, values, len(classes))
        predicted += predict_rows(alone, parts.test, fit_classes(alone, parts.train, [values], own, seed, fitted), own)
    on_train = predict_rows(states, parts.train, models[:1], scale)[0]
    counts = document_counts(parts.group_count, seed)

    def scored(truth: np.ndarray, guess: np.ndarray) -> Resampled:
        return resampled_score(counts, parts, truth[parts.test], guess, numeric)

    test, shuffled, *control = [scored(truth, guess) for truth, guess in zip(sets, predicted, strict=False)]
    own_test = values[parts.test]
    constant = own_test.mean() if numeric else np.bincount(own_test).argmax()
    baseline = scored(values, np.full(len(parts.test), constant))
    token = None if token_guess is None else scored(values, token_guess)
    raw = []
    for each in untrained:
        check_steps(each, labels=labels)
        own = state_scale(each, parts.train, values, len(classes))
        if numeric:
            models = fit_numbers(each, parts.train, [values], own, [None])
        else:
            models = fit_classes(each, parts.train, [values], own, seed, fitted)
        raw.append(scored(values, predict_rows(each, parts.test, models, own)[0]))
    readable, verdict = probe_verdict(test, baseline, shuffled, raw, token, numeric, parts.documents[1])
    selectivity = test - control[0] if control else None
    return ProbeScores(
        numeric,
        classes,
        score_of(values[parts.train], on_train, numeric),
        test.estimate(),
        baseline.estimate(),
        shuffled.estimate(),
        None if token is None else token.estimate(),
        control[0].estimate() if control else None,
        None if selectivity is None else selectivity.estimate(),
        tuple(each.estimate() for each in raw),
        (test - max(raw, key=lambda each: float(each.value))).estimate() if raw else None,
        unit,
        scored(values, predicted[-1]).estimate(),
        (len(parts.train), len(parts.test)),
        parts.documents,
        readable,
        verdict,
        selectivity_warning(selectivity) if readable else None,
    )
