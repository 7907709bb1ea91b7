"""The tokens of a corpus with the states nearest to one, by comparison with all of them.

It takes about 5 seconds of processor time for each million states of 384 units, most of it for reading them. Inverted lists
would answer sooner where there are many millions. Measured with 400,000 states of ``python-lm`` on one core, the 21 nearest
of 100 states: those of faiss with 1,024 lists and 8 bits a value take 19 microseconds to add a state, 396 bytes for it, and
1.8 milliseconds for a search of 32 lists that finds 0.99 of them; a graph of usearch takes 554 microseconds to add a state.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from models.core.messages import Problem
from models.corpus.checked_arrays import read_part
from models.corpus.corpus_index import CorpusIndex
from models.corpus.smallest_places import smallest_places

METRICS = ("euclidean", "cosine")


@dataclass(frozen=True, eq=False)
class NearestStates:
    """The tokens with the nearest states, the nearest first.

    Attributes:
        steps: (n) int64.
        distances: (n) float32: Euclidean, or 1 minus the cosine.
    """

    steps: np.ndarray
    distances: np.ndarray


def nearest_states(
    index: CorpusIndex,
    layer: str,
    quantity: str,
    state: np.ndarray,
    count: int = 20,
    *,
    metric: str = "euclidean",
    per_document: int | None = None,
    progress: Callable[[int], None] = lambda done: None,
) -> NearestStates:
    """Return the tokens with the nearest states, found by comparison with every state of the index.

    Args:
        index: of the corpus.
        layer, quantity: whose states are compared.
        state: (H).
        count: tokens that are returned.
        metric: of ``METRICS``.
        per_document: the most of one document; None for any number.
        progress: called with the tokens that are compared.

    Raises:
        Problem: the state has another size or is not finite, or there is no such metric.
    """
    array = index.states(layer, quantity)
    wanted = check_state(state, array.shape[1], metric)
    distances = np.empty(index.steps, dtype=np.float32)
    size = index.about["shard_steps"]
    for start in range(0, index.steps, size):
        part = read_part(array, (slice(start, start + size), slice(None))).astype(np.float32)
        distances[start : start + size] = state_distances(part, wanted, metric)
        progress(min(start + size, index.steps))
    order = np.lexsort((np.arange(len(distances)), distances)) if per_document else smallest_places(distances, count)
    if per_document is not None:
        order = _few_of_each(index, order, count, per_document)
    return NearestStates(order, distances[order])


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


def _few_of_each(index: CorpusIndex, order: np.ndarray, count: int, most: int) -> np.ndarray:
    chosen: list[int] = []
    seen: Counter[int] = Counter()
    for first in range(0, len(order), 1000):
        some = order[first : first + 1000]
        for step, number in zip(some.tolist(), index.document_numbers(some).tolist(), strict=True):
            if seen[number] < most:
                seen[number] += 1
                chosen.append(step)
                if len(chosen) == count:
                    return np.array(chosen, dtype=np.int64)
    return np.array(chosen, dtype=np.int64)
