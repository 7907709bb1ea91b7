"""A file of an LSTM with peepholes and clipped preactivations under every lens."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.lens_page import show_weight_gradient, start_on_layer, text_of
from tests.support.onnx_models import model_of

pytest.importorskip("onnx")
from onnx import helper


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    made = np.random.default_rng(0)
    shapes = {"W": (1, 16, 3), "R": (1, 16, 4), "B": (1, 32), "P": (1, 12), "dense": (4, 2)}
    held = {name: made.normal(0, 0.6, shape).astype(np.float32) for name, shape in shapes.items()}
    nodes = [
        helper.make_node(
            "LSTM", ["X", "W", "R", "B", "", "", "", "P"], ["Y"], name="/rnn/LSTM", hidden_size=4, clip=1.5
        ),
        helper.make_node("Squeeze", ["Y", "axis"], ["states"]),
        helper.make_node("MatMul", ["states", "dense"], ["out"], name="/head/MatMul"),
    ]
    path = tmp_path_factory.mktemp("peepholes") / "peepholes.onnx"
    feed = {"X": np.zeros((5, 1, 3), np.float32)}
    path.write_bytes(model_of(nodes, feed, ["out"], held | {"axis": np.array([1])}, shapes={"X": ["time", 1, 3]}))
    return path


@pytest.mark.slow
@pytest.mark.parametrize("lens", ["step", "states", "gradients", "edit", "checkpoint"])
def test_every_lens_shows_it(file, lens):
    page = start_on_layer(lens, file, "rnn.l0")
    assert not page.warning
    if lens == "gradients":
        show_weight_gradient(page, "peepholes w_c", "weight_ch")
    if lens == "checkpoint":
        assert "weight_ch: peepholes" in text_of(page)
