"""A network that reads a whole sequence and then says what it was: many steps in, one answer out."""

from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from models.architectures.language_model import CELLS, Cell


class Classifier(nn.Module):
    """``embedding -> rnn (both directions) -> head``: a score for each class from the last states alone.

    Args:
        symbols: V, size of the vocabulary.
        classes: C, how many answers there are.
        cell: which of ``nn.RNN``, ``nn.LSTM``, ``nn.GRU`` is ``self.rnn``.
        hidden: H, units of each direction.
        embedding: D, width of a symbol's vector.
        padding: the id of the symbol that fills short sequences up; its vector stays 0.
    """

    def __init__(self, symbols: int, classes: int, cell: Cell, hidden: int, embedding: int, padding: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(symbols, embedding, padding_idx=padding)
        self.rnn = CELLS[cell](embedding, hidden, batch_first=True, bidirectional=True)
        self.head = nn.Linear(2 * hidden, classes)

    def forward(self, ids: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Logits (B, C) of ``ids`` (B, T).

        ``lengths`` (B) is the mask: how many steps of each sequence are its own. Without it all T are read, padding too,
        so that what is handed to the head is the state after the padding and not the one after the last word.
        """
        x = self.embedding(ids)
        if lengths is not None:
            x = pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)
        last = self.rnn(x)[1]
        hidden = last[0] if isinstance(last, tuple) else last  # (2, B, H): after the last step, each way
        return self.head(hidden.transpose(0, 1).flatten(1))
