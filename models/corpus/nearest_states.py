"""The tokens of a corpus with the states nearest to one: by comparison with all of them, or with inverted lists of many.

The first takes about 5 seconds of processor time for each million states of 384 units, most of it for reading them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.core.messages import Problem
from models.corpus.checked_arrays import read_part
from models.corpus.corpus_index import CorpusIndex
from models.corpus.nearest_lists import described_lists, search_lists
from models.corpus.smallest_places import smallest_places
from models.training.call_progress import report_progress

METRICS = ("euclidean", "cosine")
EXACT_STEPS = 1_000_000
"""Tokens up to which a state is compared with all of them even if there are inverted lists."""

CANDIDATES = 50
"""Tokens of the lists for each that is wanted, where only a few of one document are."""


@dataclass(frozen=True, eq=False)
class NearestStates:
    """The tokens with the nearest states, the nearest first.

    Attributes:
        steps: (n) int64.
        distances: (n) float32: Euclidean, or 1 minus the cosine.
        recall: the share of the nearest states that a search in inverted lists finds, measured when they were built; None
            where the state was compared with all.
    """

    steps: np.ndarray
    distances: np.ndarray
    recall: float | None = None


def nearest_states(
    index: CorpusIndex,
    layer: str,
    quantity: str,
    state: np.ndarray,
    count: int = 20,
    *,
    metric: str = "euclidean",
    per_document: int | None = None,
    exact: bool = False,
    progress: Callable[[int], None] = lambda done: None,
) -> NearestStates:
    """Return the tokens with the nearest states, found by comparison with every state of the index or with its lists.

    Args:
        index: of the corpus.
        layer, quantity: whose states are compared.
        state: (H).
        count: tokens that are returned.
        metric: of ``METRICS``.
        per_document: the most of one document; None for any number.
        exact: whether to compare the state with all even if there are more than ``EXACT_STEPS`` and inverted lists of them.
        progress: called with the tokens that are compared.

    Raises:
        Problem: the state has another size or is not finite, or there is no such metric.
    """
    array = index.states(layer, quantity)
    wanted = check_state(state, array.shape[1], metric)
    if index.steps > EXACT_STEPS and not exact:
        found = _in_lists(index, layer, quantity, metric, wanted, count, per_document)
        if found is not None:
            return found
    distances = np.empty(index.steps, dtype=np.float32)
    size = index.about["shard_steps"]
    for start in range(0, index.steps, size):
        part = read_part(array, (slice(start, start + size), slice(None))).astype(np.float32)
        distances[start : start + size] = state_distances(part, wanted, metric)
        progress(min(start + size, index.steps))
    order = np.lexsort((np.arange(len(distances)), distances)) if per_document else smallest_places(distances, count)
    if per_document is not None:
        order = order[_few_of_each(index, order, count, per_document)]
    return NearestStates(order, distances[order])


def nearest_in_worker(
    folder: str, layer: str, quantity: str, state: np.ndarray, count: int, metric: str, per_document: int | None
) -> NearestStates:
    """Return the nearest states of the index in a folder, in a worker of the queue, with reports of the progress."""
    index = CorpusIndex(folder)

    def report(done: int) -> None:
        report_progress(done / index.steps)

    options: dict[str, Any] = {"metric": metric, "per_document": per_document, "progress": report}
    return nearest_states(index, layer, quantity, state, count, **options)


def _in_lists(
    index: CorpusIndex, layer: str, quantity: str, metric: str, wanted: np.ndarray, count: int, per_document: int | None
) -> NearestStates | None:
    """Return what the inverted lists find; None where there are none, or they have too few of different documents."""
    about = described_lists(index, layer, quantity, metric)
    if about is None:
        return None
    candidates = count if per_document is None else CANDIDATES * count
    found = search_lists(index, layer, quantity, metric, wanted, candidates)
    if found is None:
        return None
    steps, distances = found
    places = np.arange(len(steps))
    if per_document is not None:
        places = _few_of_each(index, steps, count, per_document)
    return NearestStates(steps[places], distances[places], about.recall) if len(places) == count else None


def check_state(state: np.ndarray, units: int, metric: str) -> np.ndarray:
    """Return a state as float32.

    Raises:
        Problem: as of ``nearest_states``.
    """
    wanted = np.asarray(state, dtype=np.float32)
    if wanted.shape != (units,):
        raise Problem("The state has shape {shape}; the index needs {units} numbers.", shape=wanted.shape, units=units)
    if not np.isfinite(wanted).all():
        raise Problem("The state is not finite, so nothing is near it.")
    if metric not in METRICS:
        raise Problem("There is no metric “{name}”. Choose from: {names}.", name=metric, names=", ".join(METRICS))
    return wanted


def state_distances(states: np.ndarray, wanted: np.ndarray, metric: str) -> np.ndarray:
    """Return the distances (n) of states (n, H) from one (H)."""
    if metric == "cosine":
        sizes = np.linalg.norm(states, axis=1) * np.linalg.norm(wanted)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(sizes > 0, 1 - states @ wanted / sizes, 1)
    return np.sqrt(np.square(states - wanted).sum(axis=1))


def _few_of_each(index: CorpusIndex, steps: np.ndarray, count: int, most: int) -> np.ndarray:
    """Return the places in ``steps`` of the first ``count`` tokens of which at most ``most`` are of one document."""
    chosen: list[int] = []
    seen: Counter[int] = Counter()
    for first in range(0, len(steps), 1000):
        some = steps[first : first + 1000]
        for place, number in enumerate(index.document_numbers(some).tolist(), start=first):
            if seen[number] < most:
                seen[number] += 1
                chosen.append(place)
                if len(chosen) == count:
                    return np.array(chosen, dtype=np.int64)
    return np.array(chosen, dtype=np.int64)
