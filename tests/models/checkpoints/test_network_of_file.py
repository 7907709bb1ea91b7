"""``Checkpoint.network``: a file's own output where it states its graph, else what is not run or assumed is named."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from models import capture, load_checkpoint
from models.checkpoints import CheckpointError
from models.checkpoints.building.build import FUNCTIONS
from models.decoding.run_network import run_network
from models.edits.edit_syntax import read_edits
from models.edits.edited_network import EditedNetwork
from models.gradients.losses import Loss
from models.networks.forward_run import ClassPrediction, SymbolPrediction, ValuePrediction

SYMBOLS = tuple("abcdefghi")
IDS = torch.arange(7)[None] % len(SYMBOLS)


def saved(module, **further):
    file = io.BytesIO()
    torch.save({"state_dict": module.state_dict(), **further}, file)
    return load_checkpoint(file.getvalue())


def same(net, module, given):
    with torch.no_grad():
        torch.testing.assert_close(net.module(given), module(given), rtol=0, atol=1e-5)


class Stacked(nn.Module):
    """Two recurrent layers with something between them, or around them."""

    def __init__(self, between):
        super().__init__()
        torch.manual_seed(0)
        self.embedding, self.fc = nn.Embedding(9, 5), nn.Linear(6, 9)
        self.rnn1, self.rnn2 = nn.LSTM(5, 6, batch_first=True), nn.LSTM(6, 6, batch_first=True)
        if between == "norm":
            self.norm = nn.LayerNorm(6)
        if between == "mix":
            self.mix = nn.Linear(6, 6)
        self.between = between
        for each in self.parameters():
            nn.init.normal_(each, 0.2, 0.6)

    def forward(self, ids):
        x, _ = self.rnn1(self.embedding(ids))
        y = self.norm(x) if self.between == "norm" else self.mix(x).tanh() if self.between == "mix" else x
        z, _ = self.rnn2(y)
        return self.fc(z + x if self.between == "residual" else z)


@pytest.mark.parametrize("between", ["nothing", "norm", "mix", "residual"])
def test_what_may_be_between_two_layers_is_named(between):
    net = saved(Stacked(between).eval()).network()
    assert "rnn1 → rnn2" in net.left_out  # tensors do not show a residual connection
    tensors = {name for name in net.left_out if "→" not in name and name != FUNCTIONS}
    assert tensors == {"norm": {"norm.weight", "norm.bias"}, "mix": {"mix.weight", "mix.bias"}}.get(between, set())


def test_a_confirmed_stack_is_the_whole_network():
    module = Stacked("nothing").eval()
    net = saved(module).network(stack="rnn1 → rnn2")
    assert net.left_out == (FUNCTIONS,)
    same(net, module, IDS)


class Branches(nn.Module):
    """Two alternatives of equal shapes, of which one runs."""

    def __init__(self):
        super().__init__()
        self.model, self.model_8k = (
            nn.ModuleDict({"lstm": nn.LSTM(6, 6, batch_first=True), "head": nn.Linear(6, 1)}) for _ in range(2)
        )


def test_alternatives_do_not_run_one_after_the_other():
    checkpoint = saved(Branches())
    net = checkpoint.network()
    names = [name for name, part in net.module.named_modules() if isinstance(part, nn.LSTM)]
    assert len(names) == 1 and not any("→" in name for name in net.left_out)
    other = {"model.lstm": "model_8k.lstm", "model_8k.lstm": "model.lstm"}[names[0]]
    assert f"{other}.l0" in net.left_out


class Starts(nn.Module):
    """A language model whose initial states are parameters."""

    def __init__(self):
        super().__init__()
        self.emb, self.lstm, self.head = nn.Embedding(9, 4), nn.LSTM(4, 5, 2, batch_first=True), nn.Linear(5, 9)
        self.h0, self.c0 = nn.Parameter(torch.randn(2, 1, 5)), nn.Parameter(torch.randn(2, 1, 5))

    def forward(self, ids):
        states = (each.expand(-1, len(ids), -1).contiguous() for each in (self.h0, self.c0))
        return self.head(self.lstm(self.emb(ids), tuple(states))[0])


def test_initial_states_that_are_parameters_are_run_and_named_as_assumed():
    module = Starts()
    net, ids = saved(module, vocab=list(SYMBOLS)).network(), torch.randint(0, 9, (2, 4))
    assert net.left_out == (FUNCTIONS, "h0 → lstm", "c0 → lstm")
    assert torch.allclose(net.module(ids), module(ids), atol=1e-5)


def test_a_zoneout_that_hyper_parameters_state_is_named_as_not_applied():
    """No tensor shows it, and a layer without it has other states."""
    module = Stacked("nothing").eval()
    cell = {"zoneout": 0.1, "layers": [{"zoneout_cell": 0.05}], "dropout": 0.3}
    checkpoint = saved(module, hyper_parameters={"model": cell, "zoneout_hidden": 0})
    names = (
        "zoneout = 0.1 (hyper_parameters.model.zoneout)",
        "zoneout_cell = 0.05 (hyper_parameters.model.layers.zoneout_cell)",
    )
    assert checkpoint.unapplied == names and checkpoint.network().left_out[:2] == names
    assert not saved(module, hyper_parameters={"zoneout": 0.0}).unapplied


READOUTS = {
    "last": lambda out, h: torch.cat([h[-2], h[-1]], -1),
    "last_output": lambda out, h: out[:, -1],
    "mean": lambda out, h: out.mean(1),
    "max": lambda out, h: out.amax(1),
}


class Classifier(nn.Module):
    """A classifier with one of several readouts."""

    def __init__(self, readout):
        super().__init__()
        torch.manual_seed(0)
        self.embedding = nn.Embedding(12, 5)
        self.lstm = nn.LSTM(5, 6, batch_first=True, bidirectional=True)
        self.fc, self.readout = nn.Linear(12, 3), READOUTS[readout]

    def forward(self, ids):
        out, (h, _) = self.lstm(self.embedding(ids))
        return self.fc(self.readout(out, h))


@pytest.mark.parametrize("readout", READOUTS)
def test_the_readout_is_assumed_until_it_is_chosen(readout):
    module, ids = Classifier(readout).eval(), torch.tensor([[3, 1, 4, 1, 5, 9, 2, 6]])
    checkpoint = saved(module)
    assert checkpoint.network(predicts="class").left_out == ("readout", FUNCTIONS)
    net = checkpoint.network(predicts="class", readout=readout)
    assert net.left_out == (FUNCTIONS,)
    same(net, module, ids)


class Forecast(nn.Module):
    """A network of numbers that predicts the next value after every step, or one value of the whole sequence."""

    def __init__(self, last):
        super().__init__()
        self.lstm, self.fc, self.last = nn.LSTM(1, 5, batch_first=True), nn.Linear(5, 1), last

    def forward(self, x):
        out, _ = self.lstm(x)
        return self.fc(out[:, -1] if self.last else out)


def test_an_output_layer_of_numbers_at_every_step_is_assumed_until_it_is_chosen():
    x = torch.linspace(-1, 1, 6).view(1, 6, 1)
    assert saved(Forecast(last=True)).network().left_out == ("readout", FUNCTIONS)
    module = Forecast(last=False).eval()
    net = saved(module).network(predicts="next")
    assert net.left_out == (FUNCTIONS,)
    same(net, module, x)


def test_a_wrong_choice_is_one_sentence():
    checkpoint = saved(Classifier("last"))
    with pytest.raises(CheckpointError, match=r"Unknown readout “median”\. Choose one of these: last, "):
        checkpoint.network(readout="median")
    with pytest.raises(CheckpointError, match="Unknown layer stack “gru”"):
        checkpoint.network(stack="gru")
    with pytest.raises(TypeError, match="unknown choices: readouts"):
        checkpoint.network(readouts="mean")


def test_a_language_model_of_one_stack_leaves_out_no_tensor():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.rnn, self.head = nn.Embedding(9, 4), nn.GRU(4, 6, 2, batch_first=True), nn.Linear(6, 9)

        def forward(self, ids):
            return self.head(self.rnn(self.embed(ids))[0])

    module = Model().eval()
    net = saved(module).network()
    assert net.left_out == (FUNCTIONS,) and net.layout is None
    same(net, module, IDS)


# ------------------------------------------------------------------------------------------------ files with a graph


def keras_model(tmp_path, *layers):
    """A model with weights at random, and the network of its file."""
    from tests.support.keras_files import keras, randomized, written

    model = randomized(keras.Sequential(list(layers)))
    return model, written(model, tmp_path / "model.keras")


def keras_same(model, net, given):
    from tests.support.keras_files import outputs

    with torch.no_grad():
        got = net.module(torch.as_tensor(given)).numpy()
    np.testing.assert_allclose(got, outputs(model, given)[0], rtol=0, atol=1e-5)
    assert net.left_out == ()


@pytest.mark.slow
@pytest.mark.parametrize("ends", [True, False])
@pytest.mark.parametrize("mode", ["concat", "sum", "ave", "mul"])
def test_merge_modes_of_keras(mode, ends, tmp_path):
    from tests.support.keras_files import L, keras

    model, checkpoint = keras_model(
        tmp_path,
        keras.Input((7,)),
        L.Embedding(11, 5),
        L.Bidirectional(L.LSTM(4, return_sequences=True), merge_mode=mode),
        L.Bidirectional(L.GRU(4, return_sequences=ends), merge_mode=mode),
        L.Dense(11 if ends else 3, "softmax"),
    )
    net = checkpoint.network()
    keras_same(model, net, np.arange(7)[None] % 11)
    run = run_network(net, "3 1 4 1 5 9 2")
    ids = np.array([[3, 1, 4, 1, 5, 9, 2]])
    from tests.support.keras_files import outputs

    expected = outputs(model, ids)[0][0]
    assert isinstance(run.prediction, SymbolPrediction if ends else ClassPrediction)
    np.testing.assert_allclose(run.prediction.probability, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("between", ["BatchNormalization", "LayerNormalization", "Dense"])
def test_layers_between_keras_layers_are_run(between, tmp_path):
    from tests.support.keras_files import L, keras

    model, checkpoint = keras_model(
        tmp_path,
        keras.Input((7,)),
        L.Embedding(9, 5),
        L.LSTM(6, return_sequences=True, name="lower"),
        L.Dense(6, "tanh") if between == "Dense" else getattr(L, between)(),
        L.LSTM(6, return_sequences=True),
        L.Dense(9),
    )
    keras_same(model, checkpoint.network(), IDS.numpy())
    part = checkpoint.network(stack="lower")
    assert "graph" in part.left_out  # built from tensors, so not the file's own


@pytest.mark.slow
@pytest.mark.parametrize("text", ["3 1 4 1 5 9", "3 1 4 0 0 0", "0 0 0 3 1 4"])
@pytest.mark.parametrize("mask", [True, False])
def test_masks_of_keras_embeddings(mask, text, tmp_path):
    from tests.support.keras_files import L, keras, outputs

    model, checkpoint = keras_model(
        tmp_path, keras.Input((6,)), L.Embedding(10, 4, mask_zero=mask), L.LSTM(5), L.Dense(3)
    )
    net = checkpoint.network(kind="ids")
    ids = np.array([[int(each) for each in text.split()]])
    keras_same(model, net, ids)
    run = run_network(net, text)
    scores = torch.tensor(outputs(model, ids)[0][0])
    np.testing.assert_allclose(run.prediction.probability, scores.softmax(-1), rtol=0, atol=1e-6)


def test_masked_numbers_of_keras_and_a_fixed_number_of_steps(tmp_path):
    from tests.support.keras_files import L, keras

    model, checkpoint = keras_model(tmp_path, keras.Input((6, 2)), L.Masking(0.0), L.GRU(5), L.Dense(1, "sigmoid"))
    net = checkpoint.network(classes=("no", "yes"))
    rows = np.random.default_rng(0).normal(size=(1, 6, 2)).astype(np.float32)
    for x in (rows, np.where(np.arange(6)[None, :, None] < 3, rows, 0).astype(np.float32)):
        keras_same(model, net, x)
    text = net.card.examples[0].text
    with torch.no_grad():
        yes = float(net.module(net.encode(text)))
    np.testing.assert_allclose(run_network(net, text).prediction.probability, [1 - yes, yes], rtol=0, atol=1e-6)
    with pytest.raises(ValueError, match="accepts only sequences of exactly 6"):
        run_network(net, "0.1 0.2; 0.3 0.4")


def onnx_lstm(direction, fixed):
    """An ONNX file of one LSTM, whose input is (T, B, D)."""
    onnx = pytest.importorskip("onnx")
    helper, numpy_helper = onnx.helper, onnx.numpy_helper
    rng, steps, size, units = np.random.default_rng(0), 6, 3, 4
    tensors = {
        name: rng.normal(0, 0.7, shape).astype(np.float32)
        for name, shape in {"W": (1, 4 * units, size), "R": (1, 4 * units, units), "B": (1, 8 * units)}.items()
    }
    node = helper.make_node("LSTM", ["X", *tensors], ["Y"], hidden_size=units, name="/rnn/LSTM", direction=direction)
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info("X", 1, [fixed, 1, size])],
        [helper.make_tensor_value_info("Y", 1, None)],
        [numpy_helper.from_array(values, name) for name, values in tensors.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    return model.SerializeToString(), rng.normal(0, 0.7, (steps, 1, size)).astype(np.float32)


@pytest.mark.parametrize("fixed", [None, 6])
@pytest.mark.parametrize("direction", ["forward", "reverse"])
def test_an_onnx_layer_in_either_direction(direction, fixed):
    runtime = pytest.importorskip("onnxruntime")
    data, x = onnx_lstm(direction, fixed)
    expected = runtime.InferenceSession(data).run(None, {"X": x})[0]
    net = load_checkpoint(data).network()
    with capture(net.module) as trace, torch.no_grad():
        got = net.module(torch.tensor(x))
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-5)
    np.testing.assert_allclose(next(iter(trace.layers.values())).hidden[0], expected[:, 0, 0], rtol=0, atol=1e-5)
    assert net.left_out == () and net.layout.time_first
    with torch.no_grad(), capture(net.module) as trace:
        net.run(torch.tensor(x).transpose(0, 1))
    np.testing.assert_allclose(next(iter(trace.layers.values())).hidden[0], expected[:, 0, 0], rtol=0, atol=1e-5)


def test_a_layer_that_cannot_be_run_is_one_sentence(tmp_path):
    from tests.support.keras_files import L, keras

    _, checkpoint = keras_model(
        tmp_path,
        keras.Input((6, 2)),
        L.LSTM(4, return_sequences=True, name="lower"),
        L.Lambda(lambda x: x * 2, name="twice"),
        L.Dense(2),
    )
    with pytest.raises(CheckpointError, match=r"^twice has the type Lambda, which cannot be run"):
        checkpoint.network()
    assert "graph" in checkpoint.network(stack="lower").left_out


@pytest.mark.slow
@settings(max_examples=8, deadline=None)
@given(
    symbols=st.integers(3, 8),
    cell=st.sampled_from(["LSTM", "GRU", "SimpleRNN"]),
    function=st.sampled_from(["softmax", None]),
    steps=st.integers(2, 6),
)
def test_edits_and_gradients_of_a_graph(symbols, cell, function, steps, tmp_path_factory):
    from tests.support.keras_files import L, keras

    _, checkpoint = keras_model(
        tmp_path_factory.mktemp("keras"),
        keras.Input((None,)),
        L.Embedding(symbols, 3),
        getattr(L, cell)(4, return_sequences=True, name="rnn"),
        L.Dense(symbols, function),
    )
    net = checkpoint.network()
    text = " ".join(str(index % symbols) for index in range(steps))
    edited = EditedNetwork(net, read_edits("rnn.l0.weight_hh[0,1]=0.5"))
    rnn = edited.network.module.rnn
    assert float(rnn.weight_hh_l0[0, 1]) == 0.5
    assert edited.read(text).prediction.probability.shape == (steps, symbols)
    done = EditedNetwork(net, read_edits("")).differentiate(text, Loss("next", step=0))
    given = net.encode(text)
    output = net.module(given)[0, 0]
    logs = output.log() if function else output.log_softmax(-1)
    loss = -logs[int(given[0, 1])]
    assert done.value == pytest.approx(float(loss), abs=1e-5)
    (own,) = torch.autograd.grad(loss, net.module.rnn.weight_hh_l0)
    torch.testing.assert_close(done.module.rnn.weight_hh_l0.grad, own, rtol=1e-4, atol=1e-6)


def test_values_of_a_graph_are_the_files_own(tmp_path):
    from tests.support.keras_files import L, keras, outputs

    model, checkpoint = keras_model(
        tmp_path, keras.Input((None, 2)), L.LSTM(4, return_sequences=True), L.Dense(3, "relu")
    )
    net = checkpoint.network()
    text = "0.1 0.2; 0.3 0.4; -0.5 1"
    run = run_network(net, text)
    assert isinstance(run.prediction, ValuePrediction)
    np.testing.assert_allclose(run.prediction.value, outputs(model, net.encode(text).numpy())[0][0], atol=1e-5)
