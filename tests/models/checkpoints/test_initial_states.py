"""Initial states that are tensors of the file: run from, where name, size and place leave no doubt; else named."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from models import capture
from models.checkpoints import Checkpoint, load_checkpoint
from models.checkpoints.building.build import FUNCTIONS

KINDS = {"RNN": nn.RNN, "LSTM": nn.LSTM, "GRU": nn.GRU}


class Learned(nn.Module):
    """A character model that starts from parameters."""

    def __init__(self, rnn: nn.RNNBase, inside: bool, shape: tuple[int, ...]) -> None:
        super().__init__()
        directions = 2 if rnn.bidirectional else 1
        self.emb, self.rnn = nn.Embedding(9, rnn.input_size), rnn
        self.head = nn.Linear(directions * (rnn.proj_size or rnn.hidden_size), 9)
        self.owner = [rnn if inside else self]
        for name, width in (("h0", rnn.proj_size or rnn.hidden_size), ("c0", rnn.hidden_size)):
            if name == "h0" or rnn.mode == "LSTM":
                values = torch.randn(directions * rnn.num_layers, 1, width)
                setattr(self.owner[0], name, nn.Parameter(values.reshape(*shape, width)))

    def states(self, name: str, batch: int) -> torch.Tensor:
        values = getattr(self.owner[0], name)
        return values.reshape(-1, 1, values.shape[-1]).expand(-1, batch, -1).contiguous()

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        begin = self.states("h0", len(ids))
        given = (begin, self.states("c0", len(ids))) if self.rnn.mode == "LSTM" else begin
        return self.head(self.rnn(self.emb(ids), given)[0])


def saved(state) -> Checkpoint:
    file = io.BytesIO()
    torch.save(state, file)
    return load_checkpoint(file.getvalue())


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(list(KINDS)), st.integers(1, 2), st.booleans(), st.booleans(), st.booleans())
def test_a_network_that_starts_from_its_parameters(kind, levels, bidirectional, inside, flat):
    count = levels * (1 + bidirectional)
    rnn = KINDS[kind](4, 5, levels, bidirectional=bidirectional, batch_first=True)
    net = Learned(rnn, inside, (count,) if flat else (count, 1)).eval()
    checkpoint = saved(net.state_dict())
    assert not any(each.unexplained for each in checkpoint.found.values())
    settings = {"nonlinearity": "tanh"} if kind == "RNN" else {}  # else it is named too
    network, ids = checkpoint.network(**settings), torch.randint(0, 9, (2, 6))
    with capture(network.module) as trace, torch.no_grad():
        got = network.module(ids)
        want = net(ids)
    assert torch.allclose(got, want, atol=1e-5)
    last = list(trace.layers.values())[-1]
    assert np.allclose(last.initial_hidden, net.states("h0", 2)[-1].detach(), atol=1e-6)
    owner = "rnn." if inside else ""
    names = [f"{owner}h0 → rnn"] + ([f"{owner}c0 → rnn"] if kind == "LSTM" else [])
    assert network.left_out == (FUNCTIONS, *names)


@pytest.mark.parametrize(
    "extra",
    [
        {"h0": torch.ones(1, 5)},  # an LSTM also needs c0
        {"h0": torch.ones(1, 5), "c0": torch.ones(1, 4)},
        {"other.h0": torch.ones(1, 5), "other.c0": torch.ones(1, 5)},
        {"h0": torch.ones(1, 5), "c0": torch.ones(1, 5), "init_h": torch.ones(1, 5)},
        {"h": torch.ones(1, 5), "c": torch.ones(1, 5)},
    ],
)
def test_states_that_leave_a_doubt_are_named(extra):
    state = {f"rnn.{name}": values for name, values in nn.LSTM(4, 5).state_dict().items()}
    network = saved(state | extra).network()
    assert network.left_out == (*extra, FUNCTIONS)
    x = torch.randn(1, 3, 4)
    with capture(network.module) as trace, torch.no_grad():
        network.module(x)
    assert not trace.layers["rnn.l0"].initial_hidden.any()


def test_states_of_two_modules_are_named():
    state = {f"{rnn}.{name}": values for rnn in "ab" for name, values in nn.GRU(5, 5).state_dict().items()}
    assert "h0" in saved(state | {"h0": torch.ones(1, 5)}).network(stack="a").left_out
