"""Inverted lists of the states of an index, by which the nearest of many millions are found without comparing all of them.

They are faiss's, with 16-bit values (Johnson, Douze and Jégou 2019, "Billion-scale similarity search with GPUs"): the states
are divided by k-means, and a question is compared with those of the nearest cells. Measured with 131,000 states of
``python-lm`` on one core, for the 21 nearest of 50 states: faiss takes 72 microseconds of processor time to add a state, its
k-means included, and 3 milliseconds for a search of 32 of 1,024 lists that finds 0.999 of them; Lance, whose lists are as
large, 1,290 microseconds and 20 milliseconds for the same recall, and 217 MB of packages to 66; a graph of usearch 554
microseconds to add one of 400,000 states.

The recall beside exact search is measured while the lists are built, and stored with them.
"""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from models.core.messages import Problem
from models.corpus.checked_arrays import read_part
from models.corpus.corpus_index import CorpusIndex

FOLDER, LISTS, ENTRIES, ABOUT = "nearest", "lists.faiss", "entries.faiss", "about.json"
BLOCK_STATES = 1 << 17
"""States that are divided in memory at a time."""

STATES_OF_LIST = 40
"""States for each list from which its centre is computed; faiss asks for 39."""

QUESTIONS, NEAREST_OF_EACH = 100, 20
"""States whose nearest are also found exactly, to measure the recall, and how many of each."""

WANTED_RECALL = 0.99
"""Lists are searched until this share of the nearest states is found, or all lists are."""


@dataclass(frozen=True)
class ListsDescription:
    """The size of the inverted lists of one layer's quantity, and what a search in them finds.

    Attributes:
        steps: states in them.
        lists: their number.
        searched: lists that a question is compared with.
        recall: share of the ``NEAREST_OF_EACH`` nearest states of ``QUESTIONS`` states of the corpus that was found.
    """

    steps: int
    lists: int
    searched: int
    recall: float


def lists_folder(index: CorpusIndex, layer: str, quantity: str, metric: str) -> Path:
    """Return the folder of the inverted lists of a layer's quantity, which need not exist."""
    names = sorted(index.layers)
    if layer not in names or quantity not in index.quantities:
        raise Problem("The index has no array “{name}”.", name=f"states/{layer}/{quantity}")
    return index.folder / FOLDER / f"{names.index(layer)}-{quantity}-{metric}"


def described_lists(index: CorpusIndex, layer: str, quantity: str, metric: str) -> ListsDescription | None:
    """Return the description of the inverted lists; None where there are none of these states."""
    try:
        fields = json.loads((lists_folder(index, layer, quantity, metric) / ABOUT).read_text(encoding="utf-8"))
        found = ListsDescription(
            int(fields["steps"]), int(fields["lists"]), int(fields["searched"]), float(fields["recall"])
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if found.steps == index.steps else None


def unit_length(states: np.ndarray, metric: str) -> np.ndarray:
    """Return states (n, H) as the lists contain them: for cosines divided by their norms."""
    if metric != "cosine":
        return states
    return states / np.maximum(np.linalg.norm(states, axis=1, keepdims=True), np.finfo(np.float32).tiny)


def search_lists(
    index: CorpusIndex, layer: str, quantity: str, metric: str, state: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the tokens (n) int64 with the nearest states in the lists, the nearest first, and their distances (n) float32.

    faiss reads its files without checks of its own: call this in a process that may end, as the queue's.

    Args:
        index: of the corpus.
        layer, quantity, metric: of the lists.
        state: (H) float32.
        count: tokens that are returned; fewer where the searched lists have fewer.

    Returns:
        None where there are no lists of these states.

    Raises:
        Problem: the files cannot be read.
    """
    about = described_lists(index, layer, quantity, metric)
    if about is None:
        return None
    found = _open(lists_folder(index, layer, quantity, metric))
    if found.ntotal != about.steps or found.d != len(state):
        raise _damaged(lists_folder(index, layer, quantity, metric), "another size")
    squares, steps = _nearest(found, unit_length(state[None], metric), count, about.searched)
    there = steps[0] >= 0
    squares, steps = squares[0, there], steps[0, there]
    return steps, squares / 2 if metric == "cosine" else np.sqrt(squares)


def build_lists(
    index: CorpusIndex,
    layer: str,
    quantity: str,
    metric: str = "euclidean",
    *,
    progress: Callable[[int], None] = lambda done: None,
) -> ListsDescription:
    """Divide the states of an index into inverted lists, and measure the recall of a search in them.

    Memory is bounded where the system maps files into memory; on Windows the lists are in memory as a whole.

    Args:
        index: of the corpus, complete; the lists are written into its folder, in place of older ones.
        layer, quantity: whose states.
        metric: of ``models.corpus.nearest_states.METRICS``.
        progress: called with the states that are done; an exception that it raises stops the build.

    Raises:
        Problem: faiss is not installed, the index has no such state, or the disk is full.
    """
    faiss = _faiss()
    target = lists_folder(index, layer, quantity, metric)
    work = target.with_name(f"{target.name}.part")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        lists = max(1, min(round(math.sqrt(index.steps)), index.steps // STATES_OF_LIST))
        empty = faiss.index_factory(int(index.states(layer, quantity).shape[1]), f"IVF{lists},SQfp16")
        empty.by_residual = False  # so that the stored values are compared, not rounded ones
        empty.train(_sample(index, layer, quantity, metric, lists * STATES_OF_LIST))
        asked = np.unique(np.linspace(0, index.steps - 1, min(QUESTIONS, index.steps)).astype(np.int64))
        questions = unit_length(
            index.read(f"states/{layer}/{quantity}", (asked, slice(None))).astype(np.float32), metric
        )
        exact = _Nearest(len(asked), min(NEAREST_OF_EACH, index.steps))
        blocks = []
        for number, (start, states) in enumerate(_parts(index, layer, quantity, metric)):
            block = faiss.clone_index(empty)
            block.add_with_ids(states, np.arange(start, start + len(states), dtype=np.int64))
            blocks.append(str(work / f"block-{number}.faiss"))
            faiss.write_index(block, blocks[-1])
            del block
            squares, places = faiss.knn(questions, states, min(exact.count, len(states)))
            exact.add(squares, places, start)
            progress(start + len(states))
        _join(empty, blocks, work)
        searched, recall = _enough_lists(empty, questions, exact.steps)
        faiss.write_index(empty, str(work / LISTS))
        about = ListsDescription(index.steps, lists, searched, recall)
        (work / ABOUT).write_text(json.dumps(asdict(about)), encoding="utf-8")
        shutil.rmtree(target, ignore_errors=True)
        os.replace(work, target)
        return about
    except (OSError, RuntimeError) as error:  # faiss raises RuntimeError where it cannot write
        if isinstance(error, Problem):
            raise
        raise Problem("The index cannot be written: {reason}.", reason=str(error).splitlines()[0]) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


class _Nearest:
    """The nearest states of several questions, of all that were compared so far."""

    def __init__(self, questions: int, count: int) -> None:
        self.count = count
        self.steps = np.full((questions, count), -1, dtype=np.int64)
        self._distances = np.full((questions, count), np.inf, dtype=np.float32)

    def add(self, distances: np.ndarray, places: np.ndarray, start: int) -> None:
        """Join the nearest of a part (questions, n), whose first state is that at the token ``start``."""
        distances = np.concatenate([self._distances, distances], axis=1)
        steps = np.concatenate([self.steps, places + start], axis=1)
        order = np.argsort(distances, axis=1, kind="stable")[:, : self.count]
        self._distances = np.take_along_axis(distances, order, axis=1)
        self.steps = np.take_along_axis(steps, order, axis=1)


def _enough_lists(found: Any, questions: np.ndarray, exact: np.ndarray) -> tuple[int, float]:
    """Return how many lists a search needs for the wanted recall, and the recall with so many."""
    searched, most = 8, int(found.nlist)
    while True:
        searched = min(searched, most)
        _squares, nearest = _nearest(found, questions, exact.shape[1], searched)
        pairs = zip(nearest.tolist(), exact.tolist(), strict=True)
        recall = sum(len(set(some) & set(all_of_it)) for some, all_of_it in pairs) / exact.size
        if recall >= WANTED_RECALL or searched == most:
            return searched, recall
        searched *= 2


def _nearest(found: Any, questions: np.ndarray, count: int, searched: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the squared distances and the tokens (questions, count) of the nearest states; the token −1 for none."""
    options = _faiss().SearchParametersIVF(nprobe=searched)
    return found.search(np.ascontiguousarray(questions, dtype=np.float32), count, params=options)


def _parts(index: CorpusIndex, layer: str, quantity: str, metric: str) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the first token of each part and its states (n, H) float32."""
    size = index.about["shard_steps"]
    size = max(1, BLOCK_STATES // size) * size  # whole shards: each is read once
    for start in range(0, index.steps, size):
        part = read_part(index.states(layer, quantity), (slice(start, start + size), slice(None)))
        yield start, np.ascontiguousarray(unit_length(part.astype(np.float32), metric))


def _sample(index: CorpusIndex, layer: str, quantity: str, metric: str, count: int) -> np.ndarray:
    """Return states of tokens spread evenly over the corpus, (at most ``count``, H) float32."""
    stride = max(1, index.steps // count)
    # copies: a view would hold its whole part in memory
    parts = [states[-start % stride :: stride].copy() for start, states in _parts(index, layer, quantity, metric)]
    return np.ascontiguousarray(np.concatenate(parts)[:count])


def _join(empty: Any, blocks: list[str], folder: Path) -> None:
    """Fill an empty index with the blocks; of bounded memory where faiss maps files, which it writes then."""
    faiss = _faiss()
    if hasattr(faiss, "OnDiskInvertedLists"):
        from faiss.contrib.ondisk import merge_ondisk

        merge_ondisk(empty, blocks, str(folder / ENTRIES))
    else:
        for each in blocks:
            empty.merge_from(faiss.read_index(each), 0)
    for each in blocks:
        os.remove(each)


def _open(folder: Path) -> Any:
    faiss = _faiss()
    flags = getattr(faiss, "IO_FLAG_ONDISK_SAME_DIR", 0) | getattr(faiss, "IO_FLAG_READ_ONLY", 0)
    try:
        return faiss.read_index(str(folder.resolve() / LISTS), flags)
    except RuntimeError as error:
        raise _damaged(folder, str(error).splitlines()[0]) from error


def _damaged(folder: Path, reason: str) -> Problem:
    return Problem("“{folder}” cannot be read ({reason}). Build it again.", folder=str(folder), reason=reason)


def _faiss() -> Any:
    try:
        import faiss
    except ImportError as error:
        raise Problem(
            "This needs the package faiss-cpu. Install it: {command}", command="pip install faiss-cpu"
        ) from error
    return faiss
