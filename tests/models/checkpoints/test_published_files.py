"""Trained files that others published in their packages: read like their own libraries read them."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from models.checkpoints import load_checkpoint


def folder_of(package: str) -> Path:
    """Return the folder of an installed package, without importing it; skip the test where it is absent."""
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        pytest.skip(f"{package} is not installed (pip install --no-deps)")
    return Path(found.origin).parent


def test_the_numpy_arrays_of_g2pm():
    """g2pM's weights are pickled arrays of a bidirectional LSTM; its own numpy cell is the oracle."""
    folder = folder_of("g2pM")
    checkpoint = load_checkpoint(folder / "np_ckpt.pkl")
    assert list(checkpoint.layers) == ["lstm.l0", "lstm.l0_reverse"]
    from g2pM import G2pM

    model, x = G2pM(), np.random.default_rng(0).normal(size=(2, 7, checkpoint.layers["lstm.l0"].input_size))
    for name, cell, steps in (
        ("lstm.l0", model.fw_lstm_cell, range(7)),
        ("lstm.l0_reverse", model.bw_lstm_cell, range(6, -1, -1)),
    ):
        module = checkpoint.layers[name].to_module()
        states, rows = None, []
        for step in steps:
            states = cell(x[:, step], states)
            rows.append(states[0])
        given = torch.tensor(x[:, list(steps)], dtype=torch.float32)
        assert np.allclose(module(given)[0].detach(), np.stack(rows, 1), atol=1e-5)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_the_pickled_module_of_beatnet(number):
    """A whole pickled module, and the same weights beside it as a state_dict."""
    folder = folder_of("BeatNet") / "models"
    whole, state = (
        load_checkpoint(folder / f"model-{number}.pt"),
        load_checkpoint(folder / f"model_{number}_weights.pt"),
    )
    assert whole.opaque == ("model.BDA",) and list(whole.layers) == list(state.layers) == ["lstm.l0", "lstm.l1"]
    for name, weights in state.layers.items():
        for part, values in weights.arrays().items():
            assert np.array_equal(getattr(whole.layers[name], part), values)
    assert {name: each.shape for name, each in whole.stored.items()} == {
        name: each.shape for name, each in state.stored.items()
    }


def test_the_reverse_layers_of_fcd():
    """fcd-torch reverses the input of a layer that is marked reverse, and then runs a torch layer."""
    path = folder_of("fcd_torch") / "ChemNet_v0.13_pretrained.pt"
    checkpoint = load_checkpoint(path)
    assert list(checkpoint.layers) == ["2.1.0.l0_reverse", "3.1.0.l0_reverse"]
    listed = torch.load(path, weights_only=True)
    for place, stack in ((2, "2.1.0"), (3, "3.1.0")):
        state, shape, other = listed[place][1]
        rnn = nn.LSTM(**shape)
        rnn.load_state_dict(state)
        assert other["reverse"] is True
        x = torch.randn(2, 9, shape["input_size"], generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            want = rnn(x.flip(1))[0].flip(1)
            assert torch.allclose(checkpoint.network(stack=stack).module(x), want, atol=1e-5)
