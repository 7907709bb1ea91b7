"""A network over numbers: a recurrent layer reads values as they are, a linear layer predicts the next ones."""

from torch import Tensor, nn

from models.architectures.language_model import CELLS, Cell


class NumberModel(nn.Module):
    """``rnn -> head``: the next value after every value.

    Args:
        columns: D, numbers per step.
        cell: which of ``nn.RNN``, ``nn.LSTM``, ``nn.GRU`` is ``self.rnn``.
        hidden: H, units of each layer.
        layers: L, layers stacked.
    """

    def __init__(self, columns: int, cell: Cell, hidden: int, layers: int = 1) -> None:
        super().__init__()
        self.rnn = CELLS[cell](columns, hidden, num_layers=layers, batch_first=True)
        self.head = nn.Linear(hidden, columns)

    def forward(self, values: Tensor) -> Tensor:
        """Prediction (B, T, D) of the value after each of ``values`` (B, T, D), starting from a state of zeros."""
        out, _ = self.rnn(values)
        return self.head(out)
