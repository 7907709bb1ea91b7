"""Keras's files: every opened layer computes what Keras computed."""

from __future__ import annotations

import io
import json
import os
import warnings
import zipfile

import h5py
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.checkpoints import CheckpointError, Limits, load_checkpoint
from models.checkpoints.building.build import build_network, compatible_parts, default_setup
from models.decoding.run_network import run_network
from models.networks.precision import states_by_format
from tests.support.oracle import layer as computed

os.environ["KERAS_BACKEND"] = "torch"
pytestmark = pytest.mark.filterwarnings("ignore")
keras = pytest.importorskip("keras")
L = keras.layers

FILES = ["model.keras", "model.h5", "model.weights.h5"]


def written(model, path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        (model.save_weights if ".weights." in path.name else model.save)(path)
    # By content alone: the name says nothing.
    return load_checkpoint(path.read_bytes())


def states_of(checkpoint, name, x):
    """Return the hidden states of an opened layer on an input (T, D), by position."""
    weights = checkpoint.layers[name]
    zeros = torch.zeros(weights.hidden_size)
    reverse = name.endswith("_reverse")
    return computed(weights.kind, weights.tensors, x, (zeros, zeros), reverse, **weights.options)["hidden"]


def follow(checkpoint, x):
    """(T, D) through all opened layers, one after the other; bare weights do not determine the order of layers."""
    names = list(checkpoint.layers)
    if names == ["aa.l0", "zz.l0"]:
        names.reverse()
    for name in names:
        if f"{name}_reverse" in names:
            x = torch.cat([states_of(checkpoint, name, x), states_of(checkpoint, f"{name}_reverse", x)], dim=-1)
        elif name.removesuffix("_reverse") == name or name.removesuffix("_reverse") not in names:
            x = states_of(checkpoint, name, x)
    return x


def same(model, checkpoint):
    x = np.random.default_rng(0).normal(size=(1, 6, 3)).astype(np.float32)
    expected = keras.ops.convert_to_numpy(model(x))[0]
    tolerance = 1e-5 * max(1, np.abs(expected).max())  # without a bound states may grow far beyond 1
    np.testing.assert_allclose(follow(checkpoint, torch.tensor(x[0])).numpy(), expected, rtol=0, atol=tolerance)


def model_of(*layers, name=None):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((6, 3)), *layers], name=name)
    for weight in model.weights:  # biases too: zeros would hide their order
        weight.assign(weight + 0.3 * np.random.default_rng(1).normal(size=weight.shape))
    return model


LAYERS = {
    "lstm": lambda: [L.LSTM(4, return_sequences=True)],
    "lstm without bias": lambda: [L.LSTM(4, return_sequences=True, use_bias=False)],
    "gru": lambda: [L.GRU(4, return_sequences=True)],
    "gru, reset before": lambda: [L.GRU(4, return_sequences=True, reset_after=False)],
    "simple rnn": lambda: [L.SimpleRNN(4, return_sequences=True)],
    "stack": lambda: [L.LSTM(4, return_sequences=True, name="zz"), L.GRU(3, return_sequences=True, name="aa")],
    "bidirectional": lambda: [L.Bidirectional(L.LSTM(4, return_sequences=True))],
    "two bidirectional": lambda: [L.Bidirectional(L.GRU(n, return_sequences=True), name=f"b{n}") for n in (4, 2)],
    "stacked cells": lambda: [L.RNN([L.LSTMCell(4), L.GRUCell(2), L.LSTMCell(5)], return_sequences=True)],
    "nested": lambda: [keras.Sequential([keras.Input((6, 3)), L.LSTM(4, return_sequences=True)], name="inner")],
}


@pytest.mark.slow
@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("kind", LAYERS)
def test_every_layer(kind, file, tmp_path):
    model = model_of(*LAYERS[kind]())
    same(model, written(model, tmp_path / file))


@pytest.mark.parametrize("file", FILES)
def test_a_relu_stands_in_the_configuration(file, tmp_path):
    model = model_of(L.SimpleRNN(4, activation="relu", return_sequences=True, name="rnn"))
    checkpoint = written(model, tmp_path / file)
    if ".weights." in file:
        assert checkpoint.found["rnn.l0"].assumed == ("nonlinearity",)
        checkpoint = checkpoint.corrected("rnn.l0", nonlinearity="relu")
    same(model, checkpoint)


def test_bare_weights_ask_for_the_activations(tmp_path):
    model = model_of(L.GRU(4, name="rnn", recurrent_activation="hard_sigmoid", return_sequences=True))
    checkpoint = written(model, tmp_path / "m.weights.h5")
    assert checkpoint.found["rnn.l0"].assumed == ("recurrent_activation", "activation")
    known = checkpoint.corrected("rnn.l0", recurrent_activation="hard_sigmoid_3", activation="tanh")
    assert known.found["rnn.l0"].assumed == () and known.layers["rnn.l0"].kind == "GRU"
    same(model, known)
    with pytest.raises(
        CheckpointError, match=r"activation function swish of rnn\.l0 is not supported. Supported functions: tanh, "
    ):
        checkpoint.corrected("rnn.l0", recurrent_activation="swish")


NAMES = ["tanh", "sigmoid", "relu", "linear", "hard_sigmoid", "softsign", "elu"]
KINDS = {
    "lstm": lambda **names: L.LSTM(4, return_sequences=True, **names),
    "gru": lambda **names: L.GRU(4, return_sequences=True, **names),
    "gru, reset before": lambda **names: L.GRU(4, return_sequences=True, reset_after=False, **names),
    "bidirectional": lambda **names: L.Bidirectional(L.LSTM(4, return_sequences=True, **names)),
    "cells": lambda **names: L.RNN([L.GRUCell(4, **names), L.LSTMCell(3, **names)], return_sequences=True),
    "rnn": lambda activation, **_: L.SimpleRNN(4, return_sequences=True, activation=activation),
}


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(sorted(KINDS)),
    activation=st.sampled_from([*NAMES, None]),
    recurrent_activation=st.sampled_from(NAMES),
    file=st.sampled_from(FILES[:2]),
)
def test_activations_stand_in_the_configuration(kind, activation, recurrent_activation, file, tmp_path):
    model = model_of(KINDS[kind](activation=activation, recurrent_activation=recurrent_activation))
    checkpoint = written(model, tmp_path / file)
    same(model, checkpoint)
    assert all(not found.assumed for found in checkpoint.found.values())


@pytest.mark.parametrize(
    "rnn",
    [
        lambda: L.LSTM(6, return_sequences=True, recurrent_activation="hard_sigmoid", activation="relu"),
        lambda: L.GRU(6, return_sequences=True, reset_after=False),
    ],
    ids=["relu and hard sigmoid", "reset before"],
)
def test_a_language_model_that_torch_has_no_kernel_for_runs(rnn, tmp_path):
    keras.utils.set_random_seed(0)
    layers = [L.Embedding(11, 5), rnn(), L.Dense(11, activation="softmax")]
    model = keras.Sequential([keras.Input((None,)), *layers])
    for index, weight in enumerate(model.weights):
        weight.assign(weight + 0.8 * np.random.default_rng(index).normal(size=weight.shape))
    checkpoint = written(model, tmp_path / "model.keras")
    network = build_network(checkpoint, default_setup(compatible_parts(checkpoint)), "model.keras")
    ids = np.array([[1, 2, 3, 4, 0, 7, 9]])
    probability = torch.softmax(network.module(torch.tensor(ids)), -1)[0]
    expected = keras.ops.convert_to_numpy(model(ids))[0]
    np.testing.assert_allclose(probability.detach().numpy(), expected, rtol=0, atol=1e-5)
    layer = next(iter(checkpoint.layers))
    hidden = run_network(network, "1 2 3 4 0 7 9").trace.layers[layer].hidden[0]
    states = keras.ops.convert_to_numpy(layers[1](layers[0](ids)))[0]
    np.testing.assert_allclose(hidden, states, rtol=0, atol=1e-5)


def renamed(path, version):
    """The same file as an older Keras would have marked it."""
    with h5py.File(path, "a") as file:
        file.attrs["keras_version"] = version
    return load_checkpoint(path)


@pytest.mark.parametrize("version", ["2.0.8", "2.2.4-tf", "2.15.0"])
def test_a_hard_sigmoid_before_keras_3(version, tmp_path):
    """It was another: the oracle is a Keras layer with that function."""
    model = model_of(L.LSTM(4, name="rnn", recurrent_activation="hard_sigmoid", return_sequences=True))
    model.save(tmp_path / "m.h5")
    checkpoint = renamed(tmp_path / "m.h5", version)
    assert checkpoint.layers["rnn.l0"].recurrent_activation == "hard_sigmoid"
    old = model_of(
        L.LSTM(4, name="rnn", return_sequences=True,
               recurrent_activation=lambda v: keras.ops.clip(0.2 * v + 0.5, 0.0, 1.0))
    )  # fmt: skip
    old.set_weights(model.get_weights())
    same(old, checkpoint)


@pytest.mark.parametrize("file", FILES[:2])
def test_a_backward_layer_says_so(file, tmp_path):
    model = model_of(L.GRU(4, return_sequences=True, go_backwards=True, name="back"))
    checkpoint = written(model, tmp_path / file)
    assert list(checkpoint.layers) == ["back.l0_reverse"]
    x = np.random.default_rng(0).normal(size=(1, 6, 3)).astype(np.float32)
    expected = keras.ops.convert_to_numpy(model(x))[0][::-1]  # Keras returns them in the order of computation
    np.testing.assert_allclose(follow(checkpoint, torch.tensor(x[0])).numpy(), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("options", [{"recurrent_activation": "softplus"}, {"activation": L.LeakyReLU()}])
def test_other_activations_are_named(options, tmp_path):
    model = model_of(L.LSTM(4, name="odd", **options))
    with pytest.raises(CheckpointError, match=r"of odd\.l0 is not supported\. Supported functions: tanh, "):
        written(model, tmp_path / "model.keras")


@pytest.mark.parametrize("config", [True, False])
@pytest.mark.parametrize(("kind", "order"), [("LSTM", [0, 1, 2, 3]), ("GRU", [1, 0, 2])])
def test_layers_of_cudnn(kind, order, config):
    """Keras 2 hands the numbers of each gate's kernel to cuDNN in a row, which reads a matrix (units, inputs) of them."""
    torch.manual_seed(0)
    module, x = getattr(torch.nn, kind)(3, 4, batch_first=True), torch.randn(1, 6, 3)
    blocks = {name: values.detach().numpy().reshape(len(order), 4, -1) for name, values in module.named_parameters()}

    def kernel(name):
        inputs = blocks[name].shape[2]
        return np.concatenate([blocks[name][gate].reshape(inputs, 4) for gate in order], axis=1)

    def build(out):
        group = out.create_group("model_weights/cudnn/cudnn")
        group["kernel:0"], group["recurrent_kernel:0"] = kernel("weight_ih_l0"), kernel("weight_hh_l0")
        group["bias:0"] = np.concatenate([blocks[name][order].ravel() for name in ("bias_ih_l0", "bias_hh_l0")])
        if config:
            entry = {"class_name": f"CuDNN{kind}", "config": {"name": "cudnn", "units": 4}}
            out.attrs["keras_version"] = "2.2.4"
            out.attrs["model_config"] = json.dumps({"class_name": "Sequential", "config": {"layers": [entry]}})

    checkpoint = load_checkpoint(hdf5(build))
    assert checkpoint.found["cudnn.l0"].assumed == () and checkpoint.found["cudnn.l0"].certainty == 1
    assert torch.allclose(states_of(checkpoint, "cudnn.l0", x[0]), module(x)[0][0], rtol=0, atol=1e-6)


@pytest.mark.slow
def test_other_tensors_keep_their_names(tmp_path):
    model = model_of(L.LSTM(4, name="rnn"), L.Dense(2, name="out"))
    for file in FILES:
        checkpoint = written(model, tmp_path / file)
        assert list(checkpoint.layers) == ["rnn.l0"]
        assert {values.shape for values in checkpoint.tensors.values()} == {(4, 2), (2,)}
    assert load_checkpoint(tmp_path / "model.keras").provenance["keras_version"] == keras.__version__


NOTES = np.array(
    [[0.1, 4.2, 1.5, 1.1, 2.8], [1.0, 3.1, 2.5, 0.7, 1.1], [0.3, 2.1, 1.5, 2.1, 0.1], [2.2, 1.4, 0.5, 0.9, 1.1]],
    dtype=np.float32,
)


@pytest.fixture
def notes(tmp_path):
    """The bidirectional LSTM of the study notes, written by Keras."""
    tenth = {"kernel_initializer": keras.initializers.Constant(0.1), "bias_initializer": "zeros"}
    rnn = L.LSTM(3, return_sequences=True, recurrent_initializer=keras.initializers.Constant(0.1), **tenth)
    return written(keras.Sequential([keras.Input((4, 5)), L.Bidirectional(rnn, name="notes")]), tmp_path / "n.keras")


def test_the_numbers_of_the_study_notes(notes):
    """In float32: the last forward and the first backward state."""
    x = torch.tensor(NOTES)
    np.testing.assert_allclose(states_of(notes, "notes.l0", x)[-1], 0.6303139, rtol=0, atol=1e-6)
    np.testing.assert_allclose(states_of(notes, "notes.l0_reverse", x)[0], 0.70387346, rtol=0, atol=1e-6)


def test_the_printed_arrays_of_the_study_notes_are_tf32(notes):
    printed = {
        "notes.l0": [0.35896602, 0.5509713, 0.5910032, 0.6301636],
        "notes.l0_reverse": [0.7037439, 0.5884772, 0.39501813, 0.21932526],
    }
    for name, expected in printed.items():
        found = states_by_format(notes.layers[name], NOTES, ["tf32"], reverse=name.endswith("_reverse"))
        np.testing.assert_allclose(found.states["tf32"]["hidden"][:, 0], expected, rtol=0, atol=2e-7)


def test_a_lambda_stays_text(tmp_path):
    """A Lambda layer's code is part of the configuration; opening the file must not run it."""
    path = tmp_path / "written"
    where = str(path)
    model = model_of(L.LSTM(4, name="rnn"), L.Lambda(lambda x: os.close(os.open(where, os.O_CREAT)) or x))
    assert path.exists()
    model.save(tmp_path / "m.keras")
    path.unlink(missing_ok=True)  # Keras ran it to build the model
    assert list(load_checkpoint(tmp_path / "m.keras").layers) == ["rnn.l0"]
    assert not path.exists()


def hdf5(build):
    file = io.BytesIO()
    with h5py.File(file, "w") as out:
        build(out)
    return file.getvalue()


@pytest.mark.slow
def test_no_other_file_is_opened(tmp_path):
    secret = tmp_path / "secret.h5"
    with h5py.File(secret, "w") as out:
        out["kernel"] = np.ones((2, 2))
    raw = tmp_path / "raw.bin"
    raw.write_bytes(bytes(32))

    def link(out):
        out["kernel"] = h5py.ExternalLink(str(secret), "kernel")

    def outside(out):
        out.create_dataset("kernel", (2, 2), "f8", external=[(str(raw), 0, 32)])

    def virtual(out):
        layout = h5py.VirtualLayout((2, 2), "f8")
        layout[:] = h5py.VirtualSource(str(secret), "kernel", (2, 2))
        out.create_virtual_dataset("kernel", layout)

    for build in (link, outside, virtual):
        with pytest.raises(CheckpointError, match="kernel of this HDF5 file is stored in another file"):
            load_checkpoint(hdf5(build))


def test_what_is_not_there_is_not_made():
    """A tensor of a million million zeros that were never written, and one that packs well, are refused."""
    with pytest.raises(CheckpointError, match="in this HDF5 file is too large"):
        load_checkpoint(hdf5(lambda out: out.create_dataset("a", (1 << 20, 1 << 20), "f4")))
    packed = hdf5(lambda out: out.create_dataset("a", data=np.zeros((1 << 20,)), compression="gzip"))
    assert len(packed) < 1 << 17
    with pytest.raises(CheckpointError, match="in this HDF5 file is too large"):
        load_checkpoint(packed, limits=Limits(unpacked=1 << 20))


@pytest.mark.parametrize("config", ['{"class_name": ', "[" * 100_000, json.dumps({"config": {"layers": 3}})])
def test_a_damaged_configuration(config, tmp_path):
    model = model_of(L.LSTM(4, name="rnn"))
    model.save(tmp_path / "m.keras")
    out = io.BytesIO()
    with zipfile.ZipFile(tmp_path / "m.keras") as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            new.writestr(name, config if name == "config.json" else old.read(name))
    if "layers" in config:
        assert load_checkpoint(out.getvalue()).found["rnn.l0"].certainty < 1
    else:
        with pytest.raises(CheckpointError, match="configuration in this Keras file is damaged"):
            load_checkpoint(out.getvalue())
