"""Layer-norm LSTMs as in PyTorch's benchmark ``custom_lstms``, eager and as TorchScript: the reference for the app's own."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class NormedCell(nn.Module):
    """``LayerNormLSTMCell`` of the benchmark."""

    def __init__(self, inputs: int, units: int) -> None:
        super().__init__()
        self.weight_ih = nn.Parameter(torch.randn(4 * units, inputs) / 2)
        self.weight_hh = nn.Parameter(torch.randn(4 * units, units) / 2)
        self.layernorm_i, self.layernorm_h = nn.LayerNorm(4 * units), nn.LayerNorm(4 * units)
        self.layernorm_c = nn.LayerNorm(units)
        for norm in (self.layernorm_i, self.layernorm_h, self.layernorm_c):
            nn.init.normal_(norm.weight, 1, 0.4)
            nn.init.normal_(norm.bias, 0, 0.4)

    def forward(self, given: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        hx, cx = state
        igates = self.layernorm_i(torch.mm(given, self.weight_ih.t()))
        hgates = self.layernorm_h(torch.mm(hx, self.weight_hh.t()))
        ingate, forgetgate, cellgate, outgate = (igates + hgates).chunk(4, 1)
        ingate, forgetgate = torch.sigmoid(ingate), torch.sigmoid(forgetgate)
        cellgate, outgate = torch.tanh(cellgate), torch.sigmoid(outgate)
        cy = self.layernorm_c((forgetgate * cx) + (ingate * cellgate))
        hy = outgate * torch.tanh(cy)
        return hy, (hy, cy)


class OutputNormedCell(NormedCell):
    """The same parts, but the cell state is normalized only on its way to the output."""

    def forward(self, given: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        hx, cx = state
        sums = self.layernorm_i(torch.mm(given, self.weight_ih.t())) + self.layernorm_h(
            torch.mm(hx, self.weight_hh.t())
        )
        ingate, forgetgate, cellgate, outgate = sums.chunk(4, 1)
        cy = torch.sigmoid(forgetgate) * cx + torch.sigmoid(ingate) * torch.tanh(cellgate)
        hy = torch.sigmoid(outgate) * torch.tanh(self.layernorm_c(cy))
        return hy, (hy, cy)


class NormedLayer(nn.Module):
    """``LSTMLayer`` of the benchmark, time first."""

    def __init__(self, inputs: int, units: int, make: type[NormedCell] = NormedCell) -> None:
        super().__init__()
        self.cell = make(inputs, units)

    def forward(self, given: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        inputs = given.unbind(0)
        outputs: list[Tensor] = []
        for i in range(len(inputs)):
            out, state = self.cell(inputs[i], state)
            outputs += [out]
        return torch.stack(outputs), state


class NormedNetwork(nn.Module):
    """Two such layers and a dense one: values (B, T, 3) to (B, T, 3)."""

    def __init__(self, inputs: int = 3, units: int = 5, make: type[NormedCell] = NormedCell) -> None:
        super().__init__()
        self.units = units
        self.lower, self.upper = NormedLayer(inputs, units, make), NormedLayer(units, units, make)
        self.fc = nn.Linear(units, 3)

    def forward(self, x: Tensor) -> Tensor:
        zeros = torch.zeros(x.shape[0], self.units, dtype=x.dtype)
        lower, _state = self.lower(x.transpose(0, 1), (zeros, zeros))
        upper, _state = self.upper(lower, (zeros, zeros))
        return self.fc(upper.transpose(0, 1))
