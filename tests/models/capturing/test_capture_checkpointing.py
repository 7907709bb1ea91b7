"""Activation checkpointing and in-place changes inside a capture: one record of each call, with the plain run's gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from models import capture
from models.core.layer_gradients import GradientError


class Stack(nn.Module):
    """Two recurrent modules, a linear one between them, and an attention."""

    def __init__(self, layers=1):
        super().__init__()
        self.first, self.between = nn.GRU(3, 4, layers, batch_first=True), nn.Linear(4, 4)
        self.second = nn.LSTM(4, 4, layers, batch_first=True, bidirectional=True)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

    def lower(self, x):
        return self.between(self.first(x)[0])

    def upper(self, x):
        h, _ = self.second(x)
        return h + self.attention(h, h, h)[0]

    def forward(self, x, mode=None):
        if mode is None:
            return self.upper(self.lower(x))
        return checkpoint(self.upper, checkpoint(self.lower, x, use_reentrant=mode), use_reentrant=mode)


class Loop(nn.Module):
    """A Cell in a loop, in segments of three steps."""

    def __init__(self):
        super().__init__()
        self.cell = nn.LSTMCell(3, 4)

    def segment(self, x, h, c):
        for t in range(x.shape[1]):
            h, c = self.cell(x[:, t], (h, c))
        return h, c

    def forward(self, x, mode=None):
        h = c = torch.zeros(2, 4, requires_grad=True)
        for part in x.split(3, dim=1):
            if mode is None:
                h, c = self.segment(part, h, c)
            else:
                h, c = checkpoint(self.segment, part, h, c, use_reentrant=mode)
        return h


def recorded(net, x, mode):
    net.zero_grad()
    with capture(net) as trace:
        net(x, mode).pow(2).sum().backward()
    grads = [each.grad.clone() for each in net.parameters()]
    return trace, grads


@pytest.mark.parametrize("mode", [True, False])
@pytest.mark.parametrize("make", [Stack, lambda: Stack(2), Loop])
def test_a_checkpointed_call_has_one_record_with_the_gradients_of_the_plain_run(make, mode):
    torch.manual_seed(0)
    net, x = make(), torch.randn(2, 6, 3, requires_grad=True)
    plain, grads = recorded(net, x, None)
    trace, own = recorded(net, x, mode)
    assert list(trace.layers) == list(plain.layers) and list(trace.attention) == list(plain.attention)
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(own, grads, strict=True))
    for name, layer in trace.layers.items():
        for quantity in layer.quantities:
            assert np.allclose(layer[quantity], plain.layers[name][quantity], atol=1e-6)
        assert np.allclose(layer.hidden_grad, plain.layers[name].hidden_grad, atol=1e-5)
        for weight in layer.gradients.parameter_names:
            share, other = (each.gradients.per_step(weight).sum(0) for each in (layer, plain.layers[name]))
            assert np.allclose(share, other, atol=1e-5)


def test_checkpointed_calls_with_the_same_input_are_named_as_inseparable():
    torch.manual_seed(0)
    net, x = nn.GRU(3, 4, batch_first=True), torch.randn(2, 5, 3, requires_grad=True)
    with capture(net) as trace:
        first, second = (checkpoint(lambda v: net(v)[0], x, use_reentrant=True) for _ in range(2))
        (first.sum() + 2 * second.pow(2).sum()).backward()
    with pytest.raises(GradientError, match="same input"):
        _ = trace.layers["l0#2"].hidden_grad


def test_a_forward_in_the_block_and_its_backward_after_it():
    torch.manual_seed(0)
    net, x = Stack(2), torch.randn(2, 6, 3, requires_grad=True)
    want = torch.autograd.grad(net(x).pow(2).sum(), x)[0]
    for mode in (True, False):
        with capture(net):
            loss = net(x, mode).pow(2).sum()
        x.grad = None
        loss.backward()
        assert torch.allclose(x.grad, want, atol=1e-5)


MAKES = {
    "LSTM double, batch first": (lambda: nn.LSTM(3, 4, batch_first=True).double(), (2, 6, 3)),
    "LSTM with a projection": (lambda: nn.LSTM(3, 4, proj_size=2, batch_first=True), (2, 6, 3)),
    "LSTM bidirectional": (lambda: nn.LSTM(3, 4, bidirectional=True, batch_first=True).double(), (2, 6, 3)),
    "LSTM time first": (lambda: nn.LSTM(3, 4).double(), (6, 2, 3)),
    "LSTM of two layers": (lambda: nn.LSTM(3, 4, 2, batch_first=True).double(), (2, 6, 3)),
    "GRU batch first": (lambda: nn.GRU(3, 4, batch_first=True), (2, 6, 3)),
    "GRU without a batch": (lambda: nn.GRU(3, 4), (6, 3)),
    "RNN without a batch": (lambda: nn.RNN(3, 4), (6, 3)),
}


@pytest.mark.filterwarnings("ignore:LSTM with projections")
@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("label", MAKES)
def test_an_output_changed_in_place_keeps_every_steps_share(label, both):
    torch.manual_seed(0)
    make, shape = MAKES[label]
    rnn = make()
    x = torch.randn(shape, dtype=next(rnn.parameters()).dtype)

    def run():
        rnn.zero_grad()
        out, ends = rnn(x)
        last = ends[0] if isinstance(ends, tuple) else ends
        out.mul_(0.5)
        (out.pow(2).sum() + (last.pow(3).sum() if both else 0)).backward()
        return {name: values.grad.clone() for name, values in rnn.named_parameters()}

    want = run()
    with capture(rnn) as trace:
        got = run()
    for name in want:
        weight, layer = name.rsplit("_l", 1)
        assert torch.equal(want[name], got[name])
        share = trace.layers[f"l{layer}"].gradients.per_step(weight).sum(0)
        assert np.allclose(share, want[name], atol=1e-5)


def test_an_unbatched_cell_changed_in_place():
    torch.manual_seed(0)
    cell, x = nn.GRUCell(3, 4), torch.randn(5, 3)
    with capture(cell) as trace:
        h = torch.zeros(4)
        for t in range(5):
            h = cell(x[t], h)
            h.mul_(0.5)
        h.pow(2).sum().backward()
    share = trace.layers["l0"].gradients.per_step("weight_hh").sum(0)
    assert np.allclose(share, cell.weight_hh.grad, atol=1e-6)


class Policy(nn.Module):
    """A recurrent policy: one step a call, with states set to zero where an episode ended."""

    def __init__(self, kind):
        super().__init__()
        self.rnn, self.value = getattr(nn, kind)(4, 5), nn.Linear(5, 1)
        self.done = torch.zeros(8, 3)
        self.done[3, 1] = self.done[5, 0] = 1

    def forward(self, x):
        lstm, fused = isinstance(self.rnn, nn.LSTM | nn.LSTMCell), isinstance(self.rnn, nn.RNNBase)
        states = tuple(torch.zeros(3, 5) for _ in range(1 + lstm))
        self.states = []
        for t in range(8):
            states = tuple(each * (1 - self.done[t])[:, None] for each in states)
            if fused:
                begin = tuple(each[None] for each in states)
                _, ends = self.rnn(x[t][None], begin if lstm else begin[0])
                states = tuple(each[0] for each in (ends if lstm else (ends,)))
            else:
                ends = self.rnn(x[t], states if lstm else states[0])
                states = ends if lstm else (ends,)
            states[0].retain_grad()
            self.states.append(states)
        return self.value(torch.stack([h for h, *_ in self.states])).pow(2).mean()


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN", "LSTMCell", "GRUCell"])
def test_states_set_to_zero_where_an_episode_ended_are_one_trace(kind):
    torch.manual_seed(0)
    net, x = Policy(kind), torch.randn(8, 3, 4)
    net(x).backward()
    states = [torch.stack([each[index].detach() for each in net.states], 1) for index in range(len(net.states[0]))]
    grads = torch.stack([h.grad for h, *_ in net.states], 1)
    with capture(net) as trace:
        net(x).backward()
    [layer] = trace.layers.values()
    assert np.allclose(layer.hidden, states[0], atol=1e-6)
    assert np.allclose(layer.hidden_grad, grads, atol=1e-6)
    if len(states) == 2:
        assert np.allclose(layer.cell, states[1], atol=1e-6)
