"""A file of a multiplicative LSTM, as of the sentiment neuron, under every lens."""

from __future__ import annotations

import pytest
import torch

from tests.support.lens_page import show_weight_gradient, start_on_layer, text_of
from tests.support.multiplicative_networks import MultiplicativeNetwork


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("multiplicative") / "sentiment.pt"
    torch.save(MultiplicativeNetwork().state_dict(), path)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("lens", ["step", "states", "gradients", "edit", "checkpoint"])
def test_every_lens_shows_it(file, lens):
    page = start_on_layer(lens, file, "cell.l0")
    if lens == "step":
        assert "gate order (cell.l0)" in text_of(page)
    if lens == "gradients":
        show_weight_gradient(page, "recurrent weights of the intermediate state W_mh", "weight_mh")
    if lens == "checkpoint":
        assert "weight_mx and weight_mh: factors of the intermediate state" in text_of(page)
