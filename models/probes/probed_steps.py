"""The steps of an index that probes use: those of texts drawn at random, or of parts of long texts with gaps between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.core.messages import Problem, Sentence
from models.corpus.corpus_index import CorpusIndex
from models.probes.document_parts import MIN_DOCUMENTS

MAX_STEPS = 20_000
"""The default number of steps: more of them take longer, and narrow the intervals less than more texts do."""
MAX_TEXTS = 60
"""Texts that long ones are shortened for, so that as many are used: intervals are over texts."""
PARTS = 40
"""Parts into which a corpus of few texts is divided, if they are long enough."""
MIN_PART = 60
"""Steps of a part at least."""
GAP = 50
"""Steps between two parts of a text that are left out, at most; of short parts a quarter of their length."""


@dataclass(frozen=True, eq=False)
class ProbedSteps:
    """The steps that are used.

    Attributes:
        rows: (n) int64, steps of the index, ascending.
        texts: (n) int64, the text of each, or its part of a text: probes are trained on some and tested on others.
        note: the sentence that says that texts were divided, or None.
    """

    rows: np.ndarray
    texts: np.ndarray
    note: Sentence | None


def probed_steps(index: CorpusIndex, labelled: np.ndarray, max_steps: int = MAX_STEPS, seed: int = 0) -> ProbedSteps:
    """Return the steps of an index that a probe uses.

    A text that the index has as several documents counts as one. Where fewer than ten texts have a label, all are divided.

    Args:
        index: of the corpus.
        labelled: (N) bool, the steps with a label.
        max_steps: the largest number of steps; of long texts the first ones are taken, so that there are sixty texts.
        seed: of the random choice of texts.

    Raises:
        Problem: the texts with labels are too few and too short to be divided.
    """
    starts, stops = _texts(index)
    near = np.append(0, labelled.cumsum())
    kept = near[stops] > near[starts]
    starts, stops = starts[kept], stops[kept]
    note = None
    if len(starts) < 2 * MIN_DOCUMENTS:
        count, steps = len(starts), int((stops - starts).sum())
        starts, stops, gap = _divided(starts, stops)
        if len(starts) < 2 * MIN_DOCUMENTS:
            raise Problem(
                "A probe needs {least} texts with labels, or one that can be divided into as many parts of {steps} steps. "
                "This corpus has {count}, of {all} steps. Choose a larger corpus.",
                least=2 * MIN_DOCUMENTS,
                steps=MIN_PART,
                count=count,
                all=f"{steps:,}",
            )
        note = Sentence(
            "The corpus has only {count} texts with labels, so they are divided into {parts} parts, with {gap} steps left "
            "out between two parts of a text. Parts of a text are alike: of other texts less may be readable.",
            count=count,
            parts=len(starts),
            gap=gap,
        )
    lengths = stops - starts
    drawn = np.arange(len(starts))
    if lengths.sum() > max_steps:
        lengths = np.minimum(lengths, max(1, max_steps // min(MAX_TEXTS, len(starts))))
        drawn = np.random.default_rng(seed).permutation(len(starts))
        fitting = int(np.searchsorted(lengths[drawn].cumsum(), max_steps, side="right"))
        drawn = np.sort(drawn[: max(2 * MIN_DOCUMENTS, fitting)])
    sizes = lengths[drawn]
    within = np.arange(sizes.sum()) - np.repeat(sizes.cumsum() - sizes, sizes)
    return ProbedSteps(np.repeat(starts[drawn], sizes) + within, np.repeat(drawn, sizes), note)


def _texts(index: CorpusIndex) -> tuple[np.ndarray, np.ndarray]:
    """Return the first step of each text, and the one after its last."""
    source, place = index.read("documents/source", slice(None)), index.read("documents/place", slice(None))
    fresh = place == 0
    fresh[1:] |= source[1:] != source[:-1]
    starts = index.document_starts[:-1][fresh]
    return starts, np.append(starts[1:], index.steps)


def _divided(starts: np.ndarray, stops: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Return the first steps of the parts of texts, those after their last, and the steps that are left out between two."""
    length = max(MIN_PART, int((stops - starts).sum()) // PARTS)
    gap = min(GAP, length // 4)
    edges = [
        np.linspace(start, stop, max(1, (stop - start) // length) + 1).astype(np.int64)
        for start, stop in zip(starts.tolist(), stops.tolist(), strict=True)
    ]
    if not edges:
        return starts, stops, gap
    begins = np.concatenate([each[:-1] for each in edges])
    ends = np.concatenate([np.append(each[1:-1] - gap, each[-1]) for each in edges])
    return begins, ends, gap
