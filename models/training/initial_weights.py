"""Initial weights of a network before training: PyTorch's, Keras's, and others, and the forget-gate bias."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from models.training.training_options import TrainingOptions

KERAS_EMBEDDING = 0.05
"""The bound of the uniform distribution of a Keras embedding."""


def initialize(module: Any, options: TrainingOptions) -> None:
    """Draw the weights of ``embedding``, ``rnn`` and ``head`` of a module whose weights are PyTorch's initial ones.

    Args:
        module: a ``models.training.sequence_models.SequenceModel``; changed in place.
        options: ``initialization``, ``initial_scale`` and ``forget_bias``.
    """
    with torch.no_grad():
        match options.initialization:
            case "keras":
                _as_keras(module)
            case "orthogonal":
                for values in _matrices(module.rnn, "weight_hh"):
                    for block in values.split(module.rnn.hidden_size):
                        nn.init.orthogonal_(block)
            case "uniform" | "normal" as kind:
                for name, values in module.rnn.named_parameters():
                    if name.startswith("bias"):
                        values.zero_()
                    elif kind == "uniform":
                        values.uniform_(-options.initial_scale, options.initial_scale)
                    else:
                        values.normal_(0.0, options.initial_scale)
        forget = options.forget_bias
        if forget is None and options.initialization == "keras" and options.cell == "LSTM":
            forget = 1.0  # unit_forget_bias=True is Keras's default
        if forget is not None:
            set_forget_bias(module.rnn, forget)


def set_forget_bias(rnn: nn.RNNBase, value: float) -> None:
    """Set the forget-gate bias of every layer of an LSTM: ``bias_ih`` to ``value``, ``bias_hh`` to 0."""
    units = rnn.hidden_size
    with torch.no_grad():
        for name in ("bias_ih", "bias_hh"):
            for values in _matrices(rnn, name):
                values[units : 2 * units] = value if name == "bias_ih" else 0.0


def _matrices(rnn: nn.RNNBase, name: str) -> list[Tensor]:
    """Return one kind of weight of every layer."""
    return [getattr(rnn, f"{name}_l{level}") for level in range(rnn.num_layers)]


def _as_keras(module: Any) -> None:
    """Draw weights as Keras 3 does: Glorot uniform kernels, orthogonal recurrent kernels, biases 0."""
    for values in _matrices(module.rnn, "weight_ih"):
        nn.init.xavier_uniform_(values)
    for values in _matrices(module.rnn, "weight_hh"):
        nn.init.orthogonal_(values)
    for name in ("bias_ih", "bias_hh"):
        for values in _matrices(module.rnn, name):
            values.zero_()
    nn.init.xavier_uniform_(module.head.weight)
    nn.init.zeros_(module.head.bias)
    weight = getattr(module.embedding, "weight", None)
    if weight is not None and weight.requires_grad:
        nn.init.uniform_(weight, -KERAS_EMBEDDING, KERAS_EMBEDDING)
