"""Answers from an encoder–decoder and its attention, and from positional encodings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from models.architectures.transformer import positional_encodings
from models.core.messages import Problem
from models.decoding.attention_statistics import entropy
from models.decoding.contributions import weight_times_value
from viz.lessons.answer_functions.place_run import PlaceRun, index_of, number_argument

MAX_POSITION, MAX_WIDTH = 10_000, 4096
"""Positions and dimensions of a positional encoding at most."""


def _output_text(at: PlaceRun) -> str:
    """Return the sequence that an encoder–decoder generates."""
    return at.decoding.answer


def _module(at: PlaceRun) -> str:
    """Return the attention over the source: the question's layer if it is one, else the first."""
    found = at.decoding.attention
    if not found:
        raise Problem("This network has no attention. Use a network that has it, such as dates-additive.")
    return next((name for name in found if name == at.place.layer), next(iter(found)))


def _weights(at: PlaceRun, head: int) -> np.ndarray:
    """Return the attention weights of a head, (Tt, Ts)."""
    values = at.decoding.attention[_module(at)].weights[0]
    return values[index_of(head, len(values), "head")]


def _attention_weight(at: PlaceRun, target: int, source: int, head: int = 0) -> float:
    """Return the attention weight of a source position at a target step."""
    values = _weights(at, head)
    return float(values[index_of(target, len(values), "target"), index_of(source, values.shape[1], "source")])


def _attended_source(at: PlaceRun, target: int, head: int = 0) -> int:
    """Return the source position with the largest attention weight at a target step."""
    values = _weights(at, head)
    return int(values[index_of(target, len(values), "target")].argmax())


def _attention_entropy(at: PlaceRun, target: int, head: int = 0) -> float:
    """Return the entropy in bits of the attention weights at a target step."""
    values = _weights(at, head)
    return float(entropy(values[index_of(target, len(values), "target")].astype(np.float64)))


def _attention_score(at: PlaceRun, target: int, source: int, head: int = 0) -> float:
    """Return the score, before the softmax, of a source position at a target step."""
    values = at.decoding.attention[_module(at)].scores[0]
    row = values[index_of(head, len(values), "head")][index_of(target, values.shape[1], "target")]
    return float(row[index_of(source, len(row), "source")])


def _source_contribution(at: PlaceRun, target: int, source: int) -> float:
    """Return the norm of what a source position adds to the context at a target step, as in “weight × value”."""
    name = _module(at)
    values = weight_times_value(at.edited_network.module, name, at.decoding.attention[name])
    return float(values[index_of(target, len(values), "target"), index_of(source, values.shape[1], "source")])


def _source_count(at: PlaceRun) -> int:
    """Return the number of tokens of the source."""
    return len(at.decoding.source)


def _target_count(at: PlaceRun) -> int:
    """Return the number of target steps, that of the end symbol included."""
    return len(at.decoding.symbols)


def _position_encoding(_at: PlaceRun, position: int, dimension: int, width: int) -> float:
    """Return a value of the sinusoidal positional encoding, of vectors of ``width`` numbers."""
    size = int(number_argument(width, "width", 2, MAX_WIDTH))
    place = index_of(position, MAX_POSITION, "position")
    if size % 2:
        raise Problem("“width” must be even. Half of the dimensions are sines, half cosines.")
    return float(positional_encodings(1, size, place)[0, index_of(dimension, size, "dimension")])


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "output_text": _output_text,
    "attention_weight": _attention_weight,
    "attended_source": _attended_source,
    "attention_entropy": _attention_entropy,
    "attention_score": _attention_score,
    "source_contribution": _source_contribution,
    "source_count": _source_count,
    "target_count": _target_count,
    "position_encoding": _position_encoding,
}
