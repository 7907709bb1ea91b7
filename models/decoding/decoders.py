"""A network that has read a text and writes, symbol by symbol or all steps at once, with changes to its attention."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from models.architectures.transformer import TransformerTranslator
from models.architectures.translator import PADDING, Translator
from models.core.attention import AttentionParts
from models.decoding.attention_interventions import Change, barred, scores_of, temperature
from models.networks.network import Network

State = Any
"""What a writer hands on from step to step; its first dimension but one are the rows."""


class RecurrentWriter:
    """A ``Translator`` that has read ``ids`` (R, Ts): R rows of the same text, or one that is repeated for R hypotheses.

    Attributes:
        parts: what the attention computed in the last call of ``write``; None without attention.
    """

    def __init__(self, module: Translator, ids: Tensor, changes: Sequence[Change] = ()) -> None:
        """Let ``module`` read."""
        self.module, self.changes = module, changes
        self.memory, self.summary, self.mask = module.encode(ids)
        other: Any = scores_of(changes)
        self.other = None if other is None else RecurrentWriter(other.module, ids)
        self.parts: AttentionParts | None = None

    def begin(self) -> State:
        """The state before the first step."""
        return self.module.begin(self.summary), self.other and self.other.begin()

    def pick(self, state: State, rows: Tensor) -> State:
        """The states of some rows."""
        own, other = state
        return own[:, rows], None if self.other is None else self.other.pick(other, rows)

    def write(self, symbols: Tensor, state: State, first: int) -> tuple[Tensor, State]:
        """Logits (R, n, V') of what follows ``symbols`` (R, n), the first of which is read at step ``first``; the state."""
        states, own = self.module.decoder(self.module.target_embedding(symbols), state[0])
        if self.module.attention is None:
            context = self.summary[:, None].expand(len(states), states.shape[1], -1)
            return self.module.speak(context, states), (own, None)
        scores, other = self.scores(states), None
        if self.other is not None:
            others, other = self.other.module.decoder(self.other.module.target_embedding(symbols), state[1][0])
            scores, other = self.other.scores(others), (other, None)
        blocked = barred(self.changes, torch.zeros_like(scores[:1], dtype=torch.bool), first)
        scores = (scores / temperature(self.changes)).masked_fill(blocked, -torch.inf)
        memory = self.memory.expand(len(states), -1, -1)
        weights = scores.softmax(-1)
        if bool(blocked.all(-1).any()):
            weights = weights.nan_to_num(0.0)  # where everything is hidden nothing is fetched
        query, key = self.module.attention.query(states), self.module.attention.key(memory)
        scores, query, key, value = (each.detach()[:, None] for each in (scores, query, key, memory))
        self.parts = AttentionParts(scores, query, key, value)
        return self.module.speak(weights @ memory, states), (own, other)

    def scores(self, states: Tensor) -> Tensor:
        """(R, n, Ts), of decoder states (R, n, 2 H)."""
        mask = None if self.mask is None else self.mask.expand(len(states), -1)
        return self.module.attention.scores(states, self.memory.expand(len(states), -1, -1), mask)  # type: ignore[union-attr]


class TransformerWriter:
    """A ``TransformerTranslator`` that has read ``ids`` (R, Ts); otherwise as ``RecurrentWriter``."""

    def __init__(self, module: TransformerTranslator, ids: Tensor, changes: Sequence[Change] = ()) -> None:
        """Let ``module`` read."""
        self.module, self.changes = module, changes
        self.mask = ids == PADDING
        self.memory = module.encode(ids, self.mask)

    def begin(self) -> State:
        """Nothing has been read of the answer."""
        return self.memory.new_zeros(1, 0, dtype=torch.int64)

    def pick(self, state: State, rows: Tensor) -> State:
        """What some rows have read."""
        return state[rows]

    def write(self, symbols: Tensor, state: State, first: int) -> tuple[Tensor, State]:
        """As of ``RecurrentWriter``; everything read so far is read anew."""
        read = torch.cat([state.expand(len(symbols), -1), symbols], dim=1)
        rows, steps = read.shape
        heads = self.module.decoder.layers[0].multihead_attn.num_heads
        masks = []
        for layer in range(len(self.module.decoder.layers)):
            nowhere = torch.zeros(heads, steps, self.memory.shape[1], dtype=torch.bool)
            blocked = barred(self.changes, nowhere, 0, layer)
            masks.append(blocked.repeat(rows, 1, 1) if blocked.any() else None)
        memory, padding = self.memory.expand(rows, -1, -1), self.mask.expand(rows, -1)
        return self.module.write(read, memory, padding, masks)[:, state.shape[1] :], read


Writer = RecurrentWriter | TransformerWriter


def changed_module(network: Network, changes: Sequence[Change]) -> Any:
    """The network's module; a copy with smaller or larger queries where a Transformer's temperature is changed."""
    module, value = network.module, temperature(changes)
    if isinstance(module, Translator) or value == 1.0:
        return module
    module = copy.deepcopy(module)
    with torch.no_grad():
        for layer in module.decoder.layers:  # type: ignore[union-attr]
            attention: Any = layer.multihead_attn
            for values in (attention.in_proj_weight, attention.in_proj_bias):
                values[: attention.embed_dim] /= value  # a score is the product of a query and a key
    return module


def writer(module: Any, ids: Tensor, changes: Sequence[Change] = ()) -> Writer:
    """Let ``module`` read ``ids``."""
    kind = RecurrentWriter if isinstance(module, Translator) else TransformerWriter
    return kind(module, ids, changes)
