"""Probes of an annotation of a corpus: its index's states against those of untrained copies of the network."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from models.core.messages import Problem
from models.core.seeded_random import seeded_random
from models.corpus.build_index import BuildProgress, IndexOptions, build_index
from models.corpus.corpus_index import CorpusIndex
from models.corpus.network_hash import network_hash
from models.corpus.read_sources import Document
from models.networks.network import Network
from models.probes.linear_probe import ProbeScores, linear_probe
from models.probes.unit_agreement import UnitAgreement, unit_agreement
from models.training.cancelled_calls import end_if_cancelled

UNTRAINED = 3
"""Untrained copies of the network: two of them differ too, and one does not show by how much."""


@dataclass(frozen=True, eq=False)
class AnnotationProbe:
    """The probes of one annotation of a corpus.

    Attributes:
        name: of the annotation.
        scores: of a linear probe of the whole state.
        agreement: of single units, if the annotation is 0 or 1; else None.
        untrained: the number of untrained networks that were compared.
    """

    name: str
    scores: ProbeScores
    agreement: UnitAgreement | None
    untrained: int


def probe_annotation(network: Network, folder: str, layer: str, quantity: str, name: str) -> AnnotationProbe:
    """Probe an annotation of a corpus; it ends early where its task is cancelled.

    Args:
        network: that the index was made with.
        folder: of the index.
        layer, quantity: whose states are probed.
        name: of the annotation.

    Raises:
        Problem: the index has no such states or annotation, or there are too few documents to train and test on.
    """
    index = CorpusIndex(folder)
    index.check_network(network)
    states = index.states(layer, quantity)
    values = index.read(f"annotations/{name}", slice(None))
    labels = index.array(f"annotations/{name}").attrs.get("labels")
    present = values[np.isfinite(values)]
    is_truth = labels is None and bool(np.isin(present, (0, 1)).all())
    given: np.ndarray = values
    if labels is not None:
        given = np.array([label or None for label in labels], dtype=object)[values]
    documents = index.document_numbers(np.arange(index.steps))
    tokens = None if index.vocabulary is None else index.read("tokens", slice(None))
    with untrained_states(index, network, layer, quantity) as untrained:
        scores = linear_probe(
            states, given, documents, tokens=tokens, untrained=untrained, numeric=labels is None and not is_truth
        )
        agreement = unit_agreement(states, values, documents, untrained=untrained) if is_truth else None
    return AnnotationProbe(name, scores, agreement, len(untrained))


def untrained_copy(network: Network, seed: int) -> Network | None:
    """Return the network with new random weights, or None if a part of it cannot be initialized anew."""
    module = copy.deepcopy(network.module)
    with seeded_random(seed):
        for part in module.modules():
            reset = getattr(part, "reset_parameters", None)
            if callable(reset):
                reset()
    changed = replace(network, module=module.eval())
    kept = dict(network.module.named_parameters())
    same = any(bool((each == kept[name]).all()) and each.numel() > 1 for name, each in module.named_parameters())
    return None if same or network_hash(changed) == network_hash(network) else changed


@contextmanager
def untrained_states(index: CorpusIndex, network: Network, layer: str, quantity: str) -> Iterator[list[Any]]:
    """Return the states (N, H) of untrained copies of a network at the tokens of an index; fewer if there are none."""
    copies = [each for seed in range(UNTRAINED) if (each := untrained_copy(network, seed)) is not None]
    documents = [Document(str(number), index.document_text(number)) for number in range(len(index.document_starts) - 1)]
    options = IndexOptions(layers=(layer,), quantities=(quantity,), longest=index.about["longest"])
    with TemporaryDirectory(prefix="unrolled-untrained-") as folder:
        found = []
        for number, each in enumerate(copies):
            built = build_index(
                each, documents, Path(folder) / str(number), options, scheduler="here", progress=_checked
            )
            if built.steps != index.steps:
                raise Problem("The untrained networks read other tokens than the index has. Build the index again.")
            found.append(built.states(layer, quantity))
        yield found


def _checked(_state: BuildProgress) -> None:
    end_if_cancelled()
