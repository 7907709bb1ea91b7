"""Keras models with weights at random, saved, opened, and compared with the networks built from the files."""

from __future__ import annotations

import os
import warnings

import numpy as np
import pytest
import torch

from models.checkpoints import load_checkpoint

os.environ["KERAS_BACKEND"] = "torch"
keras = pytest.importorskip("keras")
L = keras.layers

FILES = ["model.keras", "model.h5"]
STEPS, SIZE, VOCABULARY = 6, 3, 9
IDS = np.array([[3, 1, 4, 1, 5, 8], [3, 1, 4, 0, 0, 0], [0, 0, 0, 3, 1, 4], [0, 2, 0, 3, 0, 4], [0, 0, 0, 0, 0, 7]])
ROWS = np.random.default_rng(0).normal(size=(5, STEPS, SIZE)).astype(np.float32)
PADDED = np.where((IDS != 0)[..., None], ROWS, 0).astype(np.float32)


class NormedCell(L.LSTMCell):
    """``LayerNormLSTMCell`` of TensorFlow Addons 0.23, whose code is the same but for the names of operations."""

    def __init__(self, units, norm_epsilon=1e-3, **options):
        super().__init__(units, **options)
        self.norm_epsilon = norm_epsilon
        self.kernel_norm = L.LayerNormalization(epsilon=norm_epsilon, name="kernel_norm")
        self.recurrent_norm = L.LayerNormalization(epsilon=norm_epsilon, name="recurrent_norm")
        self.state_norm = L.LayerNormalization(epsilon=norm_epsilon, name="state_norm")

    def build(self, input_shape):
        super().build(input_shape)
        self.kernel_norm.build((input_shape[0], self.units * 4))
        self.recurrent_norm.build((input_shape[0], self.units * 4))
        self.state_norm.build((input_shape[0], self.units))

    def call(self, inputs, states, training=False):
        h, c = states
        z = self.kernel_norm(keras.ops.matmul(inputs, self.kernel))
        z += self.recurrent_norm(keras.ops.matmul(h, self.recurrent_kernel))
        if self.use_bias:
            z += self.bias
        c, o = self._compute_carry_and_output_fused(keras.ops.split(z, 4, axis=1), c)
        c = self.state_norm(c)
        h = o * self.activation(c)
        return h, [h, c]

    def get_config(self):
        return {**super().get_config(), "norm_epsilon": self.norm_epsilon}


LayerNormLSTMCell = keras.saving.register_keras_serializable("Addons", "LayerNormLSTMCell")(
    type("LayerNormLSTMCell", (NormedCell,), {})
)


def randomized(model):
    """The model with weights drawn at random: biases and norms too."""
    rng = np.random.default_rng(0)
    for weight in model.weights:
        values = rng.normal(0, 0.5, weight.shape)
        if weight.dtype.startswith("float"):
            weight.assign(np.abs(values) + 0.1 if "variance" in weight.path else values)
    return model


def written(model, path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.save(path)
    return load_checkpoint(path)


def outputs(model, *given):
    result = model(list(given) if len(given) > 1 else given[0], training=False)
    return [keras.ops.convert_to_numpy(each) for each in keras.tree.flatten(result)]


def same(model, net, *given, tolerance=1e-5):
    expected = outputs(model, *given)
    with torch.no_grad():
        got = net(*map(torch.as_tensor, given))
    got = got if isinstance(got, tuple) else (got,)
    assert len(got) == len(expected) == len(net.outputs) and net.left_out == ()
    for one, other in zip(expected, got, strict=True):
        bound = tolerance * max(1, np.nanmax(np.abs(one), initial=0))
        np.testing.assert_allclose(other.numpy(), one, rtol=0, atol=bound)


def check(model, tmp_path, *given, files=FILES):
    randomized(model)
    for file in files:
        net = written(model, tmp_path / file).graph()
        same(model, net, *given)
    return net


def sequence(*layers, masked=True):
    return keras.Sequential([keras.Input((STEPS, SIZE)), *([L.Masking(0.0)] if masked else []), *layers])
