"""A recurrent model of number sequences: recurrent layers, and a linear layer for the prediction of the next value."""

from torch import Tensor, nn

from models.architectures.language_model import RECURRENT_LAYERS, CellName


class NumberModel(nn.Module):
    """Model ``rnn -> head``: a prediction of the next value after every value.

    Args:
        columns: D, values per step.
        cell: class of ``self.rnn``: ``nn.RNN``, ``nn.LSTM`` or ``nn.GRU``.
        hidden: H, units of each layer.
        layers: L, number of stacked layers.
    """

    def __init__(self, columns: int, cell: CellName, hidden: int, layers: int = 1) -> None:
        super().__init__()
        self.rnn = RECURRENT_LAYERS[cell](columns, hidden, num_layers=layers, batch_first=True)
        self.head = nn.Linear(hidden, columns)

    def forward(self, values: Tensor) -> Tensor:
        """Return the prediction (B, T, D) of the value after each of ``values`` (B, T, D), starting from a state of zeros."""
        out, _ = self.rnn(values)
        return self.head(out)
