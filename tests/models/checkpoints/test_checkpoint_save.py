"""Any format as a safetensors file that torch's own modules take up, and that then computes what the source computed."""

from __future__ import annotations

import io
import json
import os
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load, save
from torch import nn

from models import EditedNetwork, load_network, read_edits
from models.checkpoints import CheckpointError, load_checkpoint
from models.checkpoints.save import to_safetensors
from models.core.stepwise_modules import StepwiseGRU, StepwiseLSTM
from models.networks.network_metadata import network_metadata

os.environ["KERAS_BACKEND"] = "torch"


class Model(nn.Module):
    def __init__(self, cell=nn.LSTM, **options):
        super().__init__()
        torch.manual_seed(0)
        self.embedding = nn.Embedding(11, 5)
        self.rnn = cell(5, 6, num_layers=2, bidirectional=True, batch_first=True, **options)
        self.head = nn.Linear(12, 7)

    def forward(self, ids):
        return self.head(self.rnn(self.embedding(ids))[0])


IDS = torch.tensor([[3, 1, 4, 1, 5, 9, 2, 6]])


def taken_up(data, model):
    """The model with the tensors of a file, none missing and none left over."""
    model.load_state_dict(load(data), strict=True)
    return model.eval()


def test_pytorch_keeps_every_name():
    model, file = Model(), io.BytesIO()
    torch.save({"state_dict": {f"module.{name}": values for name, values in model.state_dict().items()}}, file)
    data = to_safetensors(load_checkpoint(file.getvalue()))
    assert set(load(data)) == set(model.state_dict())
    for name, values in load(data).items():
        assert torch.equal(values, model.state_dict()[name])


def test_a_bare_layer_keeps_every_name():
    gru = nn.GRU(3, 4, num_layers=2)
    assert set(load(to_safetensors(load_checkpoint(save(gru.state_dict()))))) == set(gru.state_dict())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("cell", [nn.LSTM, nn.GRU, nn.RNN])
def test_onnx_becomes_a_module_of_torchs(cell):
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    file = io.BytesIO()
    torch.onnx.export(Model(cell).eval(), (IDS,), file, dynamo=False, input_names=["ids"])
    expected = runtime.InferenceSession(file.getvalue()).run(None, {"ids": IDS.numpy()})[0]
    data = to_safetensors(load_checkpoint(file.getvalue()))
    blank = Model(cell)
    for values in blank.parameters():
        nn.init.zeros_(values)
    np.testing.assert_allclose(taken_up(data, blank)(IDS).detach(), expected, rtol=0, atol=1e-5)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("file", ["model.keras", "model.h5", "model.weights.h5"])
@pytest.mark.parametrize("kind", ["LSTM", "GRU", "SimpleRNN"])
def test_keras_becomes_a_module_of_torchs(kind, file, tmp_path):
    keras = pytest.importorskip("keras")
    layers = keras.layers
    keras.utils.set_random_seed(0)
    rnn = getattr(layers, kind)(6, return_sequences=True)
    model = keras.Sequential(
        [
            keras.Input((8,), dtype="int32"),
            layers.Embedding(11, 5, name="embedding"),
            layers.Bidirectional(rnn, name="rnn"),
            layers.Dense(7, name="head"),
        ]
    )
    for weight in model.weights:
        weight.assign(weight + 0.3 * np.random.default_rng(1).normal(size=weight.shape))
    (model.save_weights if "weights" in file else model.save)(tmp_path / file)
    cell = {"SimpleRNN": nn.RNN}.get(kind) or getattr(nn, kind)
    head = "head" if file == "model.h5" else "dense"  # Keras 3 calls the groups in its files by their classes
    net = nn.ModuleDict(
        {
            "embedding": nn.Embedding(11, 5),
            "rnn": cell(5, 6, bidirectional=True, batch_first=True),
            head: nn.Linear(12, 7),
        }
    )
    taken_up(to_safetensors(load_checkpoint(tmp_path / file)), net)
    found = net[head](net["rnn"](net["embedding"](IDS))[0]).detach()
    expected = keras.ops.convert_to_numpy(model(IDS.numpy()))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


def test_arrays_are_named_as_modules():
    gru, head, file = nn.GRU(3, 4), nn.Linear(4, 6), io.BytesIO()
    short = {f"enc_{name.replace('weight', 'w').replace('bias', 'b')[:-3]}": v for name, v in gru.state_dict().items()}
    arrays = {name: values.numpy() for name, values in short.items()}
    arrays |= {"fc_w": head.weight.detach().numpy(), "fc_b": head.bias.detach().numpy()}
    np.savez(file, **arrays)
    taken_up(
        to_safetensors(load_checkpoint(file.getvalue())), nn.ModuleDict({"enc": nn.GRU(3, 4), "fc": nn.Linear(4, 6)})
    )


def test_what_it_says_of_itself(tmp_path):
    checkpoint = load_checkpoint(save(nn.RNN(3, 4, nonlinearity="relu").state_dict()))
    data = to_safetensors(checkpoint.corrected("l0", nonlinearity="relu"))
    (tmp_path / "a.safetensors").write_bytes(data)
    with safe_open(tmp_path / "a.safetensors", "pt") as file:
        assert json.loads(file.metadata()["layers"]) == {"l0": {"kind": "RNN", "nonlinearity": "relu"}}


@pytest.mark.filterwarnings("ignore")
def test_what_pytorch_cannot_compute_is_named(tmp_path):
    keras = pytest.importorskip("keras")
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((6, 3)),
            layers.GRU(4, reset_after=False, return_sequences=True, name="first"),
            layers.LSTM(4, recurrent_activation="hard_sigmoid", name="second"),
        ]
    )
    model.save(tmp_path / "m.keras")
    sentence = (
        r"PyTorch has no module for these layers: first.l0 \(reset_after=False\), "
        r"second.l0 \(recurrent_activation=hard_sigmoid_3\)"
    )
    with pytest.raises(CheckpointError, match=sentence):
        to_safetensors(load_checkpoint(tmp_path / "m.keras"))
    back = keras.Sequential([keras.Input((6, 3)), layers.LSTM(4, go_backwards=True, name="back")])
    back.save(tmp_path / "b.keras")
    with pytest.raises(
        CheckpointError, match=r"l0_reverse has only a backward direction, and PyTorch has no such module"
    ):
        to_safetensors(load_checkpoint(tmp_path / "b.keras"))


def test_what_is_too_large_is_not_read(monkeypatch):
    monkeypatch.setattr("models.checkpoints.save.MAX_BYTES", 100)
    with pytest.raises(CheckpointError, match="at most 100 bytes can be saved at once"):
        to_safetensors(load_checkpoint(save(nn.LSTM(3, 4).state_dict())))


def test_what_no_tensor_tells_is_told_beside_them():
    for cell, options in ((nn.RNN, {"nonlinearity": "relu"}), (nn.LSTM, {}), (nn.GRU, {})):
        checkpoint = load_checkpoint(save(Model(cell, **options).state_dict()))
        for name in checkpoint.found:
            checkpoint = checkpoint.corrected(name, **options)
        again = load_checkpoint(to_safetensors(checkpoint)).found
        assert all(layer.options == options and not layer.assumed for layer in again.values())


@pytest.mark.parametrize(
    ("module", "options"),
    [
        (StepwiseLSTM, {"activation": "relu", "recurrent_activation": "hard_sigmoid"}),
        (StepwiseGRU, {"recurrent_activation": "hard_sigmoid_3", "reset_after": False}),
        (nn.RNN, {"nonlinearity": "relu"}),
    ],
)
def test_edited_weights_of_unusual_cells_are_opened_as_they_are(module, options):
    base = load_network("wave")
    changed = deepcopy(base.module)
    own = changed.rnn
    changed.rnn = module(own.input_size, own.hidden_size, own.num_layers, batch_first=True, **options)
    edited = EditedNetwork(replace(base, module=changed), read_edits("rnn.l0.weight_hh[0,0]=0.25"))
    (weights,) = load_checkpoint(edited.save()).layers.values()
    assert {name: weights.options[name] for name in options} == options
    x = torch.randn(1, 7, own.input_size)
    with torch.no_grad():
        torch.testing.assert_close(weights.to_module()(x)[0], edited.network.module.rnn(x)[0])


@pytest.mark.parametrize(
    "told",
    [
        "", "[", "[" * 100_000, "[]", '{"l0": []}', '{"l0": {"kind": "GRU", "nonlinearity": "relu"}}',
        '{"l0": {"kind": "RNN", "nonlinearity": "launch"}}', '{"l0": {"kind": "RNN", "nonlinearity": ["relu"]}}',
        '{"l0": {"kind": "RNN", "weight_hh": 3}}', '{"l9": {"kind": "RNN", "nonlinearity": "relu"}}',
    ],
)  # fmt: skip
def test_what_is_told_and_does_not_fit_is_passed_over(told):
    found = load_checkpoint(save(nn.RNN(3, 4).state_dict(), {"layers": told})).found["l0"]
    assert not found.options and found.assumed == ("nonlinearity",)


@pytest.mark.parametrize("predicts", ["tag", "class", "values"])
def test_what_an_edited_network_predicts_is_in_its_file(predicts):
    choices = {"predicts": predicts, "vocabulary": ("the", "dog", "barks", "at", "it", "?", "!", ".", "a")}
    if predicts != "values":
        choices["classes"] = ("NOUN", "VERB", "DET")
    model = nn.ModuleDict({"embedding": nn.Embedding(9, 5), "rnn": nn.GRU(5, 6), "head": nn.Linear(6, 3)})
    before = load_checkpoint(save(model.state_dict())).network(**choices)
    edited = EditedNetwork(before, read_edits("rnn.l0.weight_hh[reset_gate.1,0]=0.5"))
    after = load_checkpoint(edited.save()).network()
    assert (after.card.predicts, after.card.classes) == (before.card.predicts, before.card.classes)
    assert after.vocabulary == before.vocabulary == choices["vocabulary"]
    converted = to_safetensors(
        load_checkpoint(save(model.state_dict())), network_metadata(predicts, choices.get("classes"), None)
    )
    again = load_checkpoint(converted).network()
    assert (again.card.predicts, again.card.classes) == (before.card.predicts, before.card.classes)
    assert load_checkpoint(converted).network(decoder="head.weight").card.predicts == "class"  # as for any other matrix
