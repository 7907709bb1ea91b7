"""Keras's layers saved as arrays by their names: what is opened computes what Keras's own layer computes."""

import io
import os

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import numpy as np
import pytest
import torch

from models.checkpoints import CheckpointError, load_checkpoint

STEPS, INPUTS, UNITS = 6, 3, 4


def opened(tensors):
    file = io.BytesIO()
    np.savez(file, **tensors)
    return load_checkpoint(file.getvalue())


def named(layer, path="lstm/", end=""):
    """Return a layer's weights, each filled with random numbers, by Keras's name of it."""
    rng = np.random.default_rng(0)
    layer.set_weights([rng.normal(size=each.shape).astype(np.float32) for each in layer.get_weights()])
    return {
        f"{path}{each.name}{end}": np.asarray(value)
        for each, value in zip(layer.weights, layer.get_weights(), strict=True)
    }


@pytest.mark.parametrize("end", ["", ":0"])
@pytest.mark.parametrize(
    "layer",
    [
        lambda: keras.layers.LSTM(UNITS, return_sequences=True),
        lambda: keras.layers.LSTM(UNITS, return_sequences=True, use_bias=False),
        lambda: keras.layers.GRU(UNITS, return_sequences=True),
        lambda: keras.layers.GRU(UNITS, return_sequences=True, reset_after=False),
        lambda: keras.layers.SimpleRNN(UNITS, return_sequences=True),
    ],
)
def test_a_layer_computes_what_keras_computes(layer, end):
    layer = layer()
    x = np.random.default_rng(1).normal(size=(2, STEPS, INPUTS)).astype(np.float32)
    layer(x)
    tensors = named(layer, end=end)
    expected = keras.ops.convert_to_numpy(layer(x))
    checkpoint = opened(tensors)
    assert list(checkpoint.layers) == ["lstm.l0"] and not checkpoint.stored
    with torch.no_grad():
        found = checkpoint.layers["lstm.l0"].to_module()(torch.from_numpy(x))[0].numpy()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
    assert {"recurrent_activation", "activation"} <= set(checkpoint.found["lstm.l0"].assumed) or (
        isinstance(layer, keras.layers.SimpleRNN) and checkpoint.found["lstm.l0"].assumed == ("nonlinearity",)
    )


def test_both_directions_are_one_layer():
    halves = {}
    for direction in ("forward", "backward"):
        layer = keras.layers.LSTM(UNITS)
        layer.build((None, STEPS, INPUTS))
        halves |= named(layer, f"bidirectional/{direction}_lstm/lstm_cell/")
    checkpoint = opened(halves)
    assert list(checkpoint.layers) == ["bidirectional.lstm.lstm_cell.l0", "bidirectional.lstm.lstm_cell.l0_reverse"]


def test_a_bias_that_does_not_fit_is_refused():
    layer = keras.layers.LSTM(UNITS)
    layer.build((None, STEPS, INPUTS))
    with pytest.raises(CheckpointError, match=r"bias of lstm\.l0 has shape"):
        opened(named(layer) | {"lstm/bias": np.zeros(5, np.float32)})
