"""Whole torch.export archives: the output equals the exported program's own, or the first layer is named."""

from __future__ import annotations

import io
import json
import random
import zipfile
from contextlib import suppress

import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings
from torch import nn
from torch._export.serde.serialize import serialize

from models import capture
from models.checkpoints import CheckpointError, load_checkpoint
from models.checkpoints.graphs import aten_operators
from tests.models.checkpoints.test_checkpoint_fuzz import damaged
from tests.support.torch_networks import IDS, NETWORKS, Classifier, LayerAndCell, V, drawn_network, recurrent_names

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.slow]  # the first export imports much
FREE = torch.export.Dim.AUTO


def exported(net, args, free=None):
    """Return the exported program of a network in evaluation mode, and its file."""
    program = torch.export.export(net.eval(), args, dynamic_shapes=free)
    file = io.BytesIO()
    torch.export.save(program, file)
    return program, file.getvalue()


def built(data):
    return load_checkpoint(data).graph()


def compare(program, module, *args):
    """Compare all outputs with the program's own; return the trace of the run."""
    with torch.no_grad():
        want = torch.utils._pytree.tree_leaves(program.module()(*args))
        with capture(module) as trace:
            got = module(*args)
    for one, other in zip(want, got if isinstance(got, tuple) else (got,), strict=True):
        torch.testing.assert_close(other, one, rtol=1e-5, atol=1e-5)
    assert tuple(trace.layers) == module.recurrent_layers
    return trace


@settings(max_examples=20, derandomize=True, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(NETWORKS)
def test_a_network_of_any_layers(drawn):
    net, x, refused = drawn_network(*drawn)
    program, data = exported(net, (x,))
    if refused is not None:
        with pytest.raises(CheckpointError, match=rf"{refused} has the type aten\.special_i0e, which cannot be run"):
            built(data)
        return
    module = built(data)
    if not module.recurrent_layers:
        with torch.no_grad():
            torch.testing.assert_close(module(x), program.module()(x), rtol=1e-5, atol=1e-5)
        return
    trace = compare(program, module, x)
    assert module.recurrent_layers == tuple(recurrent_names(drawn[2])) and module.left_out == ()
    with torch.no_grad(), capture(net) as own:
        net(x)
    for name in module.recurrent_layers:
        torch.testing.assert_close(trace.layers[name].hidden, own.layers[name].hidden, rtol=1e-5, atol=1e-5)


def test_a_classifier():
    program, data = exported(Classifier(), (IDS,), {"x": {0: FREE}})
    module = built(data)
    compare(program, module, IDS)
    compare(program, module, IDS.repeat(2, 1))
    (about,) = module.inputs
    assert (about.kind, about.shape, about.vocabulary) == ("ids", (None, 6), V)
    assert module.output_functions == ("log_softmax",) and module.recurrent_layers == ("rnn.l0", "rnn.l0_reverse")
    assert {type(part) for part in module.modules()} >= {nn.Embedding, nn.LSTM, nn.Linear}
    assert set(module.state_dict()) <= set(Classifier().state_dict())


def test_the_pages_run_it():
    program, data = exported(Classifier(), (IDS[:1],))
    network = load_checkpoint(data).network()
    assert network.left_out == () and network.layout is not None and network.layout.steps == 6
    assert network.layout.form == "sequence"
    torch.testing.assert_close(network.module(IDS[:1]), program.module()(IDS[:1]))


def test_inputs_of_other_sizes_are_refused_as_by_the_program():
    program, data = exported(Classifier(), (IDS,))
    module = built(data)
    with pytest.raises(AssertionError):
        program.module()(IDS[:, :3])
    with pytest.raises(CheckpointError, match=r"x has the shape \(2, 3\), but the network was exported for \(2, 6\)"):
        module(IDS[:, :3])


class Stateful(nn.Module):
    """A GRU that starts with its last state, which it keeps in place without gradients."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.rnn = nn.GRU(4, 5)
        self.register_buffer("state", torch.randn(1, 2, 5))
        self.scale = torch.full((5,), 2.0)

    def forward(self, x):
        y, last = self.rnn(x, self.state)
        with torch.no_grad():
            self.state.copy_(last * self.scale)
        return y + self.state, y.reshape(-1, 5).relu_()


def test_a_state_that_is_kept_is_named_and_starts_as_in_the_file():
    x = torch.randn(6, 2, 4)
    program, data = exported(Stateful(), (x,))
    module = built(data)
    compare(program, module, x)
    assert module.left_out == module.kept_states == ("state",)
    with torch.no_grad():
        first, second = module(x), module(x)
    torch.testing.assert_close(first, second, rtol=0, atol=0)


class Cells(nn.Module):
    """Cells of each kind, called at each step of a loop."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.lstm, self.gru, self.rnn = nn.LSTMCell(4, 5), nn.GRUCell(5, 3), nn.RNNCell(3, 2, bias=False)

    def forward(self, x):
        h = c = x.new_zeros(x.shape[0], 5)
        g, r = x.new_zeros(x.shape[0], 3), None
        for step in range(x.shape[1]):
            h, c = self.lstm(x[:, step], (h, c))
            g = self.gru(h, g)
            r = self.rnn(g, r)
        return r, c


def test_cells_in_a_loop():
    x = torch.randn(2, 4, 4)
    program, data = exported(Cells(), (x,), {"x": {0: FREE}})
    trace = compare(program, built(data), x)
    assert list(trace.layers) == ["lstm.l0", "gru.l0", "rnn.l0"]
    with torch.no_grad():
        torch.testing.assert_close(torch.tensor(trace.layers["rnn.l0"].hidden[:, -1]), program.module()(x)[0])
    network = load_checkpoint(data).network()
    assert network.card.architecture["cell"] == "LSTM, GRU, RNN" and network.left_out == ()


class Computed(nn.Module):
    """A recurrent matrix that is computed from others, and a branch that depends on the output."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.rnn = nn.utils.parametrizations.weight_norm(nn.LSTM(4, 5, batch_first=True), "weight_hh_l0")
        self.head = nn.Linear(5, 2)

    def forward(self, x):
        y = self.head(self.rnn(x)[0])
        return torch.cond(y.sum() > 0, lambda x: x * 2, lambda x: x - 1, (y,))


def test_computed_weights_and_a_branch():
    x = torch.randn(2, 3, 4)
    program, data = exported(Computed(), (x,))
    module = built(data)
    for sign in (1, -1):
        compare(program, module, sign * x)


class InTraining(nn.Module):
    def forward(self, x):
        return torch.dropout(x, 0.5, True)


def test_a_layer_in_training_mode_is_named():
    _, data = exported(InTraining(), (torch.ones(2, 3),))
    with pytest.raises(CheckpointError, match=r"dropout was saved in training mode.*model\.eval\(\)"):
        built(data)(torch.ones(2, 3))


class Growing(nn.Module):
    def forward(self, x):
        for _ in range(12):
            x = torch.cat([x, x])
        return x.unsqueeze(1) * x.unsqueeze(0)


def test_outputs_are_bounded(monkeypatch):
    _, data = exported(Growing(), (torch.ones(3),))
    monkeypatch.setattr(aten_operators, "MAX_ELEMENTS", 1_000_000)
    with pytest.raises(CheckpointError, match=r"mul has an output of 150,994,944 values, but at most 1,000,000"):
        built(data)(torch.ones(3))


def changed(data, change):
    """Return an archive whose graph is changed by ``change(program)``."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            body = old.read(name)
            if name.endswith("models/model.json"):
                program = json.loads(body)
                change(program)
                body = json.dumps(program).encode()
            new.writestr(name, body)
    return out.getvalue()


@pytest.mark.parametrize(
    "target", ["torch.ops.aten.from_file.default", "os.system", "torch.ops.aten.set_.default", "builtins.eval"]
)
def test_no_other_function_is_called(target):
    _, data = exported(nn.Linear(3, 2), (torch.ones(2, 3),))

    def change(program):
        program["graph_module"]["graph"]["nodes"][0]["target"] = target

    with pytest.raises(CheckpointError, match="which cannot be run"):
        built(changed(data, change))


def test_another_version_of_the_schema_is_named():
    _, data = exported(nn.Linear(3, 2), (torch.ones(2, 3),))

    def change(program):
        program["schema_version"]["major"] = 99

    with pytest.raises(CheckpointError, match="schema version 99, but only version 8"):
        built(changed(data, change))


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn, self.head = nn.LSTM(3, 4, batch_first=True), nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.rnn(x * torch.tensor([1.0, 2.0, 3.0]))[0])


@pytest.mark.parametrize("ending", [".pt", ".json"])
@pytest.mark.parametrize("version", [None, 1, {"major": 5, "minor": 3}])
def test_archives_of_earlier_torch_run_or_name_their_version(ending, version):
    net, x = Tagger().eval(), torch.randn(1, 5, 3)
    parts = serialize(torch.export.export(net, (x,)))
    program = json.loads(parts.exported_program)
    program["schema_version"] = version or program["schema_version"]
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:  # the members of earlier versions, of the first ones in .json
        archive.writestr("version", "8.5")
        archive.writestr("serialized_exported_program.json", json.dumps(program))
        for name in ("state_dict", "constants", "example_inputs"):
            archive.writestr(f"serialized_{name}{ending}", getattr(parts, name))
    opened = load_checkpoint(file.getvalue())
    assert torch.equal(torch.tensor(opened.layers["rnn.l0"].weight_hh), net.rnn.weight_hh_l0)
    if version is None:
        with torch.no_grad():
            torch.testing.assert_close(opened.network().module(x), net(x), rtol=0, atol=1e-6)
        return
    with pytest.raises(CheckpointError, match=f"schema version {version if version == 1 else 5}, but only version 8"):
        opened.network()


def test_damaged_graphs_are_refused():
    _, data = exported(Classifier(), (IDS,))
    text = json.loads(zipfile.ZipFile(io.BytesIO(data)).read(next(
        name for name in zipfile.ZipFile(io.BytesIO(data)).namelist() if name.endswith("models/model.json")
    )))  # fmt: skip
    whole = json.dumps(text).encode()
    chance = random.Random(0)
    for _ in range(60):
        body = damaged(whole, chance)
        out = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
            for name in old.namelist():
                new.writestr(name, body if name.endswith("models/model.json") else old.read(name))
        with suppress(CheckpointError, TypeError):  # a changed graph may have other inputs
            built(out.getvalue())(IDS)


def test_a_cell_of_its_own_code_is_named():
    x = torch.randn(3, 2, 4)
    program, data = exported(LayerAndCell().eval(), (x,))
    module = built(data)
    compare(program, module, x)
    assert module.unrecorded_cells == ("cell",) and module.recurrent_layers == ("rnn.l0",)
