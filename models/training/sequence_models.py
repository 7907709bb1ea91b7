"""The networks that are trained: ``embedding -> rnn -> head``, of one cell, with dropout, zoneout and tied weights.

``rnn`` is torch's own ``nn.RNN``, ``nn.LSTM`` or ``nn.GRU`` (or a subclass with the same parameters), so that every lens
opens the trained network, and its weights load into the plain module.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from models.architectures.language_model import State
from models.core.seeded_random import seeded_random
from models.training.dropout_masks import DropoutRates, LayerMasks, draw_mask
from models.training.initial_weights import initialize
from models.training.masked_layers import MaskedModule, masked_module
from models.training.training_data import TaskData
from models.training.training_options import TrainingOptions


@dataclass(frozen=True, eq=False)
class StepMasks:
    """The masks of one training step.

    Attributes:
        input: factors of the first layer's input, (B, T, D), or None.
        layers: the masks inside each recurrent layer; empty if torch's kernels draw them.
    """

    input: Tensor | None
    layers: tuple[LayerMasks, ...]


def layer_rates(options: TrainingOptions) -> tuple[DropoutRates, ...]:
    """Return the rates of each recurrent layer.

    The mask of the first layer's input belongs to the network, unless each gate has its own (``"keras"``).
    """
    by_gate = options.time_mask == "keras"
    inputs = [options.input_dropout if by_gate else 0.0, *[options.depth_dropout] * (options.layers - 1)]
    return tuple(
        DropoutRates(rate, options.time_dropout, options.zoneout, options.zoneout_cell, options.time_mask)
        for rate in inputs
    )


class SequenceModel(nn.Module):
    """Base class of the networks below.

    Attributes:
        embedding: trained, or one-hot; the identity for a series.
        rnn: L recurrent layers of H units.
        head: the output layer.
        input_dropout: the rate of the mask on the first layer's input that is drawn here.
        mask_kind: of that mask.
    """

    def __init__(self, options: TrainingOptions, inputs: int, outputs: int, rates: tuple[DropoutRates, ...]) -> None:
        """Build the layers and draw the initial weights from torch's random generator.

        Args:
            options: sizes, dropout, initialization.
            inputs: V symbols, or D values.
            outputs: of the output layer at each time step.
            rates: of each recurrent layer.
        """
        super().__init__()
        width = inputs
        if options.task == "series":
            self.embedding: nn.Module = nn.Identity()
        elif options.embedding == 0:
            self.embedding = nn.Embedding.from_pretrained(torch.eye(inputs), freeze=True)
        else:
            self.embedding, width = nn.Embedding(inputs, options.embedding), options.embedding
        self.rnn = masked_module(options.cell, width, options.units, rates)
        self.head = nn.Linear(options.units, outputs)
        self.input_dropout = 0.0 if options.time_mask == "keras" else options.input_dropout
        self.mask_kind = options.time_mask
        initialize(self, options)
        if options.tied:
            self.embedding.weight = self.head.weight

    def embed(self, given: Tensor) -> Tensor:
        """Return the first layer's input (B, T, D) of ids (B, T), or of values (B, T, D)."""
        return self.embedding(given)

    def draw_masks(self, batch: int, steps: int) -> StepMasks:
        """Draw the masks of a training step for B sequences of T time steps, as ``step_outputs`` does."""
        like: Any = self.head.bias
        drawn = draw_mask(self.mask_kind, self.input_dropout, (batch, steps, 1, self.rnn.input_size), like)
        layers = tuple(self.rnn.draw_masks(batch, steps)) if isinstance(self.rnn, MaskedModule) else ()
        return StepMasks(None if drawn is None else drawn[:, :, 0], layers)

    def step_outputs(
        self, given: Tensor, state: State | None = None, bptt_length: int = 0, masks: StepMasks | None = None
    ) -> tuple[Tensor, State]:
        """Run a batch; return the outputs of ``head`` at every time step (B, T, outputs), and the last state.

        Args:
            given: ids (B, T), or values (B, T, D).
            state: before the first step; None for zeros.
            bptt_length: time steps after which the states are detached, so that no gradient passes (truncated BPTT); 0 for
                none.
            masks: in training, to use instead of drawing them.
        """
        x, steps = self.embed(given), given.shape[1]
        if self.training:
            masks = self.draw_masks(len(given), steps) if masks is None else masks
            x = x if masks.input is None else x * masks.input
        length = bptt_length or steps
        hidden = []
        for first in range(0, steps, length):
            if first and state is not None:
                state = _detached(state)
            part = slice(first, first + length)
            if self.training and isinstance(self.rnn, MaskedModule) and masks is not None:
                self.rnn.given_masks = [each.part(first, first + length) for each in masks.layers]
            try:
                out, state = self.rnn(x[:, part], state)
            finally:
                if isinstance(self.rnn, MaskedModule):
                    self.rnn.given_masks = None
            hidden.append(out)
        assert state is not None
        return self.head(hidden[0] if len(hidden) == 1 else torch.cat(hidden, 1)), state


class NextTokenModel(SequenceModel):
    """A network that predicts the next token after every token."""

    def forward(self, ids: Tensor) -> Tensor:
        """Return the logits (B, T, V) of the token after each of ``ids`` (B, T), starting from a state of zeros."""
        return self.step_outputs(ids)[0]

    def resume(self, ids: Tensor, state: State | None) -> tuple[Tensor, State]:
        """Continue from a given state: the logits, and the state after the last token."""
        return self.step_outputs(ids, state)


class LastStepClassifier(SequenceModel):
    """A network that predicts the class of a sequence after its last token."""

    def forward(self, ids: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Return the logits (B, C) of ``ids`` (B, T) after the last step of each; ``lengths`` (B), or None for T."""
        outputs = self.step_outputs(ids)[0]
        return outputs[:, -1] if lengths is None else outputs[torch.arange(len(ids)), lengths - 1]


class SeriesModel(SequenceModel):
    """A network that predicts the next value after every value, in the units of the series.

    Attributes:
        mean, scale: (D), by which inputs are normalized, and outputs restored.
    """

    mean: Tensor
    scale: Tensor

    def __init__(
        self,
        options: TrainingOptions,
        inputs: int,
        outputs: int,
        rates: tuple[DropoutRates, ...],
        mean: Sequence[float] = (0.0,),
        scale: Sequence[float] = (1.0,),
    ) -> None:
        """Build the layers; ``mean`` and ``scale`` are those of the training data, for each column."""
        super().__init__(options, inputs, outputs, rates)
        self.register_buffer("mean", torch.tensor(mean))
        self.register_buffer("scale", torch.tensor(scale))

    def embed(self, given: Tensor) -> Tensor:
        """Return the normalized values (B, T, D)."""
        return (given - self.mean) / self.scale

    def forward(self, values: Tensor) -> Tensor:
        """Return the prediction (B, T, D) of the value after each of ``values`` (B, T, D)."""
        return self.step_outputs(values)[0] * self.scale + self.mean


def build_sequence_model(options: TrainingOptions, data: TaskData) -> SequenceModel:
    """Return the network with its initial weights, which depend on the options' seed alone, in training mode."""
    rates = layer_rates(options)
    with seeded_random(options.seed):
        if data.vocabulary is None:
            return SeriesModel(options, data.columns, data.outputs, rates, data.mean, data.scale)
        kind = LastStepClassifier if data.predicts == "class" else NextTokenModel
        return kind(options, data.inputs, data.outputs, rates)


def _detached(state: State) -> State:
    return tuple(each.detach() for each in state) if isinstance(state, tuple) else state.detach()  # type: ignore[return-value]
