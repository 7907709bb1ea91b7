"""When an annotation of a corpus becomes readable: after its onset, or along texts that have one label each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from models.core.messages import Problem, Sentence
from models.corpus.corpus_index import CorpusIndex
from models.networks.network import Network
from models.probes.probe_index import AnnotatedStates, annotated_states, single_threaded
from models.probes.readable_when import ReadableWhen, label_onsets, readable_when, sequence_starts
from models.training.call_progress import report_progress

OFFSETS = (-4, -2, -1, 0, 1, 2, 3, 4, 6, 8, 12, 16, 24)
"""Steps after an onset at which the label is read."""
PLACES = 16
"""Places along texts, at most."""
MAX_STEPS, MAX_EVENTS = 50_000, 1500
"""Steps whose states are read or computed, and events whose windows are probed."""
STATES_SHARE = 0.4


@dataclass(frozen=True, eq=False)
class OnsetProbe:
    """The offsets at which an annotation is readable.

    Attributes:
        name: of the annotation.
        since: what offsets count from: ``"onset"`` of a label that is 0 or 1, or the ``"start"`` of each text.
        found: the scores at each offset.
        numeric: whether scores are R² instead of accuracies.
        untrained: the number of untrained networks that were compared.
        steps: the number of steps that were used, and that of the corpus.
        note: the sentence that says that texts were divided, or None.
    """

    name: str
    since: Literal["onset", "start"]
    found: ReadableWhen
    numeric: bool
    untrained: int
    steps: tuple[int, int]
    note: Sentence | None


def probe_onset(network: Network, folder: str, layer: str, quantity: str, name: str) -> OnsetProbe:
    """Find when an annotation of a corpus becomes readable; as a call in a worker it reports its progress.

    Args:
        network: that the index was made with.
        folder: of the index.
        layer, quantity: whose states are probed.
        name: of the annotation: 0 or 1 at each step, or the same at all steps of a text.

    Raises:
        Problem: the annotation is neither, or it has too few onsets or texts.
    """
    with single_threaded():
        index = CorpusIndex(folder)
        data = annotated_states(network, index, layer, quantity, name, share=STATES_SHARE, max_steps=MAX_STEPS)
        since, events, labels, offsets = _events(data, name)
        kept = _without_reset(data, index, events, offsets)
        numeric = labels.dtype.kind == "f"
        told = Sentence("a probe is trained at each offset")
        found = readable_when(
            data.states,
            events[kept],
            labels[kept],
            data.chosen.texts,
            offsets,
            tokens=data.tokens,
            untrained=data.untrained,
            numeric=numeric,
            max_events=MAX_EVENTS,
            progress=lambda share: report_progress(STATES_SHARE + (1 - STATES_SHARE) * share, told),
        )
    steps = len(data.chosen.rows), index.steps
    return OnsetProbe(name, since, found, numeric, len(data.untrained), steps, data.chosen.note)


def _events(data: AnnotatedStates, name: str) -> tuple[Literal["onset", "start"], np.ndarray, np.ndarray, list[int]]:
    """Return what offsets count from, the events as places in the data, their labels, and the offsets."""
    texts = data.chosen.texts
    starts = sequence_starts(texts)
    first = data.labels[starts]
    constant = all(
        bool((part == part[0]).all()) for part in np.split(data.labels, starts[1:]) if part[0] == part[0]
    )  # NaN, for a step without a label, differs from itself
    if constant:
        longest = int(np.diff(np.append(starts, len(texts))).max())
        offsets = np.unique(np.linspace(0, longest - 1, min(PLACES, longest)).astype(int)).tolist()
        return "start", starts, first.astype(np.int64) if data.is_truth else first, offsets
    if data.is_truth:
        events, present = label_onsets(np.nan_to_num(data.labels), texts, OFFSETS[-1] - OFFSETS[0])
        return "onset", events, present, list(OFFSETS)
    raise Problem(
        "“{name}” neither is 0 or 1 nor has one value throughout each text, so it has no onset. Choose another property.",
        name=name,
    )


def _without_reset(data: AnnotatedStates, index: CorpusIndex, events: np.ndarray, offsets: list[int]) -> np.ndarray:
    """Return which events have no step in their window, of their own text, at which the state starts anew."""
    texts, documents = data.chosen.texts, index.document_numbers(data.chosen.rows)
    if offsets[0] == 0:  # windows as long as the text
        return np.ones(len(events), dtype=bool)
    kept = np.ones(len(events), dtype=bool)
    for offset in (offsets[0], offsets[-1]):
        beside = np.clip(events + offset, 0, len(texts) - 1)
        kept &= (texts[beside] != texts[events]) | (documents[beside] == documents[events])
    return kept
