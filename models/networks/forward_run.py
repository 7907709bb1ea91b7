"""A network reading a sequence: what its layers did, and what it predicted at every step."""

from __future__ import annotations

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
    """What a network expected to come next after each of T symbols.

    Attributes:
        probability: (T, V) float32, of each symbol of the vocabulary.
        following: (T) int64, the id of the symbol that really came next; -1 after the last one.
        vocabulary: V symbols as they are drawn.
    """

    probability: np.ndarray
    following: np.ndarray
    vocabulary: tuple[str, ...]

    @cached_property
    def surprise(self) -> np.ndarray:
        """(T) float32, -log2 of the probability of what came next, in bits (Shannon 1948); NaN after the last one."""
        given = self.probability[np.arange(len(self.following)), self.following]
        with np.errstate(divide="ignore"):
            return np.where(self.following < 0, np.nan, -np.log2(given)).astype(np.float32)

    def top(self, count: int) -> np.ndarray:
        """(T, count) int64, the ids of the most probable symbols, most probable first."""
        return np.argsort(-self.probability, axis=1, kind="stable")[:, :count]


@dataclass(frozen=True, eq=False)
class ValuePrediction:
    """What a network of numbers expected to come next after each of T steps.

    Attributes:
        value: (T, D) float32, its prediction.
        following: (T, D) float32, what really came next; NaN after the last step.
    """

    value: np.ndarray
    following: np.ndarray


@dataclass(frozen=True, eq=False)
class ClassPrediction:
    """What a network made of a whole sequence of T steps.

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


Prediction = SymbolPrediction | ValuePrediction | ClassPrediction


@dataclass(frozen=True, eq=False)
class Reading:
    """One sequence, read.

    Attributes:
        trace: what every layer did; its arrays may hold a batch, of which this is sequence ``row``.
        labels: how each of the T steps is drawn; a layer with another number of steps has none.
        prediction: what was predicted, or None where nothing is known of it. Of a network that writes a sequence: of the
            steps of its decoder, where what follows is what it wrote.
        unknown: the symbols that the network does not know and read as its unknown symbol, as they are drawn.
        input_names: what each input of the first layer stands for, or None.
        row: which sequence of the batch.
        serial: a number that no other reading of this process has, to know it by.
        interventions: the edits of the running computation (``models.edits.edit.InterventionEdit``).
        read: of a network that writes a sequence, what its decoder read at each step, as it is drawn: "⊢", then what it
            wrote the step before. None of any other.
    """

    trace: Trace
    labels: tuple[str, ...]
    prediction: Prediction | None = None
    unknown: tuple[str, ...] = ()
    input_names: tuple[str, ...] | None = None
    row: int = 0
    serial: int = field(default_factory=count().__next__)
    read: tuple[str, ...] | None = None
    interventions: tuple[Any, ...] = ()

    def labels_of(self, layer: str) -> tuple[str, ...]:
        """A label for each step of a layer: what it read, or numbers from 1 where its steps are others."""
        steps = int(self.trace.layers[layer].lengths[self.row])
        labels = self.prediction_labels if self.decodes(layer) else self.labels
        return labels if len(labels) == steps else tuple(str(step + 1) for step in range(steps))

    @property
    def prediction_labels(self) -> tuple[str, ...]:
        """A label for each step after which something was predicted: what was read there."""
        return self.labels if self.read is None else self.read

    def prediction_of(self, layer: str) -> Prediction | None:
        """What was predicted after each step of a layer; None where the prediction belongs to the steps of others."""
        if self.read is not None:
            return self.prediction if self.decodes(layer) else None
        return self.prediction if len(self.labels_of(layer)) == len(self.labels) else None

    def decodes(self, layer: str) -> bool:
        """Whether a layer of a network that writes a sequence belongs to what writes: its steps are those of the answer."""
        return self.read is not None and layer.split(".")[0] == "decoder"


def prediction_of(network: Network, given: torch.Tensor, output: torch.Tensor) -> Prediction | None:
    """What ``output``, the module's for one sequence ``given`` (T) or (T, D), says; None of what scores nothing."""
    if network.card.predicts == "nothing":
        return None
    if network.card.classes is not None:
        return ClassPrediction(output.softmax(-1).numpy(), network.card.classes)
    if network.vocabulary is None or network.card.predicts == "values":
        following = np.full(output.shape, np.nan, dtype=np.float32)
        if network.card.predicts == "next":
            following[:-1] = given[1:].numpy()
        return ValuePrediction(output.numpy(), following)
    names = tuple(map(display, network.vocabulary))
    return SymbolPrediction(output.softmax(-1).numpy(), np.append(given[1:].numpy(), -1), names)


def reading_of(trace: Trace, row: int = 0) -> Reading:
    """A trace that was recorded elsewhere, as a reading of its sequence ``row``."""
    steps = max(int(layer.lengths[row]) for layer in trace.layers.values())
    labels = trace.tokens if trace.tokens is not None else tuple(str(step + 1) for step in range(steps))
    return Reading(trace, tuple(map(display, labels)), row=row)
