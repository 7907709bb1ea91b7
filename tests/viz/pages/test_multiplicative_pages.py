"""A file of a multiplicative LSTM, as of the sentiment neuron, under every lens."""

from __future__ import annotations

import pytest
import torch

from tests.support.lens_page import show_weight_gradient, start, text_of
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
    page = start(lens, opened=file, layer="cell.l0")
    assert not page.error and not page.exception
    view = page.session_state["unrolled"].view
    assert view.net.startswith("sentiment.pt") and view.layer == "cell.l0"
    if lens == "step":
        assert "gate order (cell.l0)" in text_of(page)
    if lens == "gradients":
        show_weight_gradient(page, "recurrent weights of the intermediate state W_mh", "weight_mh")
    if lens == "checkpoint":
        assert "weight_mx and weight_mh: factors of the intermediate state" in text_of(page)
