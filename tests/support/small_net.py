"""A small network and what the capture tests ask of it."""

from __future__ import annotations

import numpy as np
from torch import nn

from tests.support.oracle import layer, weights_of


class Net(nn.Module):
    """A recurrent module between two linear ones."""

    def __init__(self, kind=nn.LSTM, layers=1, **options):
        super().__init__()
        self.read = nn.Linear(3, 4)
        self.rnn = kind(4, 5, num_layers=layers, batch_first=True, **options)
        self.head = nn.Linear(5, 2)

    def forward(self, x):
        return self.head(self.rnn(self.read(x))[0])


def values(trace, name):
    """Every array of one layer."""
    seen = trace.layers[name]
    return [seen[quantity].copy() for quantity in seen.quantities] + [seen.input.copy(), seen.hidden_prev.copy()]


def hooks(net):
    """How many hooks there are in the tree."""
    return sum(len(part._forward_hooks) + len(part._forward_pre_hooks) for part in net.modules())


def equations(module, x, state=None, suffix="_l0"):
    """Every gate and state of an LSTM (T, units) from its documented equations."""
    zeros = x.new_zeros(module.hidden_size)
    return layer("LSTM", weights_of(module, suffix), x, state or (zeros, zeros))


def agrees(seen, expected, tolerance=1e-5):
    """Whether the first sequence of a layer is as expected."""
    return all(np.allclose(seen[name][0], own.detach(), rtol=0, atol=tolerance) for name, own in expected.items())
