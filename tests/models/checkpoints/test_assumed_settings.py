"""Settings of layers that tensors do not show: named as assumed until they are chosen."""

import pytest
import torch
from torch import nn

from models.checkpoints import CheckpointError
from models.checkpoints.building.build import FUNCTIONS
from tests.models.checkpoints.test_network_of_file import IDS, same, saved


class Vanilla(nn.Module):
    """A vanilla RNN over an embedding, with symbols as outputs."""

    def __init__(self, nonlinearity):
        super().__init__()
        torch.manual_seed(0)
        self.embedding, self.fc = nn.Embedding(9, 5), nn.Linear(6, 9)
        self.rnn = nn.RNN(5, 6, nonlinearity=nonlinearity, batch_first=True)

    def forward(self, ids):
        return self.fc(self.rnn(self.embedding(ids))[0])


@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
def test_the_activation_function_of_a_vanilla_rnn_is_assumed_until_it_is_chosen(nonlinearity):
    module = Vanilla(nonlinearity).eval()
    assert saved(module).network().left_out == ("nonlinearity (rnn.l0)", FUNCTIONS)
    net = saved(module).network(nonlinearity=nonlinearity)
    assert net.left_out == (FUNCTIONS,)
    same(net, module, IDS)
    assert saved(module).corrected("rnn.l0", nonlinearity=nonlinearity).network().left_out == (FUNCTIONS,)
    with pytest.raises(CheckpointError, match="This file has no vanilla RNN"):
        saved(nn.LSTM(4, 5)).network(nonlinearity=nonlinearity)
