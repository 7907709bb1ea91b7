"""Clipping on paper against torch.nn.utils.clip_grad_norm_."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from models import capture
from models.core.layer_gradients import GradientError
from models.gradients.clipping import clip_coefficient, clipping


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.LSTM(3, 6, 2, batch_first=True)
        self.cell = nn.GRUCell(6, 5)
        self.head = nn.Linear(5, 2)

    def forward(self, x):
        output, _ = self.rnn(x)
        h = x.new_zeros(len(x), 5)
        for t in range(x.shape[1]):
            h = self.cell(output[:, t], h)
        return self.head(h)


@pytest.mark.parametrize("threshold", [1e-3, 0.5, 1e6])
def test_it_is_torchs(threshold):
    torch.manual_seed(0)
    net, x = Net().double(), torch.randn(4, 8, 3, dtype=torch.float64)
    with capture(net) as trace:
        net(x).square().sum().backward()
    found = clipping(net, threshold, trace)
    before = {name: parameter.grad.clone() for name, parameter in net.named_parameters()}
    for name, norm in found.parameters.items():
        assert norm == pytest.approx(before[name].norm().item(), rel=1e-12)
    # The contributions of all steps and of the parameters outside the recurrent layers sum to the whole norm.
    outside = sum(norm**2 for name, norm in found.parameters.items() if name.startswith("head")) / found.before
    assert sum(steps.sum() for steps in found.steps.values()) + outside == pytest.approx(found.before, rel=1e-10)
    assert {name: len(steps) for name, steps in found.steps.items()} == {"rnn.l0": 8, "rnn.l1": 8, "cell.l0": 8}
    total = nn.utils.clip_grad_norm_(net.parameters(), threshold)
    assert found.before == pytest.approx(total.item(), rel=1e-12)
    for name, parameter in net.named_parameters():
        np.testing.assert_allclose(parameter.grad, before[name] * found.coefficient, rtol=1e-12)
    after = torch.stack([parameter.grad.norm() for parameter in net.parameters()]).norm().item()
    assert found.after == pytest.approx(after, rel=1e-12)
    assert found.clips == (threshold < total)


def test_a_single_module_in_a_trace_of_its_own():
    module, x = nn.GRU(3, 4), torch.randn(5, 2, 3)
    with capture(module) as trace:
        module(x)[0].sum().backward()
    found = clipping(module, 0.1, trace)
    assert found.steps["l0"].sum() == pytest.approx(found.before, rel=1e-4)


@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_what_is_not_finite_is_shown_as_such(value):
    layer = nn.Linear(2, 1)
    layer.weight.grad, layer.bias.grad = torch.tensor([[1.0, value]]), torch.ones(1)
    found = clipping(layer, 1.0)
    expected = nn.utils.clip_grad_norm_(layer.parameters(), 1.0).item()
    np.testing.assert_equal(found.before, expected)
    assert math.isnan(found.after)
    assert found.clips


def test_coefficients():
    assert clip_coefficient(0.0, 1.0) == 1 and clip_coefficient(0.5, 1.0) == 1
    assert clip_coefficient(4.0, 1.0) == pytest.approx(0.25, rel=1e-6)


def test_bad_arguments():
    layer = nn.Linear(2, 1)
    with pytest.raises(GradientError, match=r"loss\.backward"):
        clipping(layer, 1.0)
    with pytest.raises(ValueError, match="above 0"):
        clipping(layer, 0.0)
