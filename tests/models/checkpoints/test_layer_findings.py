"""What the weights of a layer say, by cell, gate and part of the weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.checkpoints.health import check_layer
from tests.models.checkpoints.test_checkpoint_health import changed, layer


@pytest.mark.parametrize(("radius", "explodes"), [(2.0, False), (3.9, False), (4.2, True)])
def test_gradients_of_a_sigmoid_rnn_explode_only_beyond_four(radius, explodes):
    """A sigmoid's slope is at most 1/4: autograd's longest step Jacobian at its steepest point is a quarter of W_hh."""
    weights = layer("RNN", units=12, nonlinearity="sigmoid")
    matrix = radius * torch.nn.init.orthogonal_(torch.empty(12, 12)).numpy()
    found = check_layer("rnn", changed(weights, weight_hh=matrix))
    through = torch.func.jacrev(lambda h: torch.sigmoid(torch.tensor(matrix) @ h))(torch.zeros(12))
    growth = float(torch.linalg.eigvals(through).abs().max())
    assert growth == pytest.approx(radius / 4, rel=1e-4) and (growth > 1) == explodes
    assert any("can explode" in str(each) and f"by {growth:.3g} ×" in str(each) for each in found) == explodes


LARGE = [
    ("LSTM", "weight_ih", "contains a weight of magnitude 300. An input near ±1 is enough to saturate the unit"),
    ("GRU", "bias_hh", "contains a bias of magnitude 300. It probably keeps the unit saturated"),
    ("RNN", "weight_hh", "contains a weight of magnitude 300. An input near ±1 is enough to saturate the unit"),
    ("relu", "weight_ih", "contains a weight or bias of magnitude 300. The states can grow very large."),
    ("relu", "bias_ih", "contains a weight or bias of magnitude 300. The states can grow very large."),
]


@pytest.mark.parametrize(("kind", "part", "sentence"), LARGE)
def test_a_large_weight_is_told_by_cell_and_part(kind, part, sentence):
    weights = layer("RNN", nonlinearity="relu") if kind == "relu" else layer(kind)
    large = getattr(weights, part).copy()
    large[0] = 300
    found = [each for each in check_layer("l0", changed(weights, **{part: large})) if "magnitude" in str(each)]
    (finding,) = found
    assert finding.severity == "warning" and sentence in str(finding) and "gate" not in str(finding)
    assert f"largest {part.split('_')[0]}" in str(finding.evidence[0].measure)


def test_a_permanently_saturated_gate_is_named():
    weights = layer(units=4)
    bias = weights.bias_ih.copy()
    bias[4:8] = (30, -30, 0, 0)
    (finding,) = (each for each in check_layer("l0", changed(weights, bias_ih=bias)) if "saturated" in str(each))
    assert str(finding).startswith("Units of l0 with a permanently saturated forget gate: 2.")


def test_the_forget_bias_finding_says_what_the_bias_does():
    """Not that the gate is closed, nor that nothing can be learned: its mean with zero input and state is the number said."""
    weights = layer()
    bias = np.zeros_like(weights.bias_ih)
    bias[8:16] = -1.5
    (finding,) = (
        each for each in check_layer("l0", changed(weights, bias_ih=bias, bias_hh=0 * bias)) if "forget" in str(each)
    )
    kept = float(torch.sigmoid(torch.tensor(-1.5)))
    assert f"with zero input and zero hidden state, the LSTM keeps only {kept:.0%} of its cell state" in str(finding)
    assert "If you train from scratch" in str(finding) and "closed" not in str(finding)
