"""A sequence classifier: many steps in, one class out."""

from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from models.architectures.language_model import RECURRENT_LAYERS, CellName


class Classifier(nn.Module):
    """Classifier ``embedding -> bidirectional rnn -> head``: logits of the classes from the last states.

    Args:
        symbols: V, size of the vocabulary.
        classes: C, number of classes.
        cell: class of ``self.rnn``: ``nn.RNN``, ``nn.LSTM`` or ``nn.GRU``.
        hidden: H, units of each direction.
        embedding: D, size of the embeddings.
        padding: id of the padding symbol; its embedding stays 0.
    """

    def __init__(self, symbols: int, classes: int, cell: CellName, hidden: int, embedding: int, padding: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(symbols, embedding, padding_idx=padding)
        self.rnn = RECURRENT_LAYERS[cell](embedding, hidden, batch_first=True, bidirectional=True)
        self.head = nn.Linear(2 * hidden, classes)

    def forward(self, ids: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Return the logits (B, C) of ``ids`` (B, T).

        Args:
            ids: the inputs, padded.
            lengths: (B), of each sequence without its padding. If None, all T steps are inputs, so the head receives the
                state after the padding and not the one after the last word.
        """
        x = self.embedding(ids)
        if lengths is not None:
            x = pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)
        last = self.rnn(x)[1]
        hidden = last[0] if isinstance(last, tuple) else last  # (2, B, H): after the last step of each direction
        return self.head(hidden.transpose(0, 1).flatten(1))
