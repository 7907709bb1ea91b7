"""Two checkpoints beside each other, against torch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.torch import save
from torch import nn

from models.checkpoints import CheckpointError, load_checkpoint
from models.checkpoints.health.compare_checkpoints import compare_checkpoints, measure_change


def network(**options):
    torch.manual_seed(0)
    return nn.ModuleDict({"embedding": nn.Embedding(9, 3), "rnn": nn.LSTM(3, 4, **options), "head": nn.Linear(4, 9)})


def opened(net):
    return load_checkpoint(save(net.state_dict()))


@pytest.mark.parametrize("chunk", [5, 1 << 20])
def test_what_training_moved(chunk, monkeypatch):
    monkeypatch.setattr("models.checkpoints.health.compare_checkpoints.CHUNK_SIZE", chunk)
    net = network()
    first, before = opened(net), {name: values.clone() for name, values in net.state_dict().items()}
    net["embedding"].weight.requires_grad_(False)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.5)
    out = net["head"](net["rnn"](net["embedding"](torch.arange(9))[:, None])[0])
    out[:, 0].logsumexp(-1).sum().backward()
    optimizer.step()
    after = net.state_dict()
    compared = compare_checkpoints(first, opened(net))
    assert compared.layers == {"rnn.l0": "rnn.l0"} and not (
        compared.only_first or compared.only_second or compared.incompatible
    )
    found = {(each.name, each.part, each.gate): each for each in compared.all_changes()}
    for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        gates = ("input_gate", "forget_gate", "candidate", "output_gate")
        blocks = zip(gates, before[f"rnn.{part}_l0"].chunk(4), after[f"rnn.{part}_l0"].chunk(4), strict=True)
        for gate, a, b in blocks:
            each = found["rnn.l0", part, gate]
            assert each.relative == pytest.approx(float((b - a).norm() / a.norm()), rel=1e-5)
            cosine = torch.cosine_similarity(a.flatten().double(), b.flatten().double(), 0)
            assert each.cosine == pytest.approx(float(cosine), abs=1e-9)
            assert each.largest == pytest.approx(float((b - a).abs().max()), rel=1e-5)
            assert abs(float(b[each.at] - a[each.at])) == pytest.approx(each.largest, rel=1e-5)
            assert (each.before, each.after) == (float(a[each.at]), float(b[each.at]))
    still = found["embedding.weight", "", None]
    assert (still.relative, still.largest) == (0, 0) and still.cosine == pytest.approx(1)
    assert found["head.bias", "", None].relative > 0


def test_other_networks():
    first = opened(network())
    other = network()
    other["rnn"] = nn.GRU(3, 4)
    other["extra"] = nn.Linear(2, 2)
    del other["embedding"]
    compared = compare_checkpoints(first, opened(other))
    assert compared.layers == {} and compared.incompatible == ("rnn.l0",)
    assert compared.only_first == ("embedding.weight",) and set(compared.only_second) == {"extra.weight", "extra.bias"}
    with pytest.raises(CheckpointError, match="no layers or tensors in common"):
        compare_checkpoints(first, opened(nn.Linear(2, 3)))


def test_layers_of_other_names_are_compared_in_their_order():
    net = network()
    renamed = nn.ModuleDict({"decoder": net["rnn"]})
    assert compare_checkpoints(opened(net), opened(renamed)).layers == {"rnn.l0": "decoder.l0"}


def test_numbers_that_are_none():
    a, b = np.array([1.0, np.inf, 3]), np.array([1.0, np.inf, 4])
    assert measure_change(a, b).largest == 1 and measure_change(a, b).at == (2,)
    b[0] = np.nan
    broken = measure_change(a, b)
    assert np.isnan(broken.largest) and broken.at == (0,)
    assert measure_change(np.zeros(3), np.ones(3)).relative == np.inf and np.isnan(
        measure_change(np.zeros(3), np.ones(3)).cosine
    )
    assert measure_change(np.zeros((0, 2)), np.zeros((0, 2))).size == 0
