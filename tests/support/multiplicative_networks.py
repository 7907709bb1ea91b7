"""The multiplicative LSTM of Krause et al. 2016, written out from the paper's equations: the reference for the app's own."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations


class MultiplicativeCell(nn.Module):
    """The cell of the sentiment neuron as in its ports to PyTorch: four ``nn.Linear``, the gates in the order i f o u."""

    def __init__(self, inputs: int, units: int) -> None:
        super().__init__()
        self.wx, self.wh = nn.Linear(inputs, 4 * units, bias=False), nn.Linear(units, 4 * units)
        self.wmx, self.wmh = nn.Linear(inputs, units, bias=False), nn.Linear(units, units, bias=False)

    def forward(self, x: Tensor, state: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        hidden, cell = state
        m = self.wmx(x) * self.wmh(hidden)
        i, f, o, u = (self.wx(x) + self.wh(m)).chunk(4, -1)
        i, f, o, u = i.sigmoid(), f.sigmoid(), o.sigmoid(), u.tanh()
        cell = f * cell + i * u
        return {
            "intermediate": m, "input_gate": i, "forget_gate": f, "output_gate": o, "candidate": u, "cell": cell,
            "hidden": o * cell.tanh(),
        }  # fmt: skip


class MultiplicativeNetwork(nn.Module):
    """An embedding, such a cell run by a loop, and an output layer; its states are those of the last call."""

    def __init__(self, symbols: int = 7, inputs: int = 3, units: int = 5, weight_norm: bool = False) -> None:
        super().__init__()
        self.embed, self.cell, self.out = (
            nn.Embedding(symbols, inputs), MultiplicativeCell(inputs, units), nn.Linear(units, symbols),
        )  # fmt: skip
        for values in self.parameters():
            nn.init.normal_(values, 0, 0.8)
        if weight_norm:
            for part in (self.cell.wx, self.cell.wh, self.cell.wmx, self.cell.wmh):
                parametrizations.weight_norm(part)
                nn.init.normal_(part.parametrizations.weight.original0, 0, 1.5)

    def forward(self, ids: Tensor) -> Tensor:
        units = self.cell.wmh.out_features
        state = ids.new_zeros(len(ids), units, dtype=torch.float32), ids.new_zeros(len(ids), units, dtype=torch.float32)
        self.steps = []
        for x in self.embed(ids).unbind(1):
            self.steps.append(self.cell(x, state))
            state = self.steps[-1]["hidden"], self.steps[-1]["cell"]
        return self.out(torch.stack([step["hidden"] for step in self.steps], 1))

    def states(self, name: str) -> Tensor:
        """Return a gate or state of the last call, (B, T, H)."""
        return torch.stack([step[name] for step in self.steps], 1)
