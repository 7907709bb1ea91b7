"""Decoders of an encoded text, symbol by symbol or all steps at once, with interventions in their attention."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from models.architectures.transformer import TransformerTranslator
from models.architectures.translator import PADDING, Translator
from models.core.attention import AttentionParts
from models.decoding.attention_interventions import Intervention, attention_temperature, masked_positions, score_network
from models.networks.network import Network

DecoderState = Any
"""The state that a decoder passes from step to step."""


class RecurrentDecoder:
    """The decoder of a ``Translator`` after its encoder has run on ``ids`` (R, Ts), or (1, Ts) for R hypotheses.

    Attributes:
        parts: the attention's intermediate values in the last call of ``step``; None without attention.
    """

    def __init__(self, module: Translator, ids: Tensor, interventions: Sequence[Intervention] = ()) -> None:
        """Run the encoder of ``module``."""
        self.module, self.interventions = module, interventions
        self.memory, self.summary, self.mask = module.encode(ids)
        other: Any = score_network(interventions)
        self.other = None if other is None else RecurrentDecoder(other.module, ids)
        self.parts: AttentionParts | None = None

    def initial_state(self) -> DecoderState:
        """Return the state before the first step."""
        return self.module.initial_state(self.summary), self.other and self.other.initial_state()

    def select_rows(self, state: DecoderState, rows: Tensor) -> DecoderState:
        """Return the states of some rows."""
        own, other = state
        return own[:, rows], None if self.other is None else self.other.select_rows(other, rows)

    def step(self, symbols: Tensor, state: DecoderState, first: int) -> tuple[Tensor, DecoderState]:
        """Return the logits (R, n, V') after each of ``symbols`` (R, n), the inputs from step ``first`` on, and the state."""
        states, own = self.module.decoder(self.module.target_embedding(symbols), state[0])
        if self.module.attention is None:
            context = self.summary[:, None].expand(len(states), states.shape[1], -1)
            return self.module.output_logits(context, states), (own, None)
        scores, other = self.scores(states), None
        if self.other is not None:
            others, other = self.other.module.decoder(self.other.module.target_embedding(symbols), state[1][0])
            scores, other = self.other.scores(others), (other, None)
        blocked = masked_positions(self.interventions, torch.zeros_like(scores[:1], dtype=torch.bool), first)
        scores = (scores / attention_temperature(self.interventions)).masked_fill(blocked, -torch.inf)
        memory = self.memory.expand(len(states), -1, -1)
        weights = scores.softmax(-1)
        if bool(blocked.all(-1).any()):
            weights = weights.nan_to_num(0.0)  # where every position is masked the context is 0
        query, key = self.module.attention.query(states), self.module.attention.key(memory)
        scores, query, key, value = (each.detach()[:, None] for each in (scores, query, key, memory))
        self.parts = AttentionParts(scores, query, key, value)
        return self.module.output_logits(weights @ memory, states), (own, other)

    def scores(self, states: Tensor) -> Tensor:
        """Return the attention scores (R, n, Ts) of decoder states (R, n, 2 H)."""
        mask = None if self.mask is None else self.mask.expand(len(states), -1)
        return self.module.attention.scores(states, self.memory.expand(len(states), -1, -1), mask)  # type: ignore[union-attr]


class TransformerDecoder:
    """The decoder of a ``TransformerTranslator`` after its encoder has run on ``ids``; methods as of ``RecurrentDecoder``."""

    def __init__(self, module: TransformerTranslator, ids: Tensor, interventions: Sequence[Intervention] = ()) -> None:
        """Run the encoder of ``module``."""
        self.module, self.interventions = module, interventions
        self.mask = ids == PADDING
        self.memory = module.encode(ids, self.mask)

    def initial_state(self) -> DecoderState:
        """Return an empty answer."""
        return self.memory.new_zeros(1, 0, dtype=torch.int64)

    def select_rows(self, state: DecoderState, rows: Tensor) -> DecoderState:
        """Return the inputs so far of some rows."""
        return state[rows]

    def step(self, symbols: Tensor, state: DecoderState, first: int) -> tuple[Tensor, DecoderState]:
        """Return the logits and the state as ``RecurrentDecoder`` does; the inputs so far are processed again."""
        inputs = torch.cat([state.expand(len(symbols), -1), symbols], dim=1)
        rows, steps = inputs.shape
        heads = self.module.decoder.layers[0].multihead_attn.num_heads
        masks = []
        for layer in range(len(self.module.decoder.layers)):
            unmasked = torch.zeros(heads, steps, self.memory.shape[1], dtype=torch.bool)
            blocked = masked_positions(self.interventions, unmasked, 0, layer)
            masks.append(blocked.repeat(rows, 1, 1) if blocked.any() else None)
        memory, padding = self.memory.expand(rows, -1, -1), self.mask.expand(rows, -1)
        return self.module.decode(inputs, memory, padding, masks)[:, state.shape[1] :], inputs


Decoder = RecurrentDecoder | TransformerDecoder


def module_at_temperature(network: Network, interventions: Sequence[Intervention]) -> Any:
    """Return the network's module; a copy with scaled queries if a Transformer's temperature is not 1."""
    module, value = network.module, attention_temperature(interventions)
    if isinstance(module, Translator) or value == 1.0:
        return module
    module = copy.deepcopy(module)
    with torch.no_grad():
        for layer in module.decoder.layers:  # type: ignore[union-attr]
            attention: Any = layer.multihead_attn
            for values in (attention.in_proj_weight, attention.in_proj_bias):
                values[: attention.embed_dim] /= value  # a score is the product of a query and a key
    return module


def make_decoder(module: Any, ids: Tensor, interventions: Sequence[Intervention] = ()) -> Decoder:
    """Run the encoder of ``module`` on ``ids`` and return its decoder."""
    kind = RecurrentDecoder if isinstance(module, Translator) else TransformerDecoder
    return kind(module, ids, interventions)
