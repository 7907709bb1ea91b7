"""Whole TorchScript archives: the output equals torch.jit.load's, or the first module that cannot be run is named."""

from __future__ import annotations

import io
import random
import zipfile
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from models import capture
from models.checkpoints import CheckpointError, load_checkpoint
from models.checkpoints.graphs import aten_operators, torchscript_interpreter
from tests.models.checkpoints.test_checkpoint_fuzz import damaged
from tests.support.torch_networks import IDS, NETWORKS, Classifier, LayerAndCell, V, drawn_network, recurrent_names

pytestmark = pytest.mark.filterwarnings("ignore")


def saved(net, *example):
    """Return the archive of a network that is scripted, or traced with an example."""
    file = io.BytesIO()
    torch.jit.save(torch.jit.trace(net, example, check_trace=False) if example else torch.jit.script(net), file)
    return file.getvalue()


def built(data):
    return load_checkpoint(data).graph()


def loaded(data):
    return torch.jit.load(io.BytesIO(data)).eval()


def flat(outputs):
    return torch.utils._pytree.tree_leaves(outputs)


def compare(data, *args):
    """Compare all outputs with torch.jit.load's; return the module and the trace of its run."""
    module = built(data)
    with torch.no_grad():
        want = flat(loaded(data)(*args))
        with capture(module) as trace:
            got = module(*args)
    for one, other in zip(want, got if isinstance(got, tuple) else (got,), strict=True):
        torch.testing.assert_close(other, one, rtol=1e-5, atol=1e-5)
    return module, trace


@pytest.mark.slow
@settings(max_examples=30, derandomize=True, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(NETWORKS, st.booleans())
def test_a_network_of_any_layers(drawn, scripted):
    net, x, refused = drawn_network(*drawn)
    assume(any(True for _ in net.parameters()))  # an archive of no tensors is refused
    data = saved(net) if scripted else saved(net, x)
    if refused is not None:
        with pytest.raises(CheckpointError, match=rf"{refused} has the type aten\.special_i0e, which cannot be run"):
            built(data)
        return
    names = tuple(recurrent_names(drawn[2]))
    if not names:
        with torch.no_grad():
            torch.testing.assert_close(built(data)(x), loaded(data)(x), rtol=1e-5, atol=1e-5)
        return
    module, trace = compare(data, x)
    assert module.left_out == () and sorted(module.recurrent_layers) == sorted(names) and tuple(trace.layers) == names
    assert module.inputs[0].kind == ("ids" if drawn[1] else "values")
    with torch.no_grad(), capture(net) as own:
        net(x)
    for name in names:
        torch.testing.assert_close(trace.layers[name].hidden, own.layers[name].hidden, rtol=1e-5, atol=1e-5)


@pytest.mark.slow  # of which most is the first import of torch.jit
@pytest.mark.parametrize("example", [(), (IDS,)])
def test_the_pages_run_a_classifier(example):
    data = saved(Classifier().eval(), *example)
    module, trace = compare(data, IDS)
    assert tuple(trace.layers) == module.recurrent_layers == ("rnn.l0", "rnn.l0_reverse")
    (about,) = module.inputs
    assert (about.kind, about.vocabulary) == ("ids", V) and module.output_functions == ("log_softmax",)
    assert set(module.state_dict()) == set(Classifier().state_dict())
    network = load_checkpoint(data).network()
    assert network.left_out == () and network.layout is not None and network.layout.form == "sequence"
    with torch.no_grad():
        torch.testing.assert_close(network.module(IDS[:1]), loaded(data)(IDS[:1]))


def test_a_network_saved_in_training_mode_runs_in_evaluation_mode():
    compare(saved(Classifier().train()), IDS)


class Packed(nn.Module):
    """Sequences that end before the last step, with the last states as outputs beside the padded one."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.rnn = nn.GRU(4, 5, bidirectional=True, batch_first=True)

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        y, last = self.rnn(packed)
        padded, sizes = nn.utils.rnn.pad_packed_sequence(y, batch_first=True)
        return padded, (last, sizes)


def test_packed_sequences():
    module, trace = compare(saved(Packed().eval()), torch.randn(3, 6, 4), torch.tensor([4, 6, 1]))
    assert tuple(trace.layers) == module.recurrent_layers == ("rnn.l0", "rnn.l0_reverse")
    assert module.outputs == ("output_0", "output_1", "output_2")


class Cells(nn.Module):
    """Cells of each kind, called at each step of a loop."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.lstm, self.gru, self.rnn = nn.LSTMCell(4, 5), nn.GRUCell(5, 3), nn.RNNCell(3, 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        h = c = torch.zeros(x.shape[0], 5)
        g, r = torch.zeros(x.shape[0], 3), torch.zeros(x.shape[0], 2)
        found = []
        for step in range(x.shape[1]):
            h, c = self.lstm(x[:, step], (h, c))
            g = self.gru(h, g)
            r = self.rnn(g, r)
            found.append(r)
        return torch.stack(found, 1)


def test_cells_in_a_loop():
    x = torch.randn(2, 4, 4)
    data = saved(Cells().eval())
    _, trace = compare(data, x)
    assert list(trace.layers) == ["lstm.l0", "gru.l0", "rnn.l0"]
    with torch.no_grad():
        torch.testing.assert_close(torch.tensor(trace.layers["rnn.l0"].hidden), loaded(data)(x), rtol=1e-5, atol=1e-6)
    network = load_checkpoint(data).network()
    assert network.card.architecture["cell"] == "LSTM, GRU, RNN" and network.card.architecture["layers"] == 3
    with torch.no_grad():
        torch.testing.assert_close(network.module(x), loaded(data)(x), rtol=1e-5, atol=1e-6)


def test_traced_cells_run_as_they_are_written_out():
    """Tracing replaces the LSTM and GRU cell by products and sums."""
    x = torch.randn(2, 4, 4)
    data = saved(Cells().eval(), torch.zeros(2, 4, 4))
    module = built(data)
    with torch.no_grad():
        torch.testing.assert_close(module(x), loaded(data)(x), rtol=1e-5, atol=1e-6)
    assert "lstm.l0" not in module.recurrent_layers


class OwnCell(nn.Module):
    """An LSTM with layer norm, its equations written out, and lists, dictionaries and loops."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.weight_ih, self.weight_hh = nn.Parameter(torch.randn(20, 4)), nn.Parameter(torch.randn(20, 5))
        self.norm = nn.LayerNorm(20)
        self.scales: dict[str, float] = {"input": 1.0, "hidden": 0.5}

    def forward(self, x: Tensor) -> Tensor:
        h, c = torch.zeros(x.shape[0], 5), torch.zeros(x.shape[0], 5)
        found = torch.jit.annotate(list[Tensor], [])
        step = 0
        while step < x.size(1):
            gates = self.norm(x[:, step] @ self.weight_ih.t()) * self.scales["input"]
            gates = gates + h @ self.weight_hh.t() * self.scales["hidden"]
            i, f, g, o = gates.chunk(4, 1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
            found += [h]
            step += 1
        return torch.stack(found[::2], 1)


def test_a_written_out_cell_runs_and_is_not_recorded():
    data = saved(OwnCell())
    module = built(data)
    x = torch.randn(2, 5, 4)
    with torch.no_grad():
        torch.testing.assert_close(module(x), loaded(data)(x), rtol=1e-5, atol=1e-6)
    assert module.recurrent_layers == ()


class Stateful(nn.Module):
    """A network that keeps its last state, and takes one of two paths."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.rnn, self.other = nn.GRU(4, 5), nn.GRU(4, 5)
        self.state = torch.zeros(1, 2, 5)

    def forward(self, x: Tensor, rate: int) -> Tensor:
        y, self.state = self.rnn(x, self.state) if rate == 16 else self.other(x, self.state)
        return y


def test_a_state_that_is_kept_is_named():
    data = saved(Stateful().eval())
    module, reference, x = built(data), loaded(data), torch.randn(3, 2, 4)
    assert module.left_out == module.kept_states == ("state",)
    with torch.no_grad():
        first, second = reference(x, 16), reference(x, 8)
        for _ in range(2):
            torch.testing.assert_close(module(x, torch.tensor(16)), first)
        module.keeps_state = True
        module(x, torch.tensor(16))
        torch.testing.assert_close(module(x, torch.tensor(8)), second)
    module.keeps_state = False
    with torch.no_grad(), capture(module) as trace:
        module(x, torch.tensor(8))
    assert list(trace.layers) == ["other.l0"]  # of two alternatives the one that ran


class Named(nn.Module):
    """Recurrent layers in modules that are called like attributes of the network's class."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.GRU(4, 4), nn.LSTM(4, 4)])
        self.recurrent, self.shared, self.state, self.kinds = nn.RNN(4, 4), nn.GRU(4, 4), nn.LSTM(4, 4), nn.GRU(4, 4)
        self.outer = nn.ModuleDict({"inputs": nn.GRU(4, 4)})

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)[0]
        return self.outer["inputs"](self.kinds(self.state(self.shared(self.recurrent(x)[0])[0])[0])[0])[0]


@pytest.mark.slow
def test_layers_keep_the_names_that_they_have_in_the_file():
    data = saved(Named().eval())
    module, trace = compare(data, torch.randn(3, 2, 4))
    names = ["layers.0", "layers.1", "recurrent", "shared", "state", "kinds", "outer.inputs"]
    assert list(trace.layers) == [f"{name}.l0" for name in names]
    assert set(module.recurrent_layers) == set(trace.layers) == set(load_checkpoint(data).layers)


def changed(data, change):
    """Return an archive whose code is changed by ``change(name, text)``."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            body = old.read(name)
            new.writestr(name, change(name, body) if name.endswith(".py") else body)
    return out.getvalue()


@pytest.mark.parametrize(
    "line", ["open('/tmp/x', 'w')", "__import__('os').system('true')", "torch.ops.load_library('x')", "torch.from_file('x')",
             "ops.own.thing(1)", "().__class__.__bases__", "torch.nn.Linear.__init__.__globals__"],
)  # fmt: skip
def test_no_other_function_is_called(line):
    def change(name, body):
        return body.replace(b"    return", f"    broken = {line}\n    return".encode())

    with pytest.raises(CheckpointError):
        built(changed(saved(nn.Linear(3, 2)), change))(torch.ones(2, 3))


def test_steps_depth_and_sizes_are_bounded(monkeypatch):
    monkeypatch.setattr(torchscript_interpreter, "MAX_STEPS", 1000)
    monkeypatch.setattr(aten_operators, "MAX_ELEMENTS", 1_000_000)
    data = saved(nn.Linear(3, 2))
    for line, sentence in {
        "while True:\n      pass": "is run too often",
        "again = (self).forward(input, )": "calls = ",
        "zeros = torch.zeros([100000, 100000])": "has an output of 10,000,000,000 values",
        "number = torch.pow(10, 1000000000)": "cannot be computed",
        "text = torch.mul([1], 1000000000)": "cannot be computed",
    }.items():

        def change(name, body, line=line):
            return body.replace(b"    return", f"    {line}\n    return".encode())

        with pytest.raises(CheckpointError, match=sentence):
            built(changed(data, change))(torch.ones(2, 3))


@pytest.mark.slow
def test_damaged_code_is_refused():
    data, chance = saved(Classifier().eval()), random.Random(0)
    for _ in range(40):
        with suppress(CheckpointError, TypeError):  # changed code may take other arguments
            built(changed(data, lambda name, body: damaged(body, chance)))(IDS)


@pytest.mark.slow
@pytest.mark.skipif(find_spec("silero_vad") is None, reason="silero-vad is not installed")
@pytest.mark.parametrize(("rate", "count", "path"), [(16000, 512, "_model"), (8000, 256, "_model_8k")])
def test_a_trained_voice_detector(rate, count, path):
    """silero-vad's file: two networks for two sample rates, convolutions, a cell, and a state that is kept."""
    data = (Path(find_spec("silero_vad").origin).parent / "data" / "silero_vad.jit").read_bytes()
    module, reference, made = built(data), loaded(data), torch.Generator().manual_seed(0)
    assert module.recurrent_layers == ("_model.decoder.rnn.l0", "_model_8k.decoder.rnn.l0")
    assert module.left_out == ("_state", "_context", "_last_sr", "_last_batch_size")
    chunks = torch.randn(4, 2, count, generator=made) * 0.3
    for keeps in (False, True):
        module.keeps_state = keeps
        reference.reset_states()
        for chunk in chunks:
            if not keeps:
                reference.reset_states()
            with torch.no_grad(), capture(module) as trace:
                got = module(chunk, torch.tensor(rate))
                torch.testing.assert_close(got, reference(chunk, rate), rtol=1e-5, atol=1e-5)
            assert list(trace.layers) == [f"{path}.decoder.rnn.l0"]
            if keeps:
                state = reference._state[0]
                torch.testing.assert_close(
                    torch.tensor(trace.layers[f"{path}.decoder.rnn.l0"].hidden[:, -1]), state, rtol=1e-5, atol=1e-5
                )


def test_a_cell_of_its_own_code_is_named():
    x = torch.randn(3, 2, 4)
    module, trace = compare(saved(LayerAndCell().eval()), x)
    assert module.unrecorded_cells == ("cell",) and list(trace.layers) == ["rnn.l0"]
    assert built(saved(LayerAndCell().eval(), x)).unrecorded_cells == ("cell",)


class Attending(nn.Module):
    """A GRU, then torch's own attention, which runs by a fused operator without gradients and by single ones with them."""

    def __init__(self):
        super().__init__()
        self.rnn, self.attention = nn.GRU(4, 4), nn.MultiheadAttention(4, 2)

    def forward(self, x: Tensor):
        y = self.rnn(x)[0]
        return self.attention(y, y, y)[0]


@pytest.mark.slow
def test_multihead_attention_runs():
    torch.manual_seed(0)
    x, data = torch.randn(5, 2, 4), saved(Attending().eval())
    compare(data, x)
    torch.testing.assert_close(built(data)(x), loaded(data)(x), rtol=1e-5, atol=1e-6)  # with gradients
