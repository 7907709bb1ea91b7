"""A Transformer that translates (Vaswani et al. 2017): no recurrence, only attention, and the position added as a wave."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

import torch
from torch import Tensor, nn

from models.architectures.translator import END, PADDING, START

SHIFT = 60
"""Positions at which a text may begin in training."""


def positions(count: int, size: int, first: int = 0) -> Tensor:
    """The positional encoding (count, size) of Vaswani et al. 2017, section 3.5, from position ``first`` on.

    Column 2 i is ``sin(t / 10000^(2 i / size))``, column 2 i + 1 the cosine of the same.
    """
    rates = torch.exp(-math.log(10_000.0) * torch.arange(0, size, 2) / size)
    angles = torch.arange(first, first + count)[:, None] * rates
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)


class TransformerTranslator(nn.Module):
    """``encoder`` reads all symbols at once, ``decoder`` writes with attention to them and to what it wrote.

    Both are stacks of torch's own ``nn.TransformerEncoderLayer`` and ``nn.TransformerDecoderLayer``. In training a text
    begins at a random position, so that its dates are met at late positions too (Kiyono et al. 2021).

    Args:
        symbols: V, size of the vocabulary that is read.
        targets: V', size of the vocabulary that is written.
        embedding: width of every vector (``d_model``).
        heads: of each attention.
        layers: of the encoder, and of the decoder.
        hidden: units between the two linear maps of a layer.
        longest: the most steps of an answer.
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
        read, write = nn.TransformerEncoderLayer(**size), nn.TransformerDecoderLayer(**size)
        self.encoder = nn.TransformerEncoder(read, layers, nn.LayerNorm(embedding), enable_nested_tensor=False)
        self.decoder: Any = nn.TransformerDecoder(write, layers, nn.LayerNorm(embedding))
        self.head = nn.Linear(embedding, targets)
        for table in (self.embedding, self.target_embedding):
            # after the scaling of ``placed`` as large as the positions, which would drown otherwise
            nn.init.normal_(table.weight, std=embedding**-0.5)
        with torch.no_grad():
            self.embedding.weight[PADDING] = 0.0

    def forward(self, ids: Tensor, targets: Tensor | None = None) -> Tensor:
        """Logits (B, Tt, V') of the answer's symbols; arguments as of ``Translator``.

        With ``targets`` all steps are computed at once. Without them each step reads all symbols written so far anew.
        """
        mask = ids == PADDING
        memory = self.encode(ids, mask)
        if targets is not None:
            return self.write(targets, memory, mask)
        written = ids.new_full((len(ids), 1), START)
        ended = torch.zeros_like(written, dtype=torch.bool)
        logits = memory.new_zeros(len(ids), 0, self.head.out_features)
        while logits.shape[1] < self.longest and not ended.all():
            logits = self.write(written, memory, mask)
            symbol = logits[:, -1:].argmax(-1)
            written = torch.cat([written, symbol], dim=1)
            ended |= symbol == END
        return logits

    def encode(self, ids: Tensor, mask: Tensor) -> Tensor:
        """The memory (B, Ts, D) of ``ids``; ``mask`` (B, Ts) is True at padding."""
        first = int(torch.randint(SHIFT, (1,))) if self.training else 0
        return self.encoder(self.placed(self.embedding(ids), first), src_key_padding_mask=mask)

    def write(self, symbols: Tensor, memory: Tensor, mask: Tensor, barred: Sequence[Tensor | None] = ()) -> Tensor:
        """Logits (B, Tt, V') of what follows each of ``symbols`` (B, Tt), each step reading only those up to its own.

        ``barred`` has for each layer of the decoder where it may not look in the memory, (B * heads, Tt, Ts) bool, or None.
        """
        later = torch.ones(symbols.shape[1], symbols.shape[1], dtype=torch.bool).triu(1)
        x = self.placed(self.target_embedding(symbols))
        for layer, bars in zip_longest(self.decoder.layers, barred):
            x = layer(x, memory, tgt_mask=later, memory_mask=bars, memory_key_padding_mask=mask)
        return self.head(self.decoder.norm(x))

    def placed(self, vectors: Tensor, first: int = 0) -> Tensor:
        """Symbols' vectors (B, T, D), scaled by the root of their size, with the position of each added, from ``first``."""
        count, size = vectors.shape[1:]
        return vectors * math.sqrt(size) + positions(count, size, first).to(vectors.device)
