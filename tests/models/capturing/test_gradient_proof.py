"""The steps' shares of every weight's gradient are compared with the gradient that reached the weight."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from torch import nn

from models import capture
from models.core.gradient_proof import GradientWarning
from models.core.layer_gradients import GradientError
from models.core.trace import load_trace


def make(kind="LSTM", **options):
    torch.manual_seed(0)
    return getattr(nn, kind)(3, 4, batch_first=True, **options), torch.randn(2, 6, 3)


def confirmed(layer):
    """Return the layer's dL/dh, and fail if a warning comes with it."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return layer.hidden_grad


def penalty(score, x):
    (grad,) = torch.autograd.grad(score.sum(), x, create_graph=True)
    return ((grad.flatten(1).norm(dim=1) - 1) ** 2).mean()


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
@pytest.mark.parametrize("frozen", [False, True])
def test_a_gradient_penalty_is_refused_in_one_sentence(frozen, kind, tmp_path):
    rnn, x = make(kind)
    head = nn.Linear(4, 1)
    rnn.requires_grad_(not frozen)
    x.requires_grad_()
    with capture(rnn) as trace:
        out, _ = rnn(x)
        penalty(head(out[:, -1]), x).backward()
    with pytest.raises(GradientError, match="create_graph") as caught:
        _ = trace.layers["l0"].hidden_grad
    assert "\n" not in str(caught.value) and ". " not in str(caught.value)
    trace.save(tmp_path / "run.npz")  # the states, without these gradients
    with pytest.raises(GradientError, match="No gradient"):
        _ = load_trace(tmp_path / "run.npz").layers["l0"].hidden_grad


def test_a_graph_of_the_gradients_that_is_not_used_changes_nothing():
    rnn, x = make()
    with capture(rnn) as trace:
        rnn(x)[0].pow(2).sum().backward(create_graph=True)
    share = trace.layers["l0"].gradients.per_step("weight_hh").sum(0)
    assert np.allclose(share, rnn.weight_hh_l0.grad.detach(), atol=1e-5)
    rnn.zero_grad()


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_several_passes_add_up_and_each_is_confirmed(kind):
    rnn, x = make(kind)
    x.requires_grad_()
    with capture(rnn) as trace:
        out, _ = rnn(x)
        torch.autograd.grad(out.pow(3).sum(), x, retain_graph=True)  # does not reach the weights
        out.pow(2).sum().backward(retain_graph=True)
        out[:, -1].sum().backward()
    rnn.zero_grad()
    out, _ = rnn(x)
    (out.pow(3).sum() + out.pow(2).sum() + out[:, -1].sum()).backward()
    layer = trace.layers["l0"]
    confirmed(layer)
    assert np.allclose(layer.gradients.per_step("weight_ih").sum(0), rnn.weight_ih_l0.grad, atol=1e-5)


def test_a_module_that_runs_twice_and_weights_with_hooks_are_confirmed():
    rnn, x = make(bidirectional=True)
    rnn.weight_hh_l0.register_hook(lambda grad: grad.clamp(-1e-3, 1e-3))
    with capture(rnn) as trace:
        (rnn(x)[0].pow(2).sum() + rnn(x.flip(1))[0].pow(3).sum()).backward()
    assert list(trace.layers) == ["l0", "l0_reverse", "l0#2", "l0_reverse#2"]
    for layer in trace.layers.values():
        confirmed(layer)
    assert rnn.weight_hh_l0.grad.abs().max() <= 1.001e-3


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_other_precisions_are_confirmed(dtype):
    rnn, x = make()
    rnn = rnn.to(dtype)
    with capture(rnn) as trace:
        rnn(x.to(dtype))[0].float().pow(2).sum().backward()
    confirmed(trace.layers["l0"])


def test_autocast_is_confirmed():
    rnn, x = make("GRU", num_layers=2)
    with torch.autocast("cpu", dtype=torch.bfloat16), capture(rnn) as trace:
        rnn(x)[0].float().pow(2).sum().backward()
    for layer in trace.layers.values():
        confirmed(layer)


def test_a_penalty_on_the_weights_is_said_and_the_gradients_are_still_right():
    rnn, x = make()
    with capture(rnn) as trace:
        out, _ = rnn(x)
        (out.pow(2).sum() + 10 * sum(each.pow(2).sum() for each in rnn.parameters())).backward()
    with capture(rnn) as plain:
        rnn(x)[0].pow(2).sum().backward()
    with pytest.warns(GradientWarning, match="shares of weight_ih, weight_hh, bias_ih, bias_hh in l0 do not"):
        got = trace.layers["l0"].hidden_grad
    assert np.allclose(got, confirmed(plain.layers["l0"]), atol=1e-6)


def test_a_call_before_the_block_is_said():
    rnn, x = make()
    outside = rnn(x)[0]
    with capture(rnn) as trace:
        (rnn(x)[0].pow(2).sum() + outside.pow(3).sum()).backward()
    with pytest.warns(GradientWarning, match="not all calls were recorded"):
        _ = trace.layers["l0"].hidden_grad


def test_steps_that_cancel_each_other_are_confirmed():
    rnn, x = make("RNN")
    x = torch.cat([x, x])  # twice the same sequence, with opposite gradients
    with capture(rnn) as trace:
        out, _ = rnn(x)
        (out[:2] - out[2:]).sum().backward()
    confirmed(trace.layers["l0"])
