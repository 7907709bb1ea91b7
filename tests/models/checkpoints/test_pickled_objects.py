"""Pickles of more than tensors: whole modules, objects beside a state_dict, numpy arrays. Nothing in them is run."""

from __future__ import annotations

import io
import pickle
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes
from torch import nn

from models.checkpoints import CheckpointError, load_checkpoint
from models.checkpoints.building.build import FUNCTIONS

SYMBOLS = ("<unk>", *"abcdefg")


class Tagger(nn.Module):
    def __init__(self, rnn: nn.RNNBase) -> None:
        super().__init__()
        self.embedding, self.rnn, self.fc = nn.Embedding(8, 3), rnn, nn.Linear(8, 8)
        self.steps, self.start = [1, 2], torch.ones(8)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.fc(self.rnn(self.embedding(ids))[0])


class Config:
    def __init__(self) -> None:
        self.hidden, self.loss = 4, nn.MSELoss()


class Settings(dict):
    pass


class Dictionary:
    """As flair's: the symbols are bytes."""

    def __init__(self) -> None:
        self.item2idx = {symbol.encode(): index for index, symbol in enumerate(SYMBOLS)}


def touch(path: str) -> str:
    """Write a file: a pickle that names this function would call it."""
    Path(path).touch()
    return path


class Caller:
    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self) -> tuple:
        return touch, (self.path,)


def saved(value, legacy=False) -> bytes:
    file = io.BytesIO()
    torch.save(value, file, _use_new_zipfile_serialization=not legacy)
    return file.getvalue()


@pytest.mark.filterwarnings("ignore:Couldn't retrieve source code")
@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.LSTM(3, 8, 2, batch_first=True),
        lambda: nn.GRU(3, 4, bidirectional=True, batch_first=True),
        lambda: nn.RNN(3, 8, nonlinearity="relu", batch_first=True),
    ],
    ids=["LSTM", "GRU", "RNN"],
)
def test_a_module_that_was_pickled_as_a_whole(make, legacy):
    torch.manual_seed(0)
    net = Tagger(make()).eval()
    checkpoint = load_checkpoint(saved(net, legacy))
    assert checkpoint.opaque == (f"{Tagger.__module__}.Tagger",)
    for name, weights in checkpoint.layers.items():
        suffix = name.removeprefix("rnn.")
        assert not checkpoint.found[name].assumed
        for part, values in weights.arrays().items():
            assert np.array_equal(values, getattr(net.rnn, f"{part}_{suffix}").detach())
    assert set(checkpoint.stored) == {"start", "embedding.weight", "fc.weight", "fc.bias"}
    ids = torch.randint(0, 8, (2, 5))
    network = checkpoint.network()
    with torch.no_grad():
        assert torch.allclose(network.module(ids), net(ids), atol=1e-5)
    assert network.left_out == ("start", FUNCTIONS)


HPARAMS = {
    "loss module": lambda: {"criterion": nn.MSELoss()},
    "optimizer class": lambda: {"optimizer": torch.optim.Adam},
    "partial": lambda: {"make": partial(torch.optim.Adam, lr=1e-3)},
    "own class": lambda: {"config": Config()},
    "own dictionary": lambda: Settings(hidden=4, inner=Settings(a=[1, (2, 3)])),
    "set of objects": lambda: {"all": {Config, 1}},
    "numpy values": lambda: {"mean": np.zeros(3), "std": np.float64(1.0)},
    "dtype and device": lambda: {"dtype": torch.float32, "device": torch.device("cpu")},
}


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("label", HPARAMS)
def test_objects_beside_a_state_dict(label, legacy):
    rnn = nn.LSTM(3, 4)
    state = {f"model.{name}": values for name, values in rnn.state_dict().items()}
    file = {"epoch": 3, "pytorch-lightning_version": "2.6.0", "state_dict": state, "hyper_parameters": HPARAMS[label]()}
    checkpoint = load_checkpoint(saved(file, legacy))
    assert checkpoint.format == "PyTorch Lightning"
    assert np.array_equal(checkpoint.layers["model.l0"].weight_hh, rnn.weight_hh_l0.detach())
    assert bool(checkpoint.opaque) == (label in ("own class", "own dictionary", "set of objects", "partial"))


def test_symbols_in_an_object_of_another_library():
    rnn = nn.LSTM(3, 4)
    state = {f"rnn.{name}": values for name, values in rnn.state_dict().items()}
    checkpoint = load_checkpoint(saved({"state_dict": state, "dictionary": Dictionary()}))
    assert checkpoint.vocabularies == {"dictionary.item2idx": SYMBOLS}
    assert checkpoint.opaque == (f"{Dictionary.__module__}.Dictionary",)


def test_tensors_in_a_dictionary_of_another_class():
    rnn = nn.GRU(3, 4)
    checkpoint = load_checkpoint(saved(Settings({f"rnn.{name}": each for name, each in rnn.state_dict().items()})))
    assert np.array_equal(checkpoint.layers["rnn.l0"].weight_hh, rnn.weight_hh_l0.detach())


@pytest.mark.parametrize("write", [saved, partial(saved, legacy=True), pickle.dumps], ids=["zip", "legacy", "pickle"])
def test_an_unknown_function_is_named_and_not_called(write, tmp_path):
    path = tmp_path / "written"
    arrays = {f"rnn.{name}": np.array(values) for name, values in nn.LSTM(3, 4).state_dict().items()}
    checkpoint = load_checkpoint(write(arrays | {"x": Caller(path)}))
    assert list(checkpoint.layers) == ["rnn.l0"] and not path.exists()
    assert checkpoint.opaque == (f"{touch.__module__}.touch",)


@settings(max_examples=40, deadline=None)
@given(
    array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
    st.sampled_from(["<f4", ">f4", "<f8", "<f2", "<i8", "|u1", "|b1", ">i2"]),
    st.sampled_from("CF"),
    st.integers(2, 5),
)
def test_pickled_arrays(shape, dtype, order, protocol):
    values = np.asarray(np.arange(np.prod(shape, dtype=int)).reshape(shape), dtype=dtype, order=order)
    checkpoint = load_checkpoint(pickle.dumps({"layer": {"W": values}, "names": np.array(["a"])}, protocol))
    read = checkpoint.tensors["layer.W"]
    assert list(checkpoint.tensors) == ["layer.W"] and read.shape == values.shape
    assert np.array_equal(read, values)
    assert read.dtype == (np.float32 if dtype == "<f2" else np.dtype(dtype).newbyteorder("<"))


def test_a_damaged_array():
    data = pickle.dumps({"W": np.zeros(4, np.float32)}, 2)
    with pytest.raises(CheckpointError, match="damaged"):
        load_checkpoint(data.replace(b"f4", b"f8"))


@pytest.mark.parametrize("key", ["reverse", "go_backwards"])
def test_a_layer_that_is_marked_reverse(key):
    torch.manual_seed(0)
    rnn, x = nn.LSTM(3, 4, batch_first=True), torch.randn(2, 6, 3)
    layers = [("LSTM", (dict(rnn.state_dict()), {"hidden_size": 4}, {key: True, "last": False}))]
    checkpoint = load_checkpoint(saved(layers))
    assert list(checkpoint.layers) == ["0.1.0.l0_reverse"]
    with torch.no_grad():
        want = rnn(x.flip(1))[0].flip(1)
        assert torch.allclose(checkpoint.network().module(x), want, atol=1e-6)
    layers = [("LSTM", (dict(rnn.state_dict()), {"hidden_size": 4}, {key: False}))]
    assert list(load_checkpoint(saved(layers)).layers) == ["0.1.0.l0"]
