"""When a label becomes readable: a probe of its own at each offset from an event, as in the decoding of brain recordings over
time (King and Dehaene 2014, "Characterizing the dynamics of mental representations")."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np

from models.core.messages import Problem, Sentence
from models.probes.bootstrap import Resampled, document_counts, stacked
from models.probes.document_parts import MIN_DOCUMENTS, DocumentParts, split_documents
from models.probes.linear_fit import MAX_NUMBERS, Predict, fit_classes, fit_numbers, state_scale
from models.probes.probe_labels import coded_labels, given_labels, token_predictions
from models.probes.probe_scores import predict_rows, resampled_score, score_text
from models.probes.state_rows import StateArray, check_steps, states_at

MAX_EVENTS = 5000
"""The default number of events to train and test on."""


@dataclass(frozen=True, eq=False)
class ReadableWhen:
    """The scores of linear probes at O offsets from events, on documents that none was trained on.

    A score is an accuracy, or R² if labels are numbers; NaN at an offset that too few events have.

    Attributes:
        offsets: (O), steps after the event; negative before it.
        score: (O), of the probe that is trained and tested at that offset.
        low: (O), the lower end of a 95 % band that contains the scores at all offsets together; high: the upper end.
        baseline: (O), the score of the most frequent category of the test events, or of their mean: no constant has a higher
            one.
        token: (O), the score of the token at that step alone; None if tokens were not given.
        untrained: (K, O), the score of the same probes of each of K untrained networks.
        events: (O, 2), the numbers of events trained and tested on.
        readable: (O) bool, whether the score is above baseline, token and untrained: the lower end of a 99 % band over
            all offsets of each difference is above 0, and it is farther from the untrained networks than they are from each
            other.
        verdict: the sentence that says where the label is readable, or what else gives this answer.
    """

    offsets: np.ndarray
    score: np.ndarray
    low: np.ndarray
    high: np.ndarray
    baseline: np.ndarray
    token: np.ndarray | None
    untrained: np.ndarray
    events: np.ndarray
    readable: np.ndarray
    verdict: Sentence

    @property
    def first(self) -> int | None:
        """The first offset at which the label is readable, or None."""
        return int(self.offsets[self.readable.argmax()]) if self.readable.any() else None


def readable_when(
    states: StateArray,
    events: np.ndarray,
    labels: np.ndarray,
    documents: np.ndarray,
    offsets: Sequence[int] | range,
    *,
    tokens: np.ndarray | None = None,
    untrained: Sequence[StateArray] = (),
    numeric: bool | None = None,
    max_events: int = MAX_EVENTS,
    seed: int = 0,
    progress: Callable[[float], None] = lambda share: None,
) -> ReadableWhen:
    """Return how well a label of events can be read from the state at each offset from them.

    ``label_onsets`` returns the events and labels for the question when a step-wise label's onset can be read;
    ``sequence_starts`` the events for the question at which place of a sequence its label can be read.

    Args:
        states: (N, H) of floats, an array or a Zarr array.
        events: (E), indices of steps.
        labels: (E), the label of each event, categories or numbers; events with NaN or None are left out.
        documents: (N) int, the document of each step, which are consecutive; a step of another document than the event's is
            left out.
        offsets: steps after the event, ascending; negative before it.
        tokens: (N) int, the token of each step, for the score of the token alone.
        untrained: (N, H) of floats each, the states of untrained networks of the same shape; three, as for ``linear_probe``.
        numeric: whether labels are numbers; None for True if they are floats.
        max_events: the largest number of events, of documents drawn at random; fewer if their states do not fit into memory.
        seed: of the random numbers.
        progress: called with the share of the work that is done.

    Raises:
        Problem: there are too few documents with events, one category or too many, or a state is not finite.
        ValueError: a shape does not fit.
        CancelledError: the task was cancelled.
    """
    check_steps(states, documents=documents, tokens=tokens)
    for each in untrained:
        check_steps(each, documents=documents)
    numeric = labels.dtype.kind == "f" if numeric is None else numeric
    shifts = np.array(list(offsets), dtype=np.int64)
    if labels.shape != events.shape or not len(shifts):
        raise ValueError("Events and labels are (E) each, and there is at least one offset.")
    fits = MAX_NUMBERS // (len(shifts) * max(each.shape[1] for each in (states, *untrained)))
    parts = split_documents(documents[events], given_labels(labels), min(max_events, max(fits, 1)), seed)
    values, classes = coded_labels(labels, parts, numeric)
    used = np.sort(np.concatenate([parts.train, parts.test]))
    windows = _Windows(events, documents, shifts, used)
    at_offset = [_usable(parts, kept) for kept in windows.kept]
    if not any(at_offset):
        raise Problem(
            "At no offset are there enough events within their documents. Choose smaller offsets or a corpus with longer "
            "documents."
        )
    counts = document_counts(parts.group_count, seed)

    def scored(part: DocumentParts, guess: np.ndarray) -> Resampled:
        return resampled_score(counts, part, values[part.test], guess, numeric)

    fits, fitted_before = (1 + len(untrained)) * len(at_offset), count()

    def probed(array: StateArray) -> Resampled:
        found: list[Resampled | None] = []
        gathered = windows.states(array)
        for index, part in enumerate(at_offset):
            progress(next(fitted_before) / fits)
            if part is None:
                found.append(None)
                continue
            here = windows.at(gathered, index)
            scale = state_scale(here, part.train, values, len(classes))
            fitted: list[Predict]
            if numeric:
                fitted = fit_numbers(here, part.train, [values], scale, [None])
            else:
                fitted = fit_classes(here, part.train, [values], scale, seed)
            found.append(scored(part, predict_rows(here, part.test, fitted, scale)[0]))
        return stacked(found)

    score = probed(states)
    raw = [probed(each) for each in untrained]
    constants: list[Resampled | None] = []
    alone: list[Resampled | None] = []
    kinds = None if tokens is None else np.unique(tokens, return_inverse=True)[1]
    for index, part in enumerate(at_offset):
        if part is None:
            constants.append(None)
            alone.append(None)
            continue
        here = values[part.test]
        constants.append(scored(part, np.full(len(part.test), here.mean() if numeric else np.bincount(here).argmax())))
        if kinds is not None:
            own = np.zeros(len(events), dtype=np.int64)
            own[used] = kinds[windows.rows[index]]
            alone.append(scored(part, token_predictions(values, own, part, len(classes))))
    baseline, token = stacked(constants), None if kinds is None else stacked(alone)
    above_chance = (score - baseline).band_low() > 0
    above_others = above_chance.copy()
    for its in raw:
        above_others &= (score - its).band_low() > 0
    if raw:
        theirs = np.stack([each.value for each in raw])
        above_others &= score.value - theirs.max(axis=0) > theirs.max(axis=0) - theirs.min(axis=0)
    readable = above_others.copy()
    if token is not None:
        readable &= (score - token).band_low() > 0
    low, high = score.band()
    return ReadableWhen(
        offsets=shifts,
        score=score.value,
        low=low,
        high=high,
        baseline=baseline.value,
        token=None if token is None else token.value,
        untrained=np.stack([each.value for each in raw]) if raw else np.zeros((0, len(shifts))),
        events=np.array([(0, 0) if part is None else (len(part.train), len(part.test)) for part in at_offset]),
        readable=readable,
        verdict=_verdict(shifts, score.value, above_chance, above_others, readable, numeric),
    )


def label_onsets(
    present: np.ndarray, documents: np.ndarray, window: int, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Return events (E), ascending, and labels (E): 1 where a label starts, 0 at as many steps with none of it near.

    Args:
        present: (N) bool, where the label is present.
        documents: (N) int, the document of each step, which are consecutive. A label that a document begins with does not
            start there.
        window: the number of steps before and after an event of the second kind at which the label is absent.
        seed: of the random choice of these events.

    Raises:
        Problem: the label starts nowhere, or there is no step without it near.
    """
    present = present.astype(bool)
    starts = np.flatnonzero(present[1:] & ~present[:-1] & (documents[1:] == documents[:-1])) + 1
    near = np.append(0, present.cumsum())
    place = np.arange(len(present))
    low, high = np.maximum(place - window, 0), np.minimum(place + window + 1, len(present))
    absent = np.flatnonzero((near[high] == near[low]) & np.isin(documents, documents[starts]))
    if not len(starts) or not len(absent):
        raise Problem(
            "The label starts at {starts} steps of the corpus, and is absent within {window} steps of {absent} others in the "
            "same documents; both are needed. Choose another label or smaller offsets.",
            starts=len(starts),
            window=window,
            absent=len(absent),
        )
    count = min(len(starts), len(absent))
    chosen = np.random.default_rng(seed).choice(absent, count, replace=False)
    events = np.concatenate([starts, chosen])
    order = np.argsort(events, kind="stable")
    return events[order], (np.arange(len(events)) < len(starts)).astype(np.int64)[order]


def sequence_starts(documents: np.ndarray) -> np.ndarray:
    """Return the first step of each document (N) int, which are consecutive."""
    return np.flatnonzero(np.append(True, documents[1:] != documents[:-1])) if len(documents) else np.zeros(0, int)


class _Windows:
    """The steps around the events that are used, and the states at them.

    Attributes:
        kept: for each offset (E) bool, whether the event is used and its step is in the same document.
        rows: for each offset the steps of the events that are used; of those that are not kept the event's own.
    """

    def __init__(self, events: np.ndarray, documents: np.ndarray, shifts: np.ndarray, used: np.ndarray) -> None:
        self._used, self._count = used, len(events)
        own = events[used]
        self.kept, self.rows = [], []
        for shift in shifts.tolist():
            rows = own + shift
            inside = (rows >= 0) & (rows < len(documents))
            rows = np.where(inside, rows, own)
            inside &= documents[rows] == documents[own]
            kept = np.zeros(len(events), dtype=bool)
            kept[used] = inside
            self.kept.append(kept)
            self.rows.append(np.where(inside, rows, own))
        self._all = np.unique(np.concatenate(self.rows))

    def states(self, array: StateArray) -> np.ndarray:
        """Return the states at all steps of the windows, in one pass."""
        return states_at(array, self._all)

    def at(self, gathered: np.ndarray, index: int) -> np.ndarray:
        """Return (E, H), the states at one offset from what ``states`` returned; 0 for events that are not used."""
        found = np.zeros((self._count, gathered.shape[1]), np.float32)
        found[self._used] = gathered[np.searchsorted(self._all, self.rows[index])]
        return found


def _usable(parts: DocumentParts, kept: np.ndarray) -> DocumentParts | None:
    """Return the parts with the events that have a step at an offset; None if they are of too few documents."""
    part = parts.subset(kept)
    enough = len(np.unique(part.groups)) >= MIN_DOCUMENTS and len(part.train) >= MIN_DOCUMENTS
    return part if enough else None


def _verdict(
    shifts: np.ndarray,
    score: np.ndarray,
    above_chance: np.ndarray,
    above_others: np.ndarray,
    readable: np.ndarray,
    numeric: bool,
) -> Sentence:
    """Return the sentence that says where the label is readable, or what else gives this answer."""
    if readable.any():
        best = int(np.where(readable, score, -np.inf).argmax())
        return Sentence(
            "The label can be read linearly from the state at {count} of {total} offsets, first at {first:+d}; the score "
            "is highest, {score}, at {best:+d}.",
            count=int(readable.sum()),
            total=len(shifts),
            first=int(shifts[readable.argmax()]),
            score=score_text(float(score[best]), numeric),
            best=int(shifts[best]),
        )
    if not above_chance.any():
        return Sentence("Chance gives this answer too: at no offset is the label surely read better than by guessing.")
    if not above_others.any():
        return Sentence(
            "An untrained network gives this answer too: at no offset can the label be read better than from its states."
        )
    return Sentence(
        "The token alone gives this answer: at no offset can the label be read better than from the token at that step."
    )
