"""Cells of one's own, recorded by their equations: every gate, state and gradient against autograd."""

from __future__ import annotations

import io
import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import linear

from models import CaptureError, CaptureWarning, CellEquations, capture
from models.core.gradient_proof import GradientWarning
from models.core.layer_gradients import GradientError
from models.core.trace import load_trace


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


EXAMPLE_STATES = {"NormedCell": ("hidden", "cell"), "MinGRUCell": ("hidden",)}
EXAMPLES = {"layer-norm LSTM": (NormedCell, NORMED_LSTM), "minGRU": (MinGRUCell, MIN_GRU)}


@pytest.mark.parametrize("label", EXAMPLES)
def test_every_gate_state_and_gradient_is_the_cells_own(label):
    torch.manual_seed(0)
    kind, equations = EXAMPLES[label]
    net, x = Loop(kind), torch.randn(2, 6, 3)
    plain = net(x)
    net.cell.gates.clear()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with capture(net, cells={kind: equations}) as trace:
            out = net(x)
            (out.pow(2).sum() + out[:, -1].sum()).backward()
        assert torch.equal(out, plain)
        assert list(trace.layers) == ["cell.l0"]
        layer = trace.layers["cell"]
        assert layer.kind == kind.__name__ and layer.shape == (2, 6, 5)
        for index, name in enumerate(layer.quantities):
            own = [step[index] for step in net.cell.gates]
            assert np.allclose(layer[name], torch.stack(own, 1).detach(), atol=1e-6)
            grads = torch.stack([each.grad for each in own], 1)
            assert np.allclose(getattr(layer, f"{name}_grad"), grads, atol=1e-6)
        for name, parameter in net.cell.named_parameters():
            assert np.allclose(layer.per_step(name).sum(0), parameter.grad, atol=1e-5)
        assert_saved(trace)
    assert np.array_equal(layer.hidden_prev[:, 1:], layer.hidden[:, :-1])


def assert_saved(trace):
    """A file of the trace has every number of it, and the equations as formulas."""
    file = io.BytesIO()
    trace.save(file)
    (name,) = trace.layers
    layer, loaded = trace.layers[name], load_trace(io.BytesIO(file.getvalue())).layers[name]
    assert loaded.cell_equations == layer.cell_equations and None not in loaded.cell_equations.formulas.values()
    assert (loaded.kind, loaded.shape, list(loaded)) == (layer.kind, layer.shape, list(layer))
    for key in (
        "input",
        *layer,
        *(f"{each}_grad" for each in layer),
        *(f"{each}_prev" for each in EXAMPLE_STATES[layer.kind]),
    ):
        assert np.array_equal(getattr(loaded, key), getattr(layer, key))
    again = io.BytesIO()
    load_trace(io.BytesIO(file.getvalue())).save(again)
    assert again.getvalue() == file.getvalue()


def test_the_trace_keeps_the_weights_of_the_call():
    torch.manual_seed(0)
    net, x = Loop(MinGRUCell), torch.randn(2, 6, 3)
    with capture(net, cells={MinGRUCell: MIN_GRU}) as trace:
        net(x)
        net(x)
        with torch.no_grad():
            for parameter in net.parameters():
                parameter.fill_(7.0)
    assert list(trace.layers) == ["cell.l0", "cell.l0#2"]
    assert np.array_equal(trace.layers["cell"].update_gate, trace.layers["cell.l0#2"].update_gate)
    with pytest.raises(GradientError, match="No gradient"):
        _ = trace.layers["cell"].hidden_grad


def test_equations_that_are_not_the_modules_are_refused():
    wrong = CellEquations(equations=dict(MIN_GRU.equations) | {"hidden": lambda s: s.candidate})
    net = Loop(MinGRUCell)
    with capture(net, cells={MinGRUCell: wrong}) as trace:
        net(torch.randn(2, 6, 3))
    with pytest.raises(ValueError, match="do not compute its hidden"):
        _ = trace.layers["cell"].update_gate
    with pytest.raises(ValueError, match="has no equation"):
        CellEquations(equations={"gate": lambda s: s.input}, states=("hidden",))
    with pytest.raises(ValueError, match="do not compute its hidden"):
        trace.save("unused.npz")
    with pytest.raises(ValueError, match="cannot be named 'input'"):
        CellEquations(equations={"input": lambda s: s.input, "hidden": lambda s: s.input})


def test_cells_without_equations_are_named():
    net, x = Loop(NormedCell), torch.randn(2, 6, 3)
    with pytest.warns(CaptureWarning, match="NormedCell has a forward of its own"), capture(net) as trace:
        net(x)
    with pytest.raises(KeyError, match="NormedCell"):
        trace.layers["cell"]
    with pytest.raises(CaptureError, match="cells="):
        capture(Loop(MinGRUCell))


def test_a_use_of_the_weights_elsewhere_is_said():
    net, x = Loop(MinGRUCell), torch.randn(2, 6, 3)
    with capture(net, cells={MinGRUCell: MIN_GRU}) as trace:
        (net(x).sum() + 5 * net.cell.to_h.weight.pow(2).sum()).backward()
    with pytest.warns(GradientWarning, match="to_h.weight"):
        _ = trace.layers["cell"].hidden_grad
