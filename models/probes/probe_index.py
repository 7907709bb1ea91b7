"""Probes of an annotation of a corpus: its index's states against those of untrained copies of the network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.core.messages import Sentence
from models.corpus.checked_arrays import read_part
from models.corpus.corpus_index import CorpusIndex
from models.networks.network import Network
from models.probes.linear_probe import ProbeScores, linear_probe
from models.probes.probed_steps import MAX_STEPS, ProbedSteps, probed_steps
from models.probes.state_rows import states_at
from models.probes.unit_agreement import UnitAgreement, unit_agreement
from models.probes.untrained_states import untrained_copy, untrained_states
from models.training.call_progress import report_progress
from models.training.training_loop import one_thread

UNTRAINED = range(7001, 7004)
"""Seeds of the untrained copies of the network: two of them differ too, and one does not show by how much."""


@dataclass(frozen=True, eq=False)
class AnnotationProbe:
    """The probes of one annotation of a corpus.

    Attributes:
        name: of the annotation.
        scores: of a linear probe of the whole state.
        agreement: of single units, if the annotation is 0 or 1; else None.
        untrained: the number of untrained networks that were compared.
        steps: the number of steps that were used, and that of the corpus.
        note: the sentence that says that texts were divided, or None.
    """

    name: str
    scores: ProbeScores
    agreement: UnitAgreement | None
    untrained: int
    steps: tuple[int, int]
    note: Sentence | None


@dataclass(frozen=True, eq=False)
class AnnotatedStates:
    """The states of a network, and of untrained copies of it, at the n steps of a corpus that probes use.

    Attributes:
        states: (n, H) float32.
        untrained: (n, H) float32 each.
        labels: (n), the annotation: floats, or strings with None where there is none.
        is_truth: whether it is 0 or 1 everywhere.
        tokens: (n) int, or None of a network of numbers.
        chosen: which steps of the index they are.
    """

    states: np.ndarray
    untrained: list[np.ndarray]
    labels: np.ndarray
    is_truth: bool
    tokens: np.ndarray | None
    chosen: ProbedSteps


@dataclass(frozen=True, eq=False)
class CheckedRows:
    """The states (N, H) of an index, of which a missing chunk is a problem instead of zeros."""

    array: Any

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    @property
    def chunks(self) -> tuple[int, ...]:
        return self.array.chunks

    def __getitem__(self, rows: slice, /) -> np.ndarray:
        return read_part(self.array, (rows, slice(None)))


def probe_annotation(network: Network, folder: str, layer: str, quantity: str, name: str) -> AnnotationProbe:
    """Probe an annotation of a corpus; as a call in a worker it reports its progress and can be cancelled.

    Args:
        network: that the index was made with.
        folder: of the index.
        layer, quantity: whose states are probed.
        name: of the annotation.

    Raises:
        Problem: the index has no such states or annotation, or there are too few texts to train and test on.
    """
    with single_threaded():
        return _probe(network, CorpusIndex(folder), layer, quantity, name)


@contextmanager
def single_threaded() -> Iterator[None]:
    """Run a block with one thread for matrix products: on a busy machine a second one costs ten times what it saves."""
    from threadpoolctl import threadpool_limits

    with one_thread(), threadpool_limits(1):
        yield


def _probe(network: Network, index: CorpusIndex, layer: str, quantity: str, name: str) -> AnnotationProbe:
    data = annotated_states(network, index, layer, quantity, name, share=0.35)
    told = Sentence("probes are trained")
    scores = linear_probe(
        data.states,
        data.labels,
        data.chosen.texts,
        tokens=data.tokens,
        untrained=data.untrained,
        numeric=data.labels.dtype.kind == "f" and not data.is_truth,
        max_steps=None,
        progress=lambda share: report_progress(0.35 + 0.5 * share, told),
    )
    agreement = None
    if data.is_truth:
        agreement = unit_agreement(
            data.states,
            data.labels,
            data.chosen.texts,
            untrained=data.untrained,
            progress=lambda share: report_progress(0.85 + 0.15 * share, Sentence("single units are compared")),
        )
    steps = len(data.chosen.rows), index.steps
    return AnnotationProbe(name, scores, agreement, len(data.untrained), steps, data.chosen.note)


def annotated_states(
    network: Network,
    index: CorpusIndex,
    layer: str,
    quantity: str,
    name: str,
    *,
    share: float,
    max_steps: int = MAX_STEPS,
) -> AnnotatedStates:
    """Read the states of a part of a corpus with an annotation, and compute those of untrained copies of the network.

    Args:
        network: that the index was made with.
        index: of the corpus.
        layer, quantity: whose states.
        name: of the annotation.
        share: of the whole work, for its reports.
        max_steps: the largest number of steps.

    Raises:
        Problem: as of ``probe_annotation``.
    """
    index.check_network(network)
    values = index.read(f"annotations/{name}", slice(None))
    names = index.array(f"annotations/{name}").attrs.get("labels")
    chosen = probed_steps(index, np.isfinite(values) if names is None else values > 0, max_steps)
    labels: np.ndarray = values[chosen.rows]
    is_truth = names is None and bool(np.isin(labels[np.isfinite(labels)], (0, 1)).all())
    if names is not None:
        labels = np.array([label or None for label in names], dtype=object)[labels]
    report_progress(0, Sentence("states of the corpus are read"))
    states = states_at(CheckedRows(index.states(layer, quantity)), chosen.rows)
    tokens = None if index.vocabulary is None else index.read("tokens", chosen.rows)
    copies = [each for seed in UNTRAINED if (each := untrained_copy(network, seed)) is not None]
    told = Sentence("untrained networks read the corpus")
    untrained = untrained_states(
        copies, index, layer, quantity, chosen.rows, lambda part: report_progress(share * (0.1 + 0.9 * part), told)
    )
    return AnnotatedStates(states, untrained, labels, is_truth, tokens, chosen)
