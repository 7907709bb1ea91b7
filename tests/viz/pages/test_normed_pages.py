"""A file of a layer-norm LSTM under the lenses that name its weights."""

from __future__ import annotations

import pytest
import torch

from tests.support.lens_page import show_weight_gradient, start_on_layer, text_of
from tests.support.normed_networks import NormedNetwork


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("normed") / "normed.pt"
    torch.save(NormedNetwork().state_dict(), path)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("lens", ["states", "gradients", "checkpoint"])
def test_the_lenses_name_its_norms(file, lens):
    page = start_on_layer(lens, file, "lower.cell.l0")
    assert not page.warning
    if lens == "states":
        assert "A layer norm follows the forget gate here, so no gate alone" in text_of(page)
    if lens == "gradients":
        show_weight_gradient(page, "gains of the layer norm, cell state", "gain_c")
    if lens == "checkpoint":
        assert "gain and shift: factors and terms of the layer norms" in text_of(page)
        assert "layer norms as in PyTorch's custom_lstms, and their epsilon" in text_of(page)
