"""Cells of one's own with their equations: a layer-norm LSTM and a minGRU.

`python -m tests.support.own_cells run.npz` saves a run of both; `streamlit run app.py -- run.npz` then shows it.
"""

from __future__ import annotations

import sys
from os import PathLike

import torch
from torch import nn
from torch.nn.functional import linear

from models import CellEquations, capture


class NormedCell(nn.LSTMCell):
    """An LSTM cell with layer norm on the products and on the cell, as in torch's benchmark of custom LSTMs."""

    def __init__(self, inputs, units):
        super().__init__(inputs, units)
        self.norm_x, self.norm_h, self.norm_c = nn.LayerNorm(4 * units), nn.LayerNorm(4 * units), nn.LayerNorm(units)
        self.gates = []

    def forward(self, x, state):
        h, c = state
        sums = self.norm_x(linear(x, self.weight_ih, self.bias_ih))
        sums = sums + self.norm_h(linear(h, self.weight_hh, self.bias_hh))
        i, f, g, o = sums.chunk(4, -1)
        gates = i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
        c = f * c + i * g
        h = o * self.norm_c(c).tanh()
        for each in (*gates, c, h):
            if each.requires_grad:
                each.retain_grad()
        self.gates.append((*gates, c, h))
        return h, c


def sums(s, gate):
    whole = s.norm_x(linear(s.input, s.weight_ih, s.bias_ih)) + s.norm_h(linear(s.hidden_prev, s.weight_hh, s.bias_hh))
    return whole.chunk(4, -1)[gate]


NORMED_LSTM = CellEquations(
    states=("hidden", "cell"),
    equations={
        "input_gate": lambda s: sums(s, 0).sigmoid(),
        "forget_gate": lambda s: sums(s, 1).sigmoid(),
        "candidate": lambda s: sums(s, 2).tanh(),
        "output_gate": lambda s: sums(s, 3).sigmoid(),
        "cell": lambda s: s.forget_gate * s.cell_prev + s.input_gate * s.candidate,
        "hidden": lambda s: s.output_gate * s.norm_c(s.cell).tanh(),
    },
)


class MinGRUCell(nn.Module):
    """The minimal GRU of Feng et al. 2024: no gate depends on the previous state."""

    def __init__(self, inputs, units):
        super().__init__()
        self.to_z, self.to_h = nn.Linear(inputs, units), nn.Linear(inputs, units)
        self.gates = []

    def forward(self, x, h):
        z, g = self.to_z(x).sigmoid(), self.to_h(x)
        h = (1 - z) * h + z * g
        for each in (z, g, h):
            if each.requires_grad:
                each.retain_grad()
        self.gates.append((z, g, h))
        return h


MIN_GRU = CellEquations(
    equations={
        "update_gate": lambda s: s.to_z(s.input).sigmoid(),
        "candidate": lambda s: s.to_h(s.input),
        "hidden": lambda s: (1 - s.update_gate) * s.hidden_prev + s.update_gate * s.candidate,
    }
)


class Loop(nn.Module):
    """A cell called in a loop of the user's own."""

    def __init__(self, cell):
        super().__init__()
        self.cell, self.head = cell(3, 5), nn.Linear(5, 1)

    def forward(self, x):
        zeros = x.new_zeros(len(x), 5)
        state = (zeros, zeros) if isinstance(self.cell, nn.LSTMCell) else zeros
        out = []
        for t in range(x.shape[1]):
            state = self.cell(x[:, t], state)
            out.append(state[0] if isinstance(state, tuple) else state)
        return self.head(torch.stack(out, 1))


EXAMPLES = {"layer-norm LSTM": (NormedCell, NORMED_LSTM), "minGRU": (MinGRUCell, MIN_GRU)}


def save_run(path: str | PathLike[str], steps: int = 12, *, backward: bool = True) -> dict[str, torch.Tensor]:
    """Save a run of both cells, one after the other; return what each computed, (1, T, units)."""
    torch.manual_seed(3)
    net = nn.Sequential(Loop(NormedCell), nn.Linear(1, 3), Loop(MinGRUCell))
    with capture(net, cells=dict(EXAMPLES.values())) as trace:
        out = net(torch.randn(1, steps, 3))
        if backward:
            out[:, -1].sum().backward()
    trace.save(path)
    found = {}
    for name, kind in (("0.cell.l0", 0), ("2.cell.l0", 2)):
        equations = EXAMPLES["layer-norm LSTM" if kind == 0 else "minGRU"][1].equations
        for index, quantity in enumerate(equations):
            own = [step[index] for step in net[kind].cell.gates]
            found[f"{name}/{quantity}"] = torch.stack(own, 1).detach()
            if backward:
                found[f"{name}/{quantity}_grad"] = torch.stack([each.grad for each in own], 1)
    return found


if __name__ == "__main__":
    save_run(sys.argv[1])
