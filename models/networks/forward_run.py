"""A network's run on a sequence: the trace of its layers, and its prediction at every step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count
from typing import Any

import numpy as np
import torch

from models.core.tokenize_text import display
from models.core.trace import Trace
from models.networks.network import Network


@dataclass(frozen=True, eq=False)
class SymbolPrediction:
    """The predicted next symbol after each of T symbols.

    Attributes:
        probability: (T, V) float32, of each symbol of the vocabulary.
        target: (T) int64, the id of the next symbol of the sequence; -1 after the last one.
        vocabulary: V symbols in display form.
    """

    probability: np.ndarray
    target: np.ndarray
    vocabulary: tuple[str, ...]

    @cached_property
    def surprisal(self) -> np.ndarray:
        """Surprisal of each target, (T) float32, -log2 of its probability, in bits (Shannon 1948); NaN after the last one."""
        probability = self.probability[np.arange(len(self.target)), self.target]
        with np.errstate(divide="ignore"):
            return np.where(self.target < 0, np.nan, -np.log2(probability)).astype(np.float32)

    def top(self, count: int) -> np.ndarray:
        """Return the ids of the most probable symbols, (T, count) int64, most probable first."""
        return np.argsort(-self.probability, axis=1, kind="stable")[:, :count]


@dataclass(frozen=True, eq=False)
class ValuePrediction:
    """The D output values of a network after each of T steps: the predicted next value, or others.

    Attributes:
        value: (T, D) float32, its prediction.
        target: (T, D) float32, the next value of the sequence, NaN after the last step; None if ``value`` does not predict
            it, so that no true value is known.
    """

    value: np.ndarray
    target: np.ndarray | None


@dataclass(frozen=True, eq=False)
class ClassPrediction:
    """The predicted class of a whole sequence.

    Attributes:
        probability: (C) float32, of each class.
        classes: the C classes' names, by language (``"en"``, ``"ko"``).
    """

    probability: np.ndarray
    classes: dict[str, tuple[str, ...]]

    @property
    def best(self) -> int:
        """The most probable class."""
        return int(self.probability.argmax())


@dataclass(frozen=True, eq=False)
class TagPrediction:
    """The predicted class at each of T steps, as of a part-of-speech tagger.

    Attributes:
        probability: (T, C) float32, of each class at each step.
        classes: the C classes' names, by language (``"en"``, ``"ko"``).
    """

    probability: np.ndarray
    classes: dict[str, tuple[str, ...]]

    @cached_property
    def best(self) -> np.ndarray:
        """The most probable class at each step, (T) int64."""
        return self.probability.argmax(axis=-1)

    def top(self, count: int) -> np.ndarray:
        """Return the most probable classes, (T, count) int64, most probable first."""
        return np.argsort(-self.probability, axis=1, kind="stable")[:, :count]


Prediction = SymbolPrediction | ValuePrediction | ClassPrediction | TagPrediction


@dataclass(frozen=True, eq=False)
class ForwardRun:
    """The run of a network on one sequence.

    Attributes:
        trace: of every layer; its arrays may contain a batch, of which this run is sequence ``row``.
        labels: the display form of each of the T steps; a layer with another number of steps has none.
        prediction: None if it is unknown. If the network generates a sequence: of its decoder's steps, and the targets are
            the generated symbols.
        unknown: the symbols outside the vocabulary, replaced by the unknown symbol, in display form.
        input_names: a name for each input of the first layer, or None.
        row: index of the sequence in the batch.
        serial: an identifier of the run, unique in this process.
        outputs: of a file's own graph, by name, the outputs that are not the prediction.
        interventions: the edits of the running computation (``models.edits.edit.InterventionEdit``).
        decoder_input: if the network generates a sequence, the decoder's input at each step, in display form: "⊢", then the
            previous output. None for any other network.
    """

    trace: Trace
    labels: tuple[str, ...]
    prediction: Prediction | None = None
    unknown: tuple[str, ...] = ()
    input_names: tuple[str, ...] | None = None
    row: int = 0
    serial: int = field(default_factory=count().__next__)
    decoder_input: tuple[str, ...] | None = None
    interventions: tuple[Any, ...] = ()
    outputs: Mapping[str, np.ndarray] = field(default_factory=dict)

    def labels_of(self, layer: str) -> tuple[str, ...]:
        """Return a label for each step of a layer: its input, or numbers from 1 if its steps are not those of the input."""
        steps = int(self.trace.layers[layer].lengths[self.row])
        labels = self.prediction_labels if self.decodes(layer) else self.labels
        return labels if len(labels) == steps else tuple(str(step + 1) for step in range(steps))

    @property
    def prediction_labels(self) -> tuple[str, ...]:
        """The input of each step that has a prediction."""
        return self.labels if self.decoder_input is None else self.decoder_input

    def prediction_of(self, layer: str) -> Prediction | None:
        """Return the prediction after each step of a layer; None if the prediction belongs to other steps."""
        if self.decoder_input is not None:
            return self.prediction if self.decodes(layer) else None
        return self.prediction if len(self.labels_of(layer)) == len(self.labels) else None

    def decodes(self, layer: str) -> bool:
        """Return whether a layer belongs to the decoder: then its steps are those of the generated sequence."""
        return self.decoder_input is not None and layer.split(".")[0] == "decoder"


def prediction_of(network: Network, given: torch.Tensor, output: torch.Tensor) -> Prediction | None:
    """Return the prediction in the module's ``output`` for one input ``given`` (T) or (T, D); None if it predicts nothing."""
    if network.card.predicts == "nothing":
        return None
    if network.card.classes is not None:
        predicted = TagPrediction if network.card.predicts == "tag" else ClassPrediction
        return predicted(output.softmax(-1).numpy(), network.card.classes)
    if network.vocabulary is None or network.card.predicts == "values":
        target = None
        if network.card.predicts == "next":
            target = np.full(output.shape, np.nan, dtype=np.float32)
            target[:-1] = given[1:].numpy()
        return ValuePrediction(output.numpy(), target)
    names = tuple(map(display, network.vocabulary))
    return SymbolPrediction(output.softmax(-1).numpy(), np.append(given[1:].numpy(), -1), names)


MAX_LABEL = 200
"""Characters of a recorded token that are shown."""


def run_of_trace(trace: Trace, row: int = 0) -> ForwardRun:
    """Return a recorded trace, such as a loaded one, as the run of its sequence ``row``."""
    steps = max(int(layer.lengths[row]) for layer in trace.layers.values())
    labels = trace.tokens if trace.tokens is not None else tuple(str(step + 1) for step in range(steps))
    return ForwardRun(trace, tuple(display(_short(label)) for label in labels), row=row)


def _short(label: str) -> str:
    return label if len(label) <= MAX_LABEL else label[: MAX_LABEL - 1] + "…"
