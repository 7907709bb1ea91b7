"""Checkpoints of torch and safetensors: what is opened computes what the saved module computed."""

from __future__ import annotations

import argparse
import io
import json
import os
import pickle
import struct
import warnings
from collections import OrderedDict

import numpy as np
import pytest
import torch
from safetensors.torch import save, save_file
from torch import nn
from torch.nn.utils import prune

from models.checkpoints import CheckpointError, Limits, load_checkpoint
from models.checkpoints.building.build import FUNCTIONS

KINDS = {
    "rnn": lambda **options: nn.RNN(3, 4, **options),
    "lstm": lambda **options: nn.LSTM(3, 4, **options),
    "projected": lambda **options: nn.LSTM(3, 4, proj_size=2, **options),
    "gru": lambda **options: nn.GRU(3, 4, **options),
}


class Net(nn.Module):
    """An embedding, recurrent layers, a decoder."""

    def __init__(self, rnn):
        super().__init__()
        self.embedding, self.rnn = nn.Embedding(7, 3), rnn
        self.decoder = nn.Linear(rnn.hidden_size, 7)


def net_of(kind="lstm", **options):
    torch.manual_seed(0)
    return Net(KINDS[kind](**options)).eval()


def saved(what, **options):
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.save(what, file, **options)
    return file.getvalue()


def run(checkpoint, prefix, x, layers=1, bidirectional=False):
    """The output of a stack: every opened layer, as a module of its own."""
    for level in range(layers):
        forward = checkpoint.layers[f"{prefix}l{level}"].to_module().float()(x)[0]
        if bidirectional:
            module = checkpoint.layers[f"{prefix}l{level}_reverse"].to_module().float()
            backward = module(x.flip(1))[0].flip(1)
            forward = torch.cat([forward, backward], dim=-1)
        x = forward
    return x


def same(checkpoint, rnn, prefix="rnn.", atol=1e-5):
    x = torch.randn(2, 5, 3)
    with torch.no_grad():
        expected = rnn(x if rnn.batch_first else x.transpose(0, 1))[0]
        found = run(checkpoint, prefix, x, rnn.num_layers, rnn.bidirectional)
    torch.testing.assert_close(found if rnn.batch_first else found.transpose(0, 1), expected, rtol=0, atol=atol)


WRITERS = {
    "zip": saved,
    "legacy": lambda state: saved(state, _use_new_zipfile_serialization=False),
    "safetensors": lambda state: save({name: values.contiguous() for name, values in state.items()}),
}


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("options", [{}, {"num_layers": 2, "bidirectional": True}, {"bias": False}])
def test_every_kind(write, kind, options):
    net = net_of(kind, batch_first=True, **options)
    checkpoint = load_checkpoint(WRITERS[write](net.state_dict()))
    same(checkpoint, net.rnn)
    assert set(checkpoint.tensors) == {"embedding.weight", "decoder.weight", "decoder.bias"}
    for name, values in checkpoint.tensors.items():
        assert np.array_equal(values, net.state_dict()[name].numpy()) and not values.flags.writeable


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_every_float_type(write, dtype):
    net = net_of().to(dtype)
    checkpoint = load_checkpoint(WRITERS[write](net.state_dict()))
    layer = checkpoint.layers["rnn.l0"]
    assert layer.weight_hh.dtype == (np.float64 if dtype == torch.float64 else np.float32)
    for name, values in layer.tensors.items():
        assert torch.equal(values, getattr(net.rnn, f"{name}_l0").to(values.dtype))
    assert checkpoint.stored["decoder.weight"].dtype == str(dtype).removeprefix("torch.")


WRAPPED = {
    "state_dict": lambda state: {"epoch": 3, "state_dict": state, "optimizer": {"state": {0: torch.ones(3)}}},
    "model": lambda state: {"model": state, "args": argparse.Namespace(lr=0.1)},
    "model_state_dict": lambda state: {"model_state_dict": state, "loss": torch.tensor(1.5)},
    "module.": lambda state: OrderedDict((f"module.{name}", values) for name, values in state.items()),
    "_orig_mod.": lambda state: {f"_orig_mod.{name}": values for name, values in state.items()},
    "both": lambda state: {f"_orig_mod.module.{name}": values for name, values in state.items()},
    "averaged": lambda state: {"n_averaged": torch.tensor(2)} | {f"module.{name}": v for name, v in state.items()},
    "lightning": lambda state: {
        "epoch": 1,
        "global_step": 10,
        "pytorch-lightning_version": "2.4.0",
        "state_dict": state,
        "loops": {"fit_loop": {}},
        "callbacks": {},
        "optimizer_states": [{"state": {0: {"exp_avg": torch.ones(2)}}}],
        "hyper_parameters": {"hidden": 4},
    },
    "parameters": lambda state: {name: nn.Parameter(values) for name, values in state.items()},
}


@pytest.mark.parametrize("wrap", WRAPPED)
@pytest.mark.parametrize("write", ["zip", "legacy"])
def test_a_dict_that_holds_a_state_dict(wrap, write):
    net = net_of("gru", num_layers=2)
    checkpoint = load_checkpoint(WRITERS[write](WRAPPED[wrap](net.state_dict())))
    same(checkpoint, net.rnn)
    assert list(checkpoint.layers) == ["rnn.l0", "rnn.l1"]
    assert {"embedding.weight", "decoder.weight", "decoder.bias"} <= set(checkpoint.tensors)
    if wrap == "lightning":
        assert checkpoint.format == "PyTorch Lightning" and checkpoint.provenance["global_step"] == "10"


@pytest.mark.parametrize("old", [True, False])
@pytest.mark.parametrize("dim", [0, 1, None])
def test_weight_norm(old, dim):
    net = net_of()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        norm = nn.utils.weight_norm if old else nn.utils.parametrizations.weight_norm
        for name in ("weight_ih_l0", "weight_hh_l0"):
            norm(net.rnn, name, dim=dim)
    for values in net.parameters():
        values.data += 0.1 * torch.randn_like(values)
    state = net.state_dict()
    net.rnn(torch.zeros(1, 1, 3))  # the parts have changed: compute the weight anew
    same(load_checkpoint(saved(state)), net.rnn)


def test_spectral_norm():
    net = net_of("rnn")
    nn.utils.parametrizations.spectral_norm(net.rnn, "weight_hh_l0")
    net.eval()
    same(load_checkpoint(saved(net.state_dict())), net.rnn)


@pytest.mark.parametrize("kind", ["rnn", "lstm", "gru"])
def test_a_pruned_network_runs_with_its_masks(kind):
    net = net_of(kind)
    names = [name for name, _values in net.rnn.named_parameters()]
    for name in names:
        prune.random_unstructured(net.rnn, name, 0.5)
    prune.l1_unstructured(net.decoder, "weight", 0.3)
    state = net.state_dict()
    assert any(name.endswith("weight_hh_l0_mask") for name in state)
    checkpoint = load_checkpoint(saved(state))
    same(checkpoint, net.rnn)
    network, ids = checkpoint.network(), torch.tensor([[0, 3, 6, 2]])
    assert set(network.left_out) <= {FUNCTIONS, "nonlinearity (rnn.l0)"}
    with torch.no_grad():
        expected = net.decoder(net.rnn(net.embedding(ids).transpose(0, 1))[0].transpose(0, 1))
        torch.testing.assert_close(network.module(ids), expected, rtol=0, atol=1e-5)


def test_a_mask_of_another_shape_is_refused():
    net = net_of("rnn")
    prune.random_unstructured(net.rnn, "weight_hh_l0", 0.5)
    state = net.state_dict() | {"rnn.weight_hh_l0_mask": torch.ones(2, 2)}
    with pytest.raises(CheckpointError, match=r"normalized or pruned rnn.weight_hh_l0 do not fit"):
        load_checkpoint(saved(state))


def test_another_parametrization_is_named():
    net = net_of("rnn")
    nn.utils.parametrizations.orthogonal(net.rnn, "weight_hh_l0")
    with pytest.raises(
        CheckpointError, match=r"parametrization of rnn.weight_hh_l0 can be computed only by its own code"
    ):
        load_checkpoint(saved(net.state_dict()))


@pytest.mark.parametrize("kind", [nn.RNNCell, nn.LSTMCell, nn.GRUCell])
def test_cells(kind):
    torch.manual_seed(0)
    net = nn.ModuleDict({"cell": kind(3, 4), "out": nn.Linear(4, 2)})
    checkpoint = load_checkpoint(saved(net.state_dict()))
    x = torch.randn(2, 3)
    with torch.no_grad():
        expected = net["cell"](x)
        expected = expected[0] if isinstance(expected, tuple) else expected
        found = checkpoint.layers["cell.l0"].to_module()(x[:, None])[0][:, 0]
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_a_layer_alone_has_no_prefix_and_views_are_followed():
    rnn = nn.LSTM(3, 4)
    big = torch.randn(40, 40)
    state = rnn.state_dict() | {"view": big[3:7:2, 5:30:3].T, "shared": big}
    for write in ("zip", "legacy"):
        checkpoint = load_checkpoint(WRITERS[write](state))
        same(checkpoint, rnn, prefix="")
        assert np.array_equal(checkpoint.tensors["view"], state["view"].numpy())


def test_a_relu_is_told_by_the_reader():
    net = net_of("rnn", nonlinearity="relu")
    checkpoint = load_checkpoint(saved(net.state_dict()))
    assert checkpoint.found["rnn.l0"].assumed == ("nonlinearity",)
    corrected = checkpoint.corrected("rnn.l0", nonlinearity="relu")
    same(corrected, net.rnn)
    assert corrected.found["rnn.l0"].assumed == ()


def test_shards(tmp_path):
    net = net_of(num_layers=2)
    state = net.state_dict()
    places = {name: f"model-{index % 2}.safetensors" for index, name in enumerate(state)}
    for place in set(places.values()):
        save_file({name: state[name] for name in state if places[name] == place}, tmp_path / place)
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": places}))
    same(load_checkpoint(index), net.rnn)
    with pytest.raises(
        CheckpointError, match=r"is only the index of a checkpoint in several files\. Put it into the folder"
    ):
        load_checkpoint(index.read_bytes())
    for bad in ("../model-0.safetensors", "/etc/passwd", "..", ""):
        index.write_text(json.dumps({"weight_map": {"rnn.weight_ih_l0": bad}}))
        with pytest.raises(CheckpointError, match="outside its own folder"):
            load_checkpoint(index)


def test_a_large_file_is_not_read(tmp_path):
    """A sparse file of 1 GB: opening it and one small layer of it takes no memory."""
    big, small = 1 << 30, nn.LSTM(3, 4).state_dict()
    header, place = {"big": {"dtype": "F32", "shape": [big // 4], "data_offsets": [0, big]}}, big
    for name, values in small.items():
        end = place + values.nbytes
        header[f"rnn.{name}"] = {"dtype": "F32", "shape": list(values.shape), "data_offsets": [place, end]}
        place = end
    text = json.dumps(header).encode()
    path = tmp_path / "big.bin"
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.seek(big, os.SEEK_CUR)
        for values in small.values():
            file.write(values.numpy().tobytes())

    def resident():
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    before = resident()
    layer = load_checkpoint(path).layers["rnn.l0"]
    assert resident() - before < 64 << 20
    assert np.array_equal(layer.weight_hh, small["weight_hh_l0"].numpy())


@pytest.mark.parametrize("write", WRITERS)
def test_a_mapped_file_is_read_like_another(write, tmp_path, monkeypatch):
    monkeypatch.setattr("models.checkpoints.parsing.file_source.MMAP_THRESHOLD", 1)
    net = net_of("gru")
    path = tmp_path / "model"
    path.write_bytes(WRITERS[write](net.state_dict()))
    checkpoint = load_checkpoint(path)
    same(checkpoint, net.rnn)
    assert len(checkpoint.tensors) == 3


class Hostile:
    """An object that writes a file when Python unpickles it."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize(
    "write",
    [saved, lambda what: saved(what, _use_new_zipfile_serialization=False), pickle.dumps],
    ids=["zip", "legacy", "pickle"],
)
def test_nothing_is_run(write, tmp_path):
    path = tmp_path / "written"
    state = dict(net_of().state_dict())
    with pytest.raises(CheckpointError, match=r"would run \S+, so it was not opened"):
        load_checkpoint(write(state | {"x": Hostile(path)}))
    assert not path.exists()


def test_a_storage_is_not_stretched():
    """A tensor of a million million numbers over one number is refused, and so is one past its storage's end."""
    for fake in (torch.zeros(1).expand(1 << 20, 1 << 20), torch.zeros(1).expand(1 << 14, 1 << 14)):
        with pytest.raises(CheckpointError, match="extends past the end of this file"):
            load_checkpoint(saved({"weight": fake}))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"hello world, this is a text", "Unknown checkpoint format"),
        (struct.pack("<Q", 20) + b'{"a": {"dtype": "F32"}}', "header of this safetensors"),
        (pickle.dumps({"a": 1}), "not from torch.save"),
        (b"PK\x03\x04 and nothing else", "truncated or damaged"),
        (saved({"a": 1}), "contains no tensors"),
    ],
)
def test_what_is_no_checkpoint_is_said(data, words):
    with pytest.raises(CheckpointError, match=words) as caught:
        load_checkpoint(data)
    assert str(caught.value).endswith(".") and "\n" not in str(caught.value)


def test_paths_and_limits(tmp_path):
    with pytest.raises(CheckpointError, match="File not found"):
        load_checkpoint(tmp_path / "none.pt")
    with pytest.raises(CheckpointError, match="folder"):
        load_checkpoint(tmp_path)
    data = saved(net_of().state_dict())
    with pytest.raises(CheckpointError, match="the limit is 100 bytes"):
        load_checkpoint(data, limits=Limits(file_size=100))
    with pytest.raises(CheckpointError, match="members"):
        load_checkpoint(data, limits=Limits(tensors=3))
    with pytest.raises(CheckpointError, match="tensor list of this file is too long"):
        load_checkpoint(data, limits=Limits(operations=30))


def test_shapes_that_do_not_fit_are_told():
    state = {"rnn.weight_ih_l0": torch.zeros(16, 3), "rnn.weight_hh_l0": torch.zeros(16, 5)}
    with pytest.raises(CheckpointError, match=r"rnn.l0 has 16 rows for hidden size 5"):
        load_checkpoint(saved(state))
    state["rnn.weight_hh_l0"] = torch.zeros(12, 4)
    with pytest.raises(
        CheckpointError, match=r"The matrices of rnn\.l0 have shapes \[16, 3\] and \[12, 4\], which do not fit together"
    ):
        load_checkpoint(saved(state))
