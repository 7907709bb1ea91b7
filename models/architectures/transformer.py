"""A Transformer encoder and decoder for translation (Vaswani et al. 2017), with sinusoidal positional encodings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

import torch
from torch import Tensor, nn

from models.architectures.translator import END, PADDING, START

MAX_SHIFT = 60
"""Number of positions at which a text may begin in training."""


def positional_encodings(count: int, size: int, first: int = 0) -> Tensor:
    """Return the positional encodings (count, size) of Vaswani et al. 2017, section 3.5, from position ``first`` on.

    Column 2 i is ``sin(t / 10000^(2 i / size))``, column 2 i + 1 the cosine of the same.
    """
    rates = torch.exp(-math.log(10_000.0) * torch.arange(0, size, 2) / size)
    angles = torch.arange(first, first + count)[:, None] * rates
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)


class TransformerTranslator(nn.Module):
    """A Transformer ``encoder`` and a ``decoder`` with cross-attention and masked self-attention.

    Both are stacks of torch's own ``nn.TransformerEncoderLayer`` and ``nn.TransformerDecoderLayer``. In training a text
    begins at a random position, so that late positions are trained too (Kiyono et al. 2021).

    Args:
        symbols: V, size of the source vocabulary.
        targets: V', size of the target vocabulary.
        embedding: size of every vector (``d_model``).
        heads: of each attention.
        layers: of the encoder, and of the decoder.
        hidden: units between the two linear maps of a layer.
        longest: the maximal number of steps of an output.
    """

    def __init__(
        self, symbols: int, targets: int, embedding: int, heads: int, layers: int, hidden: int, longest: int
    ) -> None:
        super().__init__()
        self.longest = longest
        self.embedding = nn.Embedding(symbols, embedding, padding_idx=PADDING)
        self.target_embedding = nn.Embedding(targets, embedding)
        size: dict[str, Any] = {"d_model": embedding, "nhead": heads, "dim_feedforward": hidden}
        size |= {"dropout": 0.0, "batch_first": True, "norm_first": True}
        encoder_layer, decoder_layer = nn.TransformerEncoderLayer(**size), nn.TransformerDecoderLayer(**size)
        self.encoder = nn.TransformerEncoder(encoder_layer, layers, nn.LayerNorm(embedding), enable_nested_tensor=False)
        self.decoder: Any = nn.TransformerDecoder(decoder_layer, layers, nn.LayerNorm(embedding))
        self.head = nn.Linear(embedding, targets)
        for table in (self.embedding, self.target_embedding):
            # after the scaling in ``embed`` of the same size as the positional encodings
            nn.init.normal_(table.weight, std=embedding**-0.5)
        with torch.no_grad():
            self.embedding.weight[PADDING] = 0.0

    def forward(self, ids: Tensor, targets: Tensor | None = None) -> Tensor:
        """Return the logits (B, Tt, V') of the output; arguments as of ``Translator``.

        With ``targets`` all steps are computed at once. Without them each step recomputes all symbols generated so far.
        """
        mask = ids == PADDING
        memory = self.encode(ids, mask)
        if targets is not None:
            return self.decode(targets, memory, mask)
        generated = ids.new_full((len(ids), 1), START)
        ended = torch.zeros_like(generated, dtype=torch.bool)
        logits = memory.new_zeros(len(ids), 0, self.head.out_features)
        while logits.shape[1] < self.longest and not ended.all():
            logits = self.decode(generated, memory, mask)
            symbol = logits[:, -1:].argmax(-1)
            generated = torch.cat([generated, symbol], dim=1)
            ended |= symbol == END
        return logits

    def encode(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Return the memory (B, Ts, D) of ``ids``; ``mask`` (B, Ts) is True at padding."""
        first = int(torch.randint(MAX_SHIFT, (1,))) if self.training else 0
        return self.encoder(self.embed(self.embedding(ids), first), src_key_padding_mask=mask)

    def decode(
        self, symbols: Tensor, memory: Tensor, mask: Tensor, memory_masks: Sequence[Tensor | None] = ()
    ) -> Tensor:
        """Return the logits (B, Tt, V') of the symbol after each of ``symbols`` (B, Tt), with causal self-attention.

        Args:
            symbols: the decoder's inputs, ``START`` first.
            memory: (B, Ts, D), the encoder's output.
            mask: (B, Ts), True at padding.
            memory_masks: for each layer of the decoder, where its cross-attention is excluded, (B * heads, Tt, Ts) bool, or
                None.
        """
        later = torch.ones(symbols.shape[1], symbols.shape[1], dtype=torch.bool).triu(1)
        x = self.embed(self.target_embedding(symbols))
        for layer, memory_mask in zip_longest(self.decoder.layers, memory_masks):
            x = layer(x, memory, tgt_mask=later, memory_mask=memory_mask, memory_key_padding_mask=mask)
        return self.head(self.decoder.norm(x))

    def embed(self, vectors: Tensor, first: int = 0) -> Tensor:
        """Return embeddings (B, T, D) scaled by the root of D, with positional encodings from position ``first`` added."""
        count, size = vectors.shape[1:]
        return vectors * math.sqrt(size) + positional_encodings(count, size, first).to(vectors.device)
