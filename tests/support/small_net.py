"""A small network for the capture tests, and comparisons with its reference."""

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


def layer_arrays(trace, name):
    """Return copies of every array of one layer."""
    seen = trace.layers[name]
    return [seen[quantity].copy() for quantity in seen.quantities] + [seen.input.copy(), seen.hidden_prev.copy()]


def count_hooks(net):
    """Return how many forward hooks the module and its submodules have."""
    return sum(len(part._forward_hooks) + len(part._forward_pre_hooks) for part in net.modules())


def lstm_equations(module, x, state=None, suffix="_l0"):
    """Return every gate and state of an LSTM (T, units), computed by its documented equations."""
    zeros = x.new_zeros(module.hidden_size)
    return layer("LSTM", weights_of(module, suffix), x, state or (zeros, zeros))


def all_close(seen, expected, tolerance=1e-5):
    """Return whether the first sequence of a layer equals the expected values within the tolerance."""
    return all(np.allclose(seen[name][0], own.detach(), rtol=0, atol=tolerance) for name, own in expected.items())
