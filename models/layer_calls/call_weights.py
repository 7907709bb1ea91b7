"""The weights of a call: constant, as Keras initializes them, or as PyTorch does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import Generator, Tensor, nn

from models.core.cells import GATE_COUNTS, KERNEL_NAMES, Kind
from models.core.weights import LayerWeights
from models.layer_calls.call_options import CallOptions

EMBEDDING_BOUND = 0.05
"""The bound of the uniform distribution from which Keras draws an embedding."""


@dataclass(frozen=True, eq=False)
class CallWeights:
    """The weights of a call.

    Attributes:
        levels: of each level, one for each direction.
        embedding: (V, D) float32 of a text, else None.
    """

    levels: tuple[tuple[LayerWeights, ...], ...]
    embedding: np.ndarray | None = None


def call_weights(call: CallOptions, input_size: int, rows: int = 0) -> CallWeights:
    """Return the weights of a call.

    Random numbers are those of PyTorch's lines (``models.layer_calls.call_lines``) after ``torch.manual_seed(seed)``.

    Args:
        call: the arguments.
        input_size: D, of the first level.
        rows: V, of the embedding of a text; 0 for none.
    """
    generator = torch.Generator().manual_seed(call.seed)
    embedding = torch.empty(rows, input_size).normal_(generator=generator) if rows else None
    drawn = [[_uniform(call, size, generator) for _ in range(call.directions)] for size in call.input_sizes(input_size)]
    if embedding is not None and call.initialization != "pytorch":
        nn.init.uniform_(embedding, -EMBEDDING_BOUND, EMBEDDING_BOUND, generator=generator)
    levels = tuple(tuple(_weights(call, own, generator) for own in level) for level in drawn)
    return CallWeights(levels, None if embedding is None else embedding.numpy())


def _uniform(call: CallOptions, size: int, generator: Generator) -> dict[str, Tensor]:
    """Draw one layer in one direction as ``torch.nn.RNNBase`` does, in its order."""
    rows, bound = GATE_COUNTS[call.cell] * call.units, call.units**-0.5
    shapes: dict[str, tuple[int, ...]] = {"weight_ih": (rows, size), "weight_hh": (rows, call.units)}
    if call.use_bias:
        shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
    return {name: torch.empty(shape).uniform_(-bound, bound, generator=generator) for name, shape in shapes.items()}


def _weights(call: CallOptions, own: dict[str, Tensor], generator: Generator) -> LayerWeights:
    for name, values in own.items():
        if call.initialization == "pytorch":
            continue
        if name.startswith("bias"):
            values.zero_()
        elif call.initialization == "constant":
            values.fill_(call.constant)
        elif name == "weight_ih":
            nn.init.xavier_uniform_(values, generator=generator)
        else:
            nn.init.orthogonal_(values, generator=generator)
    if has_forget_bias(call):
        own["bias_ih"][call.units : 2 * call.units] = 1.0
    if call.cell == "GRU" and not call.reset_after and call.use_bias:
        own["bias_hh"].zero_()  # Keras's layer has one bias then
    arrays: dict[str, Any] = {name: own[name].numpy() for name in KERNEL_NAMES if name in own}
    return LayerWeights(cast(Kind, call.cell), **arrays, reset_after=call.reset_after)


def has_forget_bias(call: CallOptions) -> bool:
    """Return whether the forget gate's bias begins at 1: Keras's ``unit_forget_bias``; PyTorch draws it like the others."""
    return call.cell == "LSTM" and call.use_bias and call.unit_forget_bias and call.initialization != "pytorch"
