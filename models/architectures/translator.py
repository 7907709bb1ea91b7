"""Sequence to sequence: one recurrent network reads, another writes, and attention lets the second look back at the first.

One arrangement for all scores, that of Luong, Pham and Manning 2015 (section 3, without input feeding): the decoder's state
asks, the context that comes back is joined with it, and both together score the next symbol.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from models.architectures.language_model import CELLS
from models.core.attention import ScoreAttention

Score = Literal["dot", "general", "additive"]
START, END, PADDING = 0, 1, 0
"""Ids of the symbols that begin and end an answer, and of the symbol that fills short inputs up."""


class Attention(ScoreAttention):
    """What a decoder's state fetches from the encoder's: scores, their softmax, and the weighted sum of the memory.

    With query s and memory h_j, the score is ``s . h_j`` (``"dot"``) or ``s . (W h_j)`` (``"general"``, Luong et al. 2015),
    or ``v . tanh(W_q s + W_k h_j)`` (``"additive"``, Bahdanau, Cho and Bengio 2015). ``key`` and ``query`` are those two
    matrices, or nothing.

    Args:
        score: which of the three.
        size: of the query; for ``"dot"`` and ``"general"`` that of the memory too.
        memory: of the memory's vectors.
    """

    def __init__(self, score: Score, size: int, memory: int) -> None:
        super().__init__()
        if score == "dot" and size != memory:
            raise ValueError(f"A dot product needs vectors of one size, not {size} and {memory}.")
        self.score = score
        self.query = nn.Linear(size, size, bias=False) if score == "additive" else nn.Identity()
        self.key = nn.Identity() if score == "dot" else nn.Linear(memory, size, bias=False)
        if score == "additive":
            self.energy = nn.Parameter(torch.empty(size).uniform_(-(size**-0.5), size**-0.5))

    def scores(self, query: Tensor, memory: Tensor, mask: Tensor | None = None) -> Tensor:
        """The scores before the softmax (B, Tt, Ts), -inf where masked."""
        q, k = self.query(query), self.key(memory)
        if self.score == "additive":
            scores = (q[:, :, None] + k[:, None]).tanh() @ self.energy
        else:
            scores = q @ k.transpose(1, 2)
        return scores if mask is None else scores.masked_fill(mask[:, None], -torch.inf)


class Translator(nn.Module):
    """``encoder`` reads both ways, ``decoder`` writes; between them ``attention``, or one vector that stays the same.

    The summary of the input is the encoder's last state each way. The decoder starts from it, ``tanh(bridge(summary))``.
    At step t it reads the symbol before: ``s_t = decoder(y_{t-1}, s_{t-1})``. The context ``c_t`` is what ``attention``
    fetches with ``s_t``; without attention it is the summary at every step (Sutskever et al. 2014, Cho et al. 2014).
    Then ``join([c_t; s_t])`` through a tanh, and ``head`` scores the next symbol.

    Args:
        symbols: V, size of the vocabulary that is read.
        targets: V', size of the vocabulary that is written.
        score: of the attention; None for the fixed context.
        hidden: H, units of the encoder each way; the decoder has 2 H.
        embedding: D, width of a symbol's vector.
        longest: the most steps of an answer.
    """

    def __init__(
        self, symbols: int, targets: int, score: Score | None, hidden: int, embedding: int, longest: int
    ) -> None:
        super().__init__()
        size = 2 * hidden
        self.longest = longest
        self.embedding = nn.Embedding(symbols, embedding, padding_idx=PADDING)
        self.encoder = CELLS["GRU"](embedding, hidden, batch_first=True, bidirectional=True)
        self.bridge = nn.Linear(size, size)
        self.target_embedding = nn.Embedding(targets, embedding)
        self.decoder = CELLS["GRU"](embedding, size, batch_first=True)
        self.attention = None if score is None else Attention(score, size, size)
        self.join = nn.Linear(2 * size, size)
        self.head = nn.Linear(size, targets)

    def forward(self, ids: Tensor, targets: Tensor | None = None) -> Tensor:
        """Logits (B, Tt, V') of the answer's symbols.

        Args:
            ids: (B, Ts) int64, short ones filled up with ``PADDING``.
            targets: (B, Tt) int64, what the decoder reads at each step, ``START`` first; None to let it read its own most
                probable symbol, until every answer has ended or ``longest`` steps are written.
        """
        memory, summary, mask = self.encode(ids)
        state = self.begin(summary)
        if targets is not None:
            return self.write(targets, state, memory, summary, mask)[0]
        symbol = ids.new_full((len(ids), 1), START)
        ended = torch.zeros_like(symbol, dtype=torch.bool)
        steps: list[Tensor] = []
        while len(steps) < self.longest and not ended.all():
            logits, state = self.write(symbol, state, memory, summary, mask)
            steps.append(logits)
            symbol = logits.argmax(-1)
            ended |= symbol == END
        return torch.cat(steps, dim=1)

    def encode(self, ids: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """What is read: the memory (B, Ts, 2 H), the summary (B, 2 H), and where there is padding (B, Ts) or None."""
        mask = ids == PADDING
        x = self.embedding(ids)
        if not mask.any():
            memory, last = self.encoder(x)
            return memory, last.transpose(0, 1).flatten(1), None
        packed = pack_padded_sequence(x, (~mask).sum(1).cpu(), batch_first=True, enforce_sorted=False)
        memory, last = self.encoder(packed)
        memory, _ = pad_packed_sequence(memory, batch_first=True, total_length=ids.shape[1])
        return memory, last.transpose(0, 1).flatten(1), mask

    def begin(self, summary: Tensor) -> Tensor:
        """The decoder's state before its first step, (1, B, 2 H)."""
        return self.bridge(summary).tanh()[None]

    def write(
        self, symbols: Tensor, state: Tensor, memory: Tensor, summary: Tensor, mask: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Go on from ``state`` (1, B, 2 H) reading ``symbols`` (B, Tt): logits (B, Tt, V') and the state after them."""
        states, state = self.decoder(self.target_embedding(symbols), state)
        if self.attention is None:
            context = summary[:, None].expand(-1, states.shape[1], -1)
        else:
            context = self.attention(states, memory, mask)
        return self.speak(context, states), state

    def speak(self, context: Tensor, states: Tensor) -> Tensor:
        """Logits (B, Tt, V') of the next symbol from context and decoder state, (B, Tt, 2 H) each."""
        return self.head(self.join(torch.cat([context, states], dim=-1)).tanh())
