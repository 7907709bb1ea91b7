"""Networks of every format run: what comes out is what the library that wrote the file computes."""

from __future__ import annotations

import io
import os
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from models.capturing.capture import capture
from models.checkpoints import load_checkpoint
from models.checkpoints.building.build import build_network, compatible_parts, default_setup
from models.decoding.run_network import run_network
from models.edits.edit_syntax import read_edits
from models.edits.edited_network import EditedNetwork
from models.gradients.losses import Loss, differentiate

os.environ["KERAS_BACKEND"] = "torch"
pytestmark = pytest.mark.filterwarnings("ignore")

IDS = [3, 1, 4, 1, 5, 9, 2, 6]
TEXT = " ".join(map(str, IDS))


def opened(source, **choice):
    checkpoint = load_checkpoint(source)
    return build_network(checkpoint, default_setup(compatible_parts(checkpoint), **choice), "file")


def held(checkpoint):
    """Return how many parameters of recurrent layers the file contains."""
    return sum(stored.size for found in checkpoint.found.values() for stored in found.parts.values() if stored.in_file)


def keras_model(*layers, inputs=(8,), dtype="int32"):
    keras = pytest.importorskip("keras")
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input(inputs, dtype=dtype), *layers])
    for weight in model.weights:
        weight.assign(weight + 0.3 * np.random.default_rng(1).normal(size=weight.shape))
    return model


def told(model, given):
    keras = pytest.importorskip("keras")
    return keras.ops.convert_to_numpy(model(given))


@pytest.mark.parametrize("file", ["m.keras", "m.h5", "m.weights.h5"])
def test_a_stack_of_keras_layers(file, tmp_path):
    layers = pytest.importorskip("keras").layers
    model = keras_model(
        layers.Embedding(11, 5),
        layers.LSTM(6, return_sequences=True, name="aa_first"),
        layers.Bidirectional(layers.GRU(4, return_sequences=True), name="bb_second"),
        layers.Dense(11, activation="softmax"),
    )
    (model.save_weights if "weights" in file else model.save)(tmp_path / file)
    network = opened(tmp_path / file)
    reading = run_network(network, TEXT)
    np.testing.assert_allclose(reading.prediction.probability, told(model, np.array([IDS]))[0], rtol=0, atol=1e-5)
    assert [name.rpartition(".")[2] for name in reading.trace.layers] == ["l0", "l0", "l0_reverse"]
    assert network.card.architecture["cell"] == "LSTM, GRU" and network.card.architecture["layers"] == 2


def test_a_classifier_of_keras(tmp_path):
    layers = pytest.importorskip("keras").layers
    model = keras_model(
        layers.Embedding(11, 5),
        layers.Bidirectional(layers.LSTM(6)),
        layers.Dense(1, activation="sigmoid"),
    )
    model.save(tmp_path / "m.keras")
    found = run_network(opened(tmp_path / "m.keras"), TEXT).prediction.probability
    chance = told(model, np.array([IDS]))[0, 0]
    np.testing.assert_allclose(found, [1 - chance, chance], rtol=0, atol=1e-5)


ODD = {
    "reset before": ("GRU", {"reset_after": False}),
    "hard sigmoid": ("LSTM", {"recurrent_activation": "hard_sigmoid"}),
    "relu": ("GRU", {"activation": "relu"}),
    "linear": ("SimpleRNN", {"activation": "linear"}),
}


@pytest.mark.slow
@pytest.mark.parametrize("odd", ODD)
def test_what_torch_has_no_kernel_for(odd, tmp_path):
    """It runs, is seen, edited and differentiated step by step."""
    layers = pytest.importorskip("keras").layers
    kind, options = ODD[odd]
    model = keras_model(
        getattr(layers, kind)(6, return_sequences=True, name="rnn", **options),
        layers.Dense(3),
        inputs=(8, 3),
        dtype="float32",
    )
    model.save(tmp_path / "m.keras")
    network = opened(tmp_path / "m.keras")
    text = network.card.examples[0].text
    given = network.encode(text)
    reading = run_network(network, text)
    np.testing.assert_allclose(reading.prediction.value, told(model, given.numpy())[0], rtol=1e-5, atol=1e-5)
    layer = reading.trace.layers["rnn.l0"]
    known = {"activation": "nonlinearity"} if kind == "SimpleRNN" else {}
    for name, value in options.items():
        expected = {"hard_sigmoid": "hard_sigmoid_3"}.get(value, value)
        assert layer.weights.options[known.get(name, name)] == expected
    done = differentiate(network, text, Loss("every"))
    with torch.enable_grad():
        again = network.module(given)
        loss = (again[0, :-1] - given[0, 1:]).square().sum()
        wanted = torch.autograd.grad(loss, network.module.get_submodule("rnn").weight_hh_l0)[0]
    torch.testing.assert_close(done.module.get_submodule("rnn").weight_hh_l0.grad, wanted, rtol=1e-4, atol=1e-6)
    assert np.isfinite(done.trace.layers["rnn.l0"].hidden_grad).all()
    edited = EditedNetwork(network, read_edits("rnn.l0.ablate[2]=zero")).read(text)
    assert not edited.trace.layers["rnn.l0"].hidden[0, :, 2].any()


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.embedding = nn.Embedding(11, 5)
        self.rnn = nn.GRU(5, 6, num_layers=2, bidirectional=True, batch_first=True)
        self.head = nn.Linear(12, 11)

    def forward(self, ids):
        return self.head(self.rnn(self.embedding(ids))[0])


def scripted(model):
    file = io.BytesIO()
    torch.jit.save(torch.jit.script(model), file)
    return file.getvalue()


def exported(model):
    file = io.BytesIO()
    torch.export.save(torch.export.export(model, (torch.tensor([IDS]),)), file)
    return file.getvalue()


def legacy(model):
    file = io.BytesIO()
    torch.save(model.state_dict(), file, _use_new_zipfile_serialization=False)
    return file.getvalue()


def arrays(model):
    file = io.BytesIO()
    np.savez(file, **{name: values.numpy() for name, values in model.state_dict().items()})
    return file.getvalue()


@pytest.mark.slow
@pytest.mark.parametrize("write", [scripted, exported, legacy, arrays])
def test_every_way_to_save_a_torch_module(write):
    model = Model().eval()
    network = opened(write(model))
    with torch.inference_mode():
        torch.testing.assert_close(network.module(network.encode(TEXT)), model(torch.tensor([IDS])), rtol=0, atol=1e-6)


def test_an_onnx_graph():
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    file = io.BytesIO()
    torch.onnx.export(Model().eval(), (torch.tensor([IDS]),), file, dynamo=False, input_names=["ids"])
    expected = runtime.InferenceSession(file.getvalue()).run(None, {"ids": np.array([IDS])})[0]
    network = opened(file.getvalue())
    with torch.inference_mode():
        np.testing.assert_allclose(network.module(network.encode(TEXT)), expected, rtol=0, atol=1e-5)
    assert list(run_network(network, TEXT).trace.layers) == ["rnn.l0", "rnn.l0_reverse", "rnn.l1", "rnn.l1_reverse"]


def test_an_onnx_graph_that_reads_numbers():
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")

    class Reads(nn.Module):
        def __init__(self):
            super().__init__()
            self.gru, self.fc = nn.GRU(3, 8, batch_first=True), nn.Linear(8, 2)

        def forward(self, x):
            return self.fc(self.gru(x)[0])

    torch.manual_seed(0)
    model, file, given = Reads().eval(), io.BytesIO(), torch.randn(1, 7, 3)
    torch.onnx.export(model, (given,), file, dynamo=False, input_names=["x"])
    expected = runtime.InferenceSession(file.getvalue()).run(None, {"x": given.numpy()})[0]
    checkpoint = load_checkpoint(file.getvalue())
    assert held(checkpoint) == sum(values.numel() for values in model.gru.parameters())
    setup = default_setup(compatible_parts(checkpoint))
    assert setup.decoder is not None and "MatMul" in setup.decoder
    network = build_network(checkpoint, replace(setup, predicts="values"), "file")
    with torch.inference_mode():
        np.testing.assert_allclose(network.module(given), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "SimpleRNN"])
def test_the_numbers_of_a_keras_layer_are_counted_as_keras_counts_them(kind, tmp_path):
    layers = pytest.importorskip("keras").layers
    model = keras_model(getattr(layers, kind)(5), inputs=(6, 3), dtype="float32")
    model.save(tmp_path / "m.keras")
    assert held(load_checkpoint(tmp_path / "m.keras")) == model.count_params()


def test_a_loop_over_a_cell():
    torch.manual_seed(0)
    parts = nn.ModuleDict({"embedding": nn.Embedding(11, 5), "cell": nn.LSTMCell(5, 6), "fc": nn.Linear(6, 11)})
    file = io.BytesIO()
    torch.save(parts.state_dict(), file)
    network = opened(file.getvalue())
    state, expected = None, []
    for x in parts["embedding"](torch.tensor(IDS)):
        state = parts["cell"](x[None], state)
        expected.append(parts["fc"](state[0]))
    with torch.inference_mode():
        torch.testing.assert_close(network.module(network.encode(TEXT))[0], torch.cat(expected), rtol=0, atol=1e-6)


def test_half_precision_and_double():
    for dtype in (torch.float16, torch.bfloat16, torch.float64):
        model = Model().to(dtype)
        file = io.BytesIO()
        torch.save(model.state_dict(), file)
        network = opened(file.getvalue())
        wide = model.to(torch.float64)
        with torch.inference_mode(), capture(network) as trace:
            out = network.module(network.encode(TEXT))
        torch.testing.assert_close(out.double(), wide(torch.tensor([IDS])), rtol=0, atol=1e-5)
        assert trace.layers["rnn.l0"].hidden.dtype == (np.float64 if dtype == torch.float64 else np.float32)
        assert run_network(network, TEXT).prediction.probability.shape == (8, 11)
