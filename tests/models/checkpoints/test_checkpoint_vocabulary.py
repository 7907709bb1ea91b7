"""Lists of symbols within checkpoints of every format."""

from __future__ import annotations

import io
import json
import os
import zipfile

import numpy as np
import pytest
import torch
from safetensors.torch import save
from torch import nn

from models.checkpoints import load_checkpoint
from models.checkpoints.building.build import compatible_parts, default_setup

os.environ["KERAS_BACKEND"] = "torch"
LETTERS = tuple("abcde")


def state():
    parts = nn.ModuleDict({"embedding": nn.Embedding(5, 3), "rnn": nn.LSTM(3, 4)})
    return parts.state_dict()


def found(data):
    return default_setup(compatible_parts(load_checkpoint(data))).vocabulary


@pytest.mark.parametrize(
    "held",
    [
        {"itos": list(LETTERS)},
        {"word2idx": {letter: index for index, letter in enumerate(LETTERS)}},
        {"int2char": dict(enumerate(LETTERS))},
        {"hyper_parameters": {"tokenizer": {"vocab": LETTERS}}},
        {"words": ["other"] * 5, "chars": list(LETTERS)},
    ],
    ids=lambda held: next(iter(held)),
)
def test_beside_a_state_dict(held):
    file = io.BytesIO()
    torch.save({"state_dict": state(), "epoch": 3, **held}, file)
    assert found(file.getvalue()) == LETTERS


def test_in_the_metadata_of_safetensors():
    told = {"format": "pt", "vocab": json.dumps(LETTERS), "other": "[not json"}
    assert found(save(state(), told)) == LETTERS


def test_among_arrays():
    file = io.BytesIO()
    np.savez(file, chars=np.array(LETTERS), **{name: values.numpy() for name, values in state().items()})
    assert found(file.getvalue()) == LETTERS


@pytest.mark.filterwarnings("ignore")
def test_in_the_metadata_of_onnx():
    onnx = pytest.importorskip("onnx")
    file = io.BytesIO()
    net = nn.Sequential(nn.Embedding(5, 3), nn.LSTM(3, 4))
    torch.onnx.export(net, (torch.tensor([[1, 2]]),), file, dynamo=False)
    model = onnx.load_from_string(file.getvalue())
    pair = model.metadata_props.add()
    pair.key, pair.value = "vocab", json.dumps(LETTERS)
    assert found(model.SerializeToString()) == LETTERS


def scripted():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding, self.rnn = nn.Embedding(5, 3), nn.LSTM(3, 4)
            self.symbols, self.ids = list(LETTERS), {"x": 0, "y": 1}

        def forward(self, ids: torch.Tensor):
            return self.rnn(self.embedding(ids))

    file = io.BytesIO()
    torch.jit.save(torch.jit.script(Model()), file)
    return file.getvalue()


def test_an_attribute_of_torchscript():
    assert found(scripted()) == LETTERS


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("how", ["configuration", "configuration without what is put before", "assets"])
def test_of_a_layer_of_keras(how, tmp_path):
    """As its StringLookup and TextVectorization write it; TensorFlow alone can make them, so they are put in by hand."""
    keras = pytest.importorskip("keras")
    model = keras.Sequential([keras.Input((4,)), keras.layers.Embedding(5, 3), keras.layers.LSTM(4)])
    model.save(tmp_path / "m.keras")
    listed = ("", "[UNK]", "the", "film", "was")
    config = {"class_name": "TextVectorization", "config": {"name": "text", "vocabulary": list(listed)}}
    out = io.BytesIO()
    with zipfile.ZipFile(tmp_path / "m.keras") as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name == "config.json" and how != "assets":
                held = json.loads(data)
                if "without" in how:
                    config["config"]["vocabulary"] = list(listed[2:])
                held["config"]["layers"].insert(0, config)
                data = json.dumps(held).encode()
            new.writestr(name, data)
        if how == "assets":
            new.writestr("assets/layers/text_vectorization/_lookup_layer/vocabulary.txt", "\n".join(listed))
    assert found(out.getvalue()) == listed
