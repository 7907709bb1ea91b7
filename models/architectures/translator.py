"""Sequence to sequence: a recurrent encoder, a recurrent decoder, and attention of the decoder to the encoder's states.

One arrangement for all score functions, that of Luong, Pham and Manning 2015 (section 3, without input feeding): the
decoder's state is the query, the context vector is concatenated with it, and both give the logits of the next symbol.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from models.architectures.language_model import RECURRENT_LAYERS
from models.core.attention import ScoreAttention

ScoreFunction = Literal["dot", "general", "additive"]
START, END, PADDING = 0, 1, 0
"""Ids of the start and the end symbol of an output, and of the padding of short inputs."""


class Attention(ScoreAttention):
    """Attention of a decoder's states to an encoder's: scores, their softmax, and the weighted sum of the memory.

    With query s and memory h_j, the score is ``s . h_j`` (``"dot"``) or ``s . (W h_j)`` (``"general"``, Luong et al. 2015),
    or ``v . tanh(W_q s + W_k h_j)`` (``"additive"``, Bahdanau, Cho and Bengio 2015). ``query`` and ``key`` are the linear
    maps of s and h_j, or the identity.

    Args:
        score: the score function.
        size: of the query; of a ``"dot"`` product also of the memory.
        memory: size of the memory's vectors.
    """

    def __init__(self, score: ScoreFunction, size: int, memory: int) -> None:
        super().__init__()
        if score == "dot" and size != memory:
            raise ValueError(f"A dot product needs vectors of one size, not {size} and {memory}.")
        self.score = score
        self.query = nn.Linear(size, size, bias=False) if score == "additive" else nn.Identity()
        self.key = nn.Identity() if score == "dot" else nn.Linear(memory, size, bias=False)
        if score == "additive":
            self.energy = nn.Parameter(torch.empty(size).uniform_(-(size**-0.5), size**-0.5))

    def scores(self, query: Tensor, memory: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the scores before the softmax (B, Tt, Ts), -inf where masked."""
        q, k = self.query(query), self.key(memory)
        if self.score == "additive":
            scores = (q[:, :, None] + k[:, None]).tanh() @ self.energy
        else:
            scores = q @ k.transpose(1, 2)
        return scores if mask is None else scores.masked_fill(mask[:, None], -torch.inf)


class Translator(nn.Module):
    """A bidirectional ``encoder`` and a ``decoder``, with ``attention`` or with a fixed context vector between them.

    The summary of the input is the encoder's last state in each direction. The decoder's initial state is
    ``tanh(bridge(summary))``. At step t its input is the previous symbol: ``s_t = decoder(y_{t-1}, s_{t-1})``. The context
    vector ``c_t`` is the output of ``attention`` for the query ``s_t``; without attention it is the summary at every step
    (Sutskever et al. 2014, Cho et al. 2014). The logits of the next symbol are ``head(tanh(join([c_t; s_t])))``.

    Args:
        symbols: V, size of the source vocabulary.
        targets: V', size of the target vocabulary.
        score: of the attention; None for the fixed context.
        hidden: H, units of the encoder in each direction; the decoder has 2 H.
        embedding: D, size of the embeddings.
        longest: the maximal number of steps of an output.
    """

    def __init__(
        self, symbols: int, targets: int, score: ScoreFunction | None, hidden: int, embedding: int, longest: int
    ) -> None:
        super().__init__()
        size = 2 * hidden
        self.longest = longest
        self.embedding = nn.Embedding(symbols, embedding, padding_idx=PADDING)
        self.encoder = RECURRENT_LAYERS["GRU"](embedding, hidden, batch_first=True, bidirectional=True)
        self.bridge = nn.Linear(size, size)
        self.target_embedding = nn.Embedding(targets, embedding)
        self.decoder = RECURRENT_LAYERS["GRU"](embedding, size, batch_first=True)
        self.attention = None if score is None else Attention(score, size, size)
        self.join = nn.Linear(2 * size, size)
        self.head = nn.Linear(size, targets)

    def forward(self, ids: Tensor, targets: Tensor | None = None) -> Tensor:
        """Return the logits (B, Tt, V') of the output.

        Args:
            ids: (B, Ts) int64, padded with ``PADDING``.
            targets: (B, Tt) int64, the decoder's input at each step, ``START`` first (teacher forcing); None for greedy
                decoding, until every output has ended or has ``longest`` steps.
        """
        memory, summary, mask = self.encode(ids)
        state = self.initial_state(summary)
        if targets is not None:
            return self.decode(targets, state, memory, summary, mask)[0]
        symbol = ids.new_full((len(ids), 1), START)
        ended = torch.zeros_like(symbol, dtype=torch.bool)
        steps: list[Tensor] = []
        while len(steps) < self.longest and not ended.all():
            logits, state = self.decode(symbol, state, memory, summary, mask)
            steps.append(logits)
            symbol = logits.argmax(-1)
            ended |= symbol == END
        return torch.cat(steps, dim=1)

    def encode(self, ids: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return the memory (B, Ts, 2 H), the summary (B, 2 H), and the padding mask (B, Ts), or None without padding."""
        mask = ids == PADDING
        x = self.embedding(ids)
        if not mask.any():
            memory, last = self.encoder(x)
            return memory, last.transpose(0, 1).flatten(1), None
        packed = pack_padded_sequence(x, (~mask).sum(1).cpu(), batch_first=True, enforce_sorted=False)
        memory, last = self.encoder(packed)
        memory, _ = pad_packed_sequence(memory, batch_first=True, total_length=ids.shape[1])
        return memory, last.transpose(0, 1).flatten(1), mask

    def initial_state(self, summary: Tensor) -> Tensor:
        """Return the decoder's state before its first step, (1, B, 2 H)."""
        return self.bridge(summary).tanh()[None]

    def decode(
        self, symbols: Tensor, state: Tensor, memory: Tensor, summary: Tensor, mask: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Continue from ``state`` (1, B, 2 H) with the inputs ``symbols`` (B, Tt): logits (B, Tt, V') and the last state."""
        states, state = self.decoder(self.target_embedding(symbols), state)
        if self.attention is None:
            context = summary[:, None].expand(-1, states.shape[1], -1)
        else:
            context = self.attention(states, memory, mask)
        return self.output_logits(context, states), state

    def output_logits(self, context: Tensor, states: Tensor) -> Tensor:
        """Return the logits (B, Tt, V') of the next symbol from context and decoder state, (B, Tt, 2 H) each."""
        return self.head(self.join(torch.cat([context, states], dim=-1)).tanh())
