"""Modules that are saved or copied inside a capture: the copy is whole, and its hooks do nothing."""

import copy
import io

import pytest
import torch
from torch import nn

from models import capture

MODULES = {
    "LSTM": lambda: nn.LSTM(3, 4, batch_first=True),
    "two layers": lambda: nn.GRU(3, 4, num_layers=2, batch_first=True),
    "inside": lambda: nn.Sequential(nn.Linear(3, 3), nn.RNN(3, 4, batch_first=True)),
    "attention": lambda: nn.TransformerEncoderLayer(3, 1, dropout=0.0, batch_first=True),
}


def through_file(net):
    file = io.BytesIO()
    torch.save(net, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("again", [through_file, copy.deepcopy], ids=["saved", "copied"])
@pytest.mark.parametrize("name", MODULES)
def test_a_module_is_saved_and_copied_inside_the_block(name, again):
    torch.manual_seed(0)
    net, x = MODULES[name]().eval(), torch.randn(2, 5, 3)
    with torch.no_grad(), capture(net) as trace:
        expected = net(x)
        other = again(net)
        count = len(trace.layers) + len(trace.attention)
        found = other(x)
        assert len(trace.layers) + len(trace.attention) == count > 0
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
    with torch.no_grad():
        torch.testing.assert_close(other(x), expected, rtol=0, atol=0)
        with capture(other) as own:
            other(x)
    assert len(own.layers) + len(own.attention) == count
