"""Two parts of a corpus, to train and to test on, that share no document: the steps of one document are alike."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from models.core.messages import Problem

MIN_DOCUMENTS = 5
"""The smallest number of documents in each part."""
TEST_SHARE = 0.3
"""The share of the documents that are tested on."""
MAX_GROUPS = 500
"""The largest number of groups of test documents that are resampled."""


@dataclass(frozen=True, eq=False)
class DocumentParts:
    """The steps to train and to test on.

    Attributes:
        train: ascending indices of steps.
        test: likewise, of other documents.
        groups: (len(test)), the document of each test step as an index from 0 to ``group_count`` - 1; of more than
            ``MAX_GROUPS`` documents the index of a random group of them.
        group_count: the number of documents to test on, or of groups of them.
        documents: the numbers of documents to train and to test on.
    """

    train: np.ndarray
    test: np.ndarray
    groups: np.ndarray
    group_count: int
    documents: tuple[int, int]

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Return the sums of ``values`` (len(test), ...) within each group, (``group_count``, ...) float64."""
        order = np.argsort(self.groups, kind="stable")
        ordered = np.concatenate([values[order], np.zeros((1, *values.shape[1:]))])
        edges = np.searchsorted(self.groups[order], np.arange(self.group_count + 1))
        sums = np.add.reduceat(ordered, edges, axis=0)[:-1]
        sums[np.diff(edges) == 0] = 0  # reduceat returns the next value for a group without steps
        return sums

    def subset(self, kept: np.ndarray) -> DocumentParts:
        """Return the parts with only those steps that ``kept`` (N) bool is True at."""
        inside = kept[self.test]
        return replace(self, train=self.train[kept[self.train]], test=self.test[inside], groups=self.groups[inside])


def split_documents(
    documents: np.ndarray, usable: np.ndarray | None = None, max_steps: int | None = None, seed: int = 0
) -> DocumentParts:
    """Return two parts of the steps, of different documents that are drawn at random.

    Args:
        documents: (N) int, the document of each step.
        usable: (N) bool, the steps to choose from; all if None.
        max_steps: the largest number of steps in both parts. Documents are drawn until they have as many; of a document
            with more than a tenth of them the first steps are taken.
        seed: of the random numbers.

    Raises:
        Problem: there are fewer than ten documents.
    """
    rows = np.arange(len(documents)) if usable is None else np.flatnonzero(usable)
    own = documents[rows]
    order = np.argsort(own, kind="stable")
    starts = np.flatnonzero(np.append(True, np.diff(own[order]) != 0)) if len(rows) else np.zeros(0, int)
    lengths = np.diff(np.append(starts, len(rows)))
    count = len(starts)
    if count < 2 * MIN_DOCUMENTS:
        raise Problem(
            "A probe needs at least {least} documents with labels, of which {test} are for the test; there are {count}. "
            "Choose a corpus with more documents.",
            least=2 * MIN_DOCUMENTS,
            test=MIN_DOCUMENTS,
            count=count,
        )
    drawn = np.random.default_rng(seed).permutation(count)
    if max_steps is not None:
        lengths = np.minimum(lengths, max(1, max_steps // (2 * MIN_DOCUMENTS)))
        drawn = drawn[: max(2 * MIN_DOCUMENTS, int(np.searchsorted(lengths[drawn].cumsum(), max_steps, side="right")))]
    tests = max(MIN_DOCUMENTS, round(TEST_SHARE * len(drawn)))

    def steps_of(chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the steps of documents, ascending, and the index in ``chosen`` of each step's document."""
        sizes = lengths[chosen]
        index = np.repeat(np.arange(len(chosen)), sizes)
        within = np.arange(sizes.sum()) - np.repeat(sizes.cumsum() - sizes, sizes)
        found = rows[order[starts[chosen][index] + within]]
        ascending = np.argsort(found, kind="stable")
        return found[ascending], index[ascending]

    test, groups = steps_of(drawn[:tests])
    train, _ = steps_of(drawn[tests:])
    return DocumentParts(train, test, groups % MAX_GROUPS, min(tests, MAX_GROUPS), (len(drawn) - tests, tests))
