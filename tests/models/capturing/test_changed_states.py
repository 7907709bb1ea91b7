"""A recurrent module that is called one step at a time while the state is changed between the calls: one trace."""

import numpy as np
import pytest
import torch
from torch import nn

from models import capture

STEPS, BATCH, INPUTS, UNITS = 8, 3, 4, 5
DONE = torch.zeros(STEPS, BATCH)
DONE[3, 1] = DONE[5, 0] = 1


class Policy(nn.Module):
    """A recurrent policy: the states of a sequence become 0 where its episode ended."""

    def __init__(self, kind):
        super().__init__()
        torch.manual_seed(0)
        self.rnn, self.value = getattr(nn, kind)(INPUTS, UNITS), nn.Linear(UNITS, 1)

    def forward(self, x):
        state, self.states = (torch.zeros(BATCH, UNITS), torch.zeros(BATCH, UNITS)), []
        for t in range(STEPS):
            state = tuple(each * (1 - DONE[t])[:, None] for each in state)
            state = self.step(x[t], state)
            if state[0].requires_grad:
                state[0].retain_grad()
            self.states.append(state[0])
        return self.value(torch.stack(self.states)).pow(2).mean()

    def step(self, x, state):
        if isinstance(self.rnn, nn.LSTMCell):
            return self.rnn(x, state)
        if isinstance(self.rnn, nn.LSTM):
            _, after = self.rnn(x[None], tuple(each[None] for each in state))
            return tuple(each[0] for each in after)
        if isinstance(self.rnn, nn.GRUCell | nn.RNNCell):
            return (self.rnn(x, state[0]),)
        return (self.rnn(x[None], state[0][None])[1][0],)


@pytest.mark.parametrize("kind", ["LSTMCell", "LSTM", "GRUCell", "GRU", "RNNCell", "RNN"])
def test_states_that_are_masked_between_calls_are_one_trace(kind):
    net, x = Policy(kind), torch.randn(STEPS, BATCH, INPUTS)
    net(x).backward()
    states = torch.stack([each.detach() for each in net.states], 1)
    grads = torch.stack([each.grad for each in net.states], 1)
    weight_grad = next(net.rnn.parameters()).grad.clone()
    net.zero_grad()
    with capture(net) as trace:
        net(x).backward()
    (layer,) = trace.layers.values()
    np.testing.assert_allclose(layer.hidden, states, rtol=0, atol=1e-6)
    np.testing.assert_allclose(layer.hidden_grad, grads, rtol=0, atol=1e-6)
    for step in (3, 5):
        ended = DONE[step].bool().numpy()
        assert not layer.hidden_prev[ended, step].any()
        if "LSTM" in kind:
            assert not layer.cell_prev[ended, step].any()
    shares = layer.gradients.per_step("weight_ih").sum(0)
    np.testing.assert_allclose(shares, weight_grad, rtol=0, atol=1e-6)


class Halved(nn.Module):
    """A layer called for one step, for one more from half of its state, and for the rest of the sequence."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.rnn = nn.LSTM(INPUTS, UNITS)

    def forward(self, x):
        first, state = self.rnn(x[:1])
        second, state = self.rnn(x[1:2], tuple(each * 0.5 for each in state))
        return torch.cat([first, second, self.rnn(x[2:], state)[0]])


def test_cell_states_are_right_after_a_changed_state():
    net, x = Halved(), torch.randn(STEPS, BATCH, INPUTS)
    with torch.no_grad(), capture(net) as trace:
        expected = net(x).transpose(0, 1)
    layers = trace.layers.values()
    np.testing.assert_allclose(np.concatenate([each.hidden for each in layers], 1), expected, rtol=0, atol=1e-6)
    for layer in layers:
        np.testing.assert_allclose(layer.output_gate * np.tanh(layer.cell), layer.hidden, rtol=0, atol=1e-6)


def test_steps_after_a_sequence_continue_its_trace():
    torch.manual_seed(0)
    rnn, x = nn.LSTM(INPUTS, UNITS), torch.randn(STEPS, BATCH, INPUTS)
    with torch.no_grad(), capture(rnn) as whole:
        rnn(x)
    with torch.no_grad(), capture(rnn) as trace:
        _, state = rnn(x[:5])
        for t in range(5, STEPS):
            _, state = rnn(x[t : t + 1], state)
    (layer,) = trace.layers.values()
    for quantity in ("hidden", "cell", "cell_prev", "forget_gate"):
        np.testing.assert_allclose(getattr(layer, quantity), getattr(whole.layers["l0"], quantity), rtol=0, atol=1e-5)
