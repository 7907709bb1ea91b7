"""A readout by attention over the time steps: run where the tensors define it and it is chosen, else named."""

import io

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import nn

from models import load_checkpoint
from models.checkpoints import CheckpointError
from models.checkpoints.building.attention_readout import find_step_attention
from models.checkpoints.building.build import FUNCTIONS
from models.decoding.run_network import run_network
from models.networks.forward_run import ClassPrediction


class Attending(nn.Module):
    """A classifier that sums the outputs of its recurrent layer by attention."""

    def __init__(self, form="linear", hidden=4, inner=6, bidirectional=False, bias=True):
        super().__init__()
        torch.manual_seed(0)
        width = hidden * (2 if bidirectional else 1)
        self.embedding = nn.Embedding(9, 5)
        self.lstm = nn.LSTM(5, hidden, batch_first=True, bidirectional=bidirectional)
        self.fc, self.form = nn.Linear(width, 3), form
        if form == "linear":
            self.attention = nn.Linear(width, 1, bias=bias)
        elif form == "sequential":
            self.attention = nn.Sequential(
                nn.Linear(width, inner, bias=bias), nn.Tanh(), nn.Linear(inner, 1, bias=bias)
            )
        elif form == "two layers":
            self.attn_hidden, self.attn_score = nn.Linear(width, inner, bias=bias), nn.Linear(inner, 1, bias=bias)
        elif form == "query":
            self.attention = nn.ModuleDict({"query": nn.Linear(width, inner), "key": nn.Linear(width, inner)})
        elif form == "normed":
            self.attention = nn.Sequential(nn.Linear(width, inner), nn.Tanh(), nn.Linear(inner, 1), nn.LayerNorm(1))
        elif form == "several":
            self.attention = nn.Linear(width, 2)
        for each in self.parameters():
            nn.init.normal_(each, 0, 0.7)

    def forward(self, ids):
        out, _ = self.lstm(self.embedding(ids))
        if self.form == "two layers":
            scores = self.attn_score(torch.tanh(self.attn_hidden(out)))
        else:
            scores = self.attention(out)
        return self.fc((torch.softmax(scores, 1) * out).sum(1))


def opened(module):
    file = io.BytesIO()
    torch.save(module.state_dict(), file)
    return load_checkpoint(file.getvalue())


@settings(max_examples=12, deadline=None)
@given(
    form=st.sampled_from(["linear", "sequential", "two layers"]),
    hidden=st.integers(2, 6),
    inner=st.integers(2, 6),
    bidirectional=st.booleans(),
    bias=st.booleans(),
    ids=st.lists(st.integers(0, 8), min_size=1, max_size=7),
)
@example(form="sequential", hidden=3, inner=3, bidirectional=False, bias=True, ids=[1, 2])
@example(form="linear", hidden=2, inner=2, bidirectional=True, bias=False, ids=[3])
def test_a_chosen_attention_is_the_modules_own(form, hidden, inner, bidirectional, bias, ids):
    module = Attending(form, hidden, inner, bidirectional, bias).eval()
    net = opened(module).network(decoder="fc.weight", predicts="class", readout="attention")
    assert net.left_out == (FUNCTIONS,)
    given = torch.tensor([ids])
    with torch.no_grad():
        torch.testing.assert_close(net.module(given), module(given), rtol=0, atol=1e-5)
    run = run_network(net, " ".join(map(str, ids)))
    assert isinstance(run.prediction, ClassPrediction)


@pytest.mark.parametrize("form", ["linear", "sequential", "query"])
def test_an_attention_that_is_not_chosen_is_named(form):
    module = Attending(form)
    net = opened(module).network(predicts="class")
    assert {*(name for name in module.state_dict() if "att" in name), "readout", FUNCTIONS} == set(net.left_out)


@pytest.mark.parametrize("form", ["query", "normed", "several"])
def test_another_attention_is_not_offered(form):
    checkpoint = opened(Attending(form))
    assert find_step_attention(checkpoint.stored, 4) is None
    with pytest.raises(CheckpointError, match="do not define one attention over the time steps of lstm"):
        checkpoint.network(predicts="class", readout="attention")


def test_a_file_without_attention_offers_none():
    module = Attending()
    del module.attention
    assert find_step_attention(opened(module).stored, 4) is None


def test_what_no_output_predicts_is_refused():
    checkpoint = opened(Attending())
    with pytest.raises(CheckpointError, match="A network without an output layer predicts nothing"):
        checkpoint.network(decoder=None, predicts="class")
    with pytest.raises(CheckpointError, match=r"fc\.weight has 3 outputs, but the next input is one of 9"):
        checkpoint.network(decoder="fc.weight", predicts="next")
