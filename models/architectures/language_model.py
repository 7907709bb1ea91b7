"""A recurrent language model: embedding, recurrent layers, and a linear layer for the logits of the next symbol."""

from typing import Literal

import torch
from torch import Tensor, nn

CellName = Literal["RNN", "LSTM", "GRU"]
State = Tensor | tuple[Tensor, Tensor]
"""State of a recurrent layer: hidden (L, B, H), and for an LSTM (hidden, cell)."""

RECURRENT_LAYERS: dict[CellName, type[nn.RNN] | type[nn.LSTM] | type[nn.GRU]] = {
    "RNN": nn.RNN,
    "LSTM": nn.LSTM,
    "GRU": nn.GRU,
}


class LanguageModel(nn.Module):
    """Language model ``embedding -> rnn -> head``: logits of the next symbol after every symbol.

    Args:
        symbols: V, size of the vocabulary.
        cell: class of ``self.rnn``: ``nn.RNN``, ``nn.LSTM`` or ``nn.GRU``.
        hidden: H, units of each layer.
        layers: L, number of stacked layers.
        embedding: D, size of the embeddings; ``None`` for one-hot inputs (D = V, not trained), so that column v of
            ``rnn.weight_ih_l0`` belongs to symbol v alone.
    """

    def __init__(
        self, symbols: int, cell: CellName, hidden: int, layers: int = 1, embedding: int | None = None
    ) -> None:
        super().__init__()
        if embedding is None:
            self.embedding = nn.Embedding.from_pretrained(torch.eye(symbols), freeze=True)
        else:
            self.embedding = nn.Embedding(symbols, embedding)
        self.rnn = RECURRENT_LAYERS[cell](self.embedding.embedding_dim, hidden, num_layers=layers, batch_first=True)
        self.head = nn.Linear(hidden, symbols)

    def forward(self, ids: Tensor) -> Tensor:
        """Return the logits (B, T, V) of the symbol after each of ``ids`` (B, T), starting from a state of zeros."""
        return self.resume(ids, None)[0]

    def resume(self, ids: Tensor, state: State | None) -> tuple[Tensor, State]:
        """Continue from a given state: (logits, the state after the last symbol), for long texts in pieces."""
        out, state = self.rnn(self.embedding(ids), state)
        return self.head(out), state


def init_forget_bias(module: nn.Module) -> None:
    """Initialize the forget bias of an LSTM to 1: ``bias_ih`` 1 and ``bias_hh`` 0 (Jozefowicz et al. 2015)."""
    if not isinstance(module.rnn, nn.LSTM):
        return
    hidden = module.rnn.hidden_size
    with torch.no_grad():
        for name, values in module.rnn.named_parameters():
            if name.startswith("bias"):
                values[hidden : 2 * hidden] = 1.0 if name.startswith("bias_ih") else 0.0
