"""A network over symbols: each symbol becomes a vector, a recurrent layer reads it, a linear layer scores the next one."""

from typing import Literal

import torch
from torch import Tensor, nn

Cell = Literal["RNN", "LSTM", "GRU"]
State = Tensor | tuple[Tensor, Tensor]
"""What a recurrent layer hands on: hidden (L, B, H), and for an LSTM its cell beside it."""

CELLS: dict[Cell, type[nn.RNN] | type[nn.LSTM] | type[nn.GRU]] = {"RNN": nn.RNN, "LSTM": nn.LSTM, "GRU": nn.GRU}


class LanguageModel(nn.Module):
    """``embedding -> rnn -> head``: a distribution over the next symbol after every symbol.

    Args:
        symbols: V, size of the vocabulary.
        cell: which of ``nn.RNN``, ``nn.LSTM``, ``nn.GRU`` is ``self.rnn``.
        hidden: H, units of each layer.
        layers: L, layers stacked.
        embedding: D, width of a symbol's vector; ``None`` feeds one-hot vectors (D = V, not trained), so that
            column v of ``rnn.weight_ih_l0`` belongs to symbol v alone.
    """

    def __init__(self, symbols: int, cell: Cell, hidden: int, layers: int = 1, embedding: int | None = None) -> None:
        super().__init__()
        if embedding is None:
            self.embedding = nn.Embedding.from_pretrained(torch.eye(symbols), freeze=True)
        else:
            self.embedding = nn.Embedding(symbols, embedding)
        self.rnn = CELLS[cell](self.embedding.embedding_dim, hidden, num_layers=layers, batch_first=True)
        self.head = nn.Linear(hidden, symbols)

    def forward(self, ids: Tensor) -> Tensor:
        """Logits (B, T, V) of the symbol after each of ``ids`` (B, T), starting from a state of zeros."""
        return self.resume(ids, None)[0]

    def resume(self, ids: Tensor, state: State | None) -> tuple[Tensor, State]:
        """As ``forward``, from a given state: (logits, the state after the last symbol), for texts read in pieces."""
        out, state = self.rnn(self.embedding(ids), state)
        return self.head(out), state


def open_forget_gates(module: nn.Module) -> None:
    """Start every LSTM forget gate half open at least: its two biases together become 1 (Jozefowicz et al. 2015)."""
    if not isinstance(module.rnn, nn.LSTM):
        return
    hidden = module.rnn.hidden_size
    with torch.no_grad():
        for name, values in module.rnn.named_parameters():
            if name.startswith("bias"):
                values[hidden : 2 * hidden] = 1.0 if name.startswith("bias_ih") else 0.0
