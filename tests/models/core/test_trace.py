"""A trace on disk: bit for bit what was saved, and one sentence for every file that is something else."""

from __future__ import annotations

import io
import json
import random

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_sequence

from models import ArchiveError, Problem, Trace, capture, load_trace
from models.checkpoints import saved_run
from models.checkpoints.parsing.errors import LimitError
from models.checkpoints.saved_run import load_run
from models.core import archive
from models.core import trace as trace_module
from models.core.archive import HEADER, read_archive
from models.core.recording import Recording
from models.core.stepwise_modules import StepwiseGRU, StepwiseLSTM
from models.core.trace import LayerTrace, LayerTraces
from models.core.weights import LayerWeights
from tests.support.mutated_files import mutated

EXTRAS = ("input", "hidden_prev", "initial_hidden", "lengths", "dropout")


def same(a: LayerTrace, b: LayerTrace) -> bool:
    """Bit for bit the same layer."""
    names = (*a.quantities, *EXTRAS, *(("cell_prev", "initial_cell") if a.kind == "LSTM" else ()))
    for name in names:
        one, other = getattr(a, name), getattr(b, name)
        if (one is None) != (other is None):
            return False
        if one is not None and (one.dtype != other.dtype or one.shape != other.shape):
            return False
        if one is not None and one.tobytes() != other.tobytes():
            return False
    ours, theirs = a.weights.arrays(), b.weights.arrays()
    options = [(w.kind, w.options) for w in (a.weights, b.weights)]
    return (
        (a.name, a.reverse, a.quantities) == (b.name, b.reverse, b.quantities)
        and options[0] == options[1]
        and list(ours) == list(theirs)
        and all(np.array_equal(ours[name], theirs[name]) for name in ours)
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "options"),
    [(nn.RNN, {}), (nn.RNN, {"nonlinearity": "relu"}), (nn.LSTM, {}), (nn.LSTM, {"proj_size": 2}), (nn.GRU, {}),
     (StepwiseLSTM, {"activation": "relu", "recurrent_activation": "hard_sigmoid"}),
     (StepwiseGRU, {"recurrent_activation": "hard_sigmoid_3", "reset_after": False})],
)  # fmt: skip
@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_saved_and_loaded_bit_for_bit(kind, options, packed, dtype, tmp_path):
    torch.manual_seed(0)
    net = kind(3, 4, num_layers=2, bidirectional=True, dropout=0.5, **options).to(dtype)
    x = torch.randn(5, 3, 3, dtype=dtype)
    given = pack_sequence([x[:n, b] for b, n in enumerate([2, 5, 3])], enforce_sorted=False) if packed else x
    with capture(net) as trace:
        net(given)
    trace = trace.with_tokens(["가", "b", "\n", "", "é"])
    path = tmp_path / "run of 1"
    trace.save(path)
    again = load_trace(path)
    assert again.tokens == trace.tokens and list(again.layers) == list(trace.layers)
    assert all(same(trace.layers[name], again.layers[name]) for name in trace.layers)
    assert not again.layers["l0"].hidden.flags.writeable
    again.save(tmp_path / "twice.npz")
    assert all(same(trace.layers[name], load_trace(tmp_path / "twice.npz").layers[name]) for name in trace.layers)


def test_what_is_there_twice_is_held_once(tmp_path):
    net = nn.LSTM(3, 4, num_layers=2)
    with capture(net) as trace:
        net(torch.randn(5, 2, 3))
    trace.save(tmp_path / "run.npz")
    below, above = load_trace(tmp_path / "run.npz").layers.values()
    assert np.shares_memory(above.input, below.hidden)
    for layer in (below, above):
        assert np.shares_memory(layer.hidden[:, :-1], layer.hidden_prev[:, 1:])
        assert np.shares_memory(layer.cell[:, :-1], layer.cell_prev[:, 1:])


@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
@pytest.mark.parametrize("steps", [slice(0, 3), slice(2, 9), slice(8, 9)])
def test_a_part_of_a_run_is_the_run_there(kind, steps):
    torch.manual_seed(0)
    net = kind(3, 4, bidirectional=True)
    with capture(net) as trace:
        net(pack_sequence([torch.randn(n, 3) for n in (9, 6)]))
    for layer in trace.layers.values():
        for row, length in enumerate((9, 6)):
            part = layer.select(row, steps)
            for name in (*layer.quantities, "input", "hidden_prev", *(("cell_prev",) if kind is nn.LSTM else ())):
                np.testing.assert_array_equal(getattr(part, name)[0], getattr(layer, name)[row, steps])
            assert part.lengths.tolist() == [max(0, min(length, steps.stop) - steps.start)]


@pytest.mark.parametrize("kind", [nn.RNNCell, nn.LSTMCell, nn.GRUCell])
def test_a_loop_over_a_cell_too(kind, tmp_path):
    cell, state = kind(3, 4), None
    with capture(cell) as trace:
        for x in torch.randn(5, 2, 3):
            state = cell(x, state)
    trace.save(tmp_path / "run.npz")
    assert same(trace.layers["l0"], load_trace(tmp_path / "run.npz").layers["l0"])


def test_a_gru_that_resets_before_the_product_too(tmp_path):
    torch.manual_seed(0)
    weights = LayerWeights("GRU", torch.randn(12, 3), torch.randn(12, 4), reset_after=False)
    recording = Recording(torch.randn(1, 5, 3), *torch.randn(2, 1, 5, 4))
    trace = Trace(LayerTraces({"a/b.l0": LayerTrace("a/b.l0", weights, recording)}))
    trace.save(tmp_path / "run.npz")
    assert same(trace.layers["a/b.l0"], load_trace(tmp_path / "run.npz").layers["a/b.l0"])


def test_tokens_are_kept_even_where_layers_differ_in_length(tmp_path):
    net = nn.ModuleDict({"a": nn.GRU(3, 4), "b": nn.GRU(3, 4)})
    with capture(net) as trace:
        net["a"](torch.randn(5, 1, 3))
        net["b"](torch.randn(2, 1, 3))
    trace.with_tokens("hello").save(tmp_path / "run.npz")
    assert load_trace(tmp_path / "run.npz").tokens == tuple("hello")


@pytest.fixture
def saved(tmp_path):
    """A saved run."""
    net = nn.LSTM(3, 4)
    with capture(net) as trace:
        net(torch.randn(5, 2, 3))
    trace.save(tmp_path / "run.npz")
    return tmp_path / "run.npz"


def test_a_run_saved_before_there_were_other_activations(saved):
    arrays = dict(np.load(saved))
    header = json.loads(arrays[HEADER].tobytes())
    for name in ("activation", "recurrent_activation"):
        del header["layers"][0][name]
    arrays[HEADER] = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)
    np.savez(saved, **arrays)
    assert load_trace(saved).layers["l0"].weights.options == {"activation": "tanh", "recurrent_activation": "sigmoid"}


def test_from_an_open_file(saved):
    assert list(load_trace(io.BytesIO(saved.read_bytes())).layers) == ["l0"]


def test_states_and_those_a_step_earlier_are_held_once(tmp_path):
    net = nn.LSTM(3, 4)
    with capture(net) as trace:
        net(torch.randn(5, 3, 3))
    trace.save(tmp_path / "run.npz")
    layer = load_trace(tmp_path / "run.npz").layers["l0"]
    assert np.shares_memory(layer.hidden, layer.hidden_prev) and np.shares_memory(layer.cell, layer.cell_prev)


def refused(source) -> str:
    """Return the message of one line, what is wrong and what to do, with which ``source`` is refused."""
    with pytest.raises(ArchiveError) as caught:
        load_trace(source)
    message = str(caught.value)
    assert message and "\n" not in message and message.endswith(".") and message.count(". ") <= 2, message
    return message


def test_files_that_are_something_else(tmp_path, saved):
    assert "File not found" in refused(tmp_path / "absent.npz")
    for content in (b"", b"hello", saved.read_bytes()[:200], saved.read_bytes()[:-300]):
        (tmp_path / "other").write_bytes(content)
        refused(tmp_path / "other")
    np.save(tmp_path / "one.npy", np.zeros(3))
    refused(tmp_path / "one.npy")
    np.savez(tmp_path / "plain.npz", a=np.zeros(3))
    assert "no saved run" in refused(tmp_path / "plain.npz")
    np.savez(tmp_path / "pickle.npz", a=np.array([{"a": 1}], dtype=object))
    refused(tmp_path / "pickle.npz")
    refused(tmp_path)


def test_a_pickle_inside_is_never_run(saved, tmp_path):
    class Bomb:
        def __reduce__(self):
            return (tmp_path / "exploded").touch, ()

    arrays = dict(np.load(saved))
    arrays["l0/input"] = np.array([Bomb()], dtype=object)
    np.savez(saved, **arrays)
    refused(saved)
    assert not (tmp_path / "exploded").exists()


def test_too_large(tmp_path):
    np.savez_compressed(tmp_path / "bomb.npz", a=np.zeros(1 << 20, np.uint8))
    with pytest.raises(ArchiveError, match="the limit is 100,000 bytes"):
        read_archive(tmp_path / "bomb.npz", largest=100_000)


@pytest.mark.parametrize("name", ["input", "hidden", "hidden_prev", "cell", "cell_prev", "initial_cell", "forget_gate",
                                  "lengths", "weight_ih", "weight_hh", "bias_ih"])  # fmt: skip
@pytest.mark.parametrize("damage", ["gone", "shape", "flat", "text", "int", "float16"])
def test_damaged_arrays(saved, name, damage):
    arrays = dict(np.load(saved))
    own = arrays.pop(f"l0/{name}")
    change = {
        "shape": lambda: np.concatenate([own, own]),
        "flat": lambda: own.reshape(-1)[:1].reshape(()),
        "text": lambda: np.full(own.shape, "x"),
        "int": lambda: np.full(own.shape, 100),
        "float16": lambda: own.astype(np.float16),
    }
    if damage != "gone":
        arrays[f"l0/{name}"] = change[damage]()
    np.savez(saved, **arrays)
    if damage == "float16" and name.startswith(("weight", "bias")):
        load_trace(saved)  # widened, as half-precision weights are
    else:
        refused(saved)


@pytest.mark.parametrize(
    "change",
    [
        {"format": "another"},
        {"layers": None},
        {"layers": [3]},
        {"layers": [{}]},
        {"layers": {"a": 1}},
        {"tokens": 3},
        {"kind": "MGU"},
        {"kind": ["LSTM"]},
        {"kind": "GRU"},
        {"kind": "RNN", "nonlinearity": "sine"},
        {"kind": "RNN", "nonlinearity": []},
        {"activation": "sine"},
        {"recurrent_activation": ["sigmoid"]},
        {"name": "l1"},
        {"name": 3},
    ],
)
def test_damaged_headers(saved, change):
    arrays = dict(np.load(saved))
    header = json.loads(arrays[HEADER].tobytes())
    for key, value in change.items():
        (header if key in header else header["layers"][0])[key] = value
    arrays[HEADER] = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)
    np.savez(saved, **arrays)
    refused(saved)


def test_a_header_that_names_a_layer_twice(saved):
    arrays = dict(np.load(saved))
    header = json.loads(arrays[HEADER].tobytes())
    header["layers"] *= 3000
    arrays[HEADER] = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)
    np.savez(saved, **arrays)
    refused(saved)


def with_header(saved, change):
    """Save the run with a changed header."""
    arrays = dict(np.load(saved))
    header = json.loads(arrays[HEADER].tobytes())
    change(header)
    arrays[HEADER] = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)
    np.savez(saved, **arrays)


@pytest.mark.parametrize(
    "change",
    [
        lambda header: header["layers"][0].update(name="l" * 5000),
        lambda header: header.update(attention=[{"name": "a" * 5000, "unsure": False, "empty": "0"}]),
        lambda header: header.update(attention={"a": 1}),
        lambda header: header.update(tokens={"a": 1}),
    ],
)
def test_names_that_are_too_long_and_lists_that_are_none(saved, change):
    with_header(saved, change)
    refused(saved)


@pytest.mark.parametrize("limit", ["MAX_ARRAYS", "MAX_HEADER_BYTES", "MAX_HEADER_ITEMS"])
def test_a_run_with_too_many_arrays_or_too_long_a_header(saved, monkeypatch, limit):
    monkeypatch.setattr(archive, limit, 9)
    assert "too l" in refused(saved)
    assert limit == "MAX_HEADER_ITEMS" or not archive.is_archive(saved)


def test_the_work_for_a_layer_does_not_grow_with_their_number(saved, monkeypatch):
    """Each layer's states are compared by one key, however many layers there are."""
    arrays, count = dict(np.load(saved)), 40
    header = json.loads(arrays.pop(HEADER).tobytes())
    own = [entry for entry in header["layers"] if entry["name"] == "l0"]
    header["layers"] = [entry | {"name": f"m{number}"} for entry in own for number in range(count)]
    named = {key: values for key, values in arrays.items() if key.startswith("l0/")}
    many = {key.replace("l0/", f"m{number}/"): values for key, values in named.items() for number in range(count)}
    np.savez(saved, **many, **{HEADER: np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)})
    keys, compared = [], []
    monkeypatch.setattr(trace_module, "_bits", lambda tensor, make=trace_module._bits: keys.append(1) or make(tensor))
    monkeypatch.setattr(
        trace_module, "_same_bits", lambda *both, same=trace_module._same_bits: compared.append(1) or same(*both)
    )
    assert len(load_trace(saved).layers) == count
    assert len(keys) == 2 * count and len(compared) <= 2 * count


def test_mutated_runs_are_loaded_or_refused(saved):
    data = saved.read_bytes()
    for _ in range(60):
        seed = random.getrandbits(60)
        try:
            assert load_trace(io.BytesIO(mutated(data, random.Random(seed)))).layers is not None
        except ArchiveError as problem:
            assert "\n" not in str(problem) and str(problem).endswith("."), seed


def test_a_run_is_the_same_after_a_separate_process_has_loaded_it(saved, tmp_path):
    assert all(same(load_run(saved).layers[name], layer) for name, layer in load_trace(saved).layers.items())
    for content in (saved.read_bytes()[:-300], b"", None):
        place = tmp_path / "other.npz"
        place.unlink(missing_ok=True) if content is None else place.write_bytes(content)
        with pytest.raises(Problem) as problem:
            load_run(place)
        assert str(problem.value) == refused(place)


def test_a_run_over_the_limits_is_to_be_shortened(saved, monkeypatch):
    def over_the_limit(*_):
        raise LimitError("Save only the weights.")

    monkeypatch.setattr(saved_run, "ask_parser", over_the_limit)
    with pytest.raises(ArchiveError, match=r"too much memory or time\. Save a shorter run\."):
        load_run(saved)


@pytest.mark.parametrize("text", [b"[]", b"{", b"\xff\xfe", b"null", b"[" * 200_000])
def test_headers_that_are_no_header(saved, text):
    arrays = dict(np.load(saved))
    arrays[HEADER] = np.frombuffer(text, dtype=np.uint8)
    np.savez(saved, **arrays)
    refused(saved)


@pytest.mark.parametrize(
    "given", [[1, 22, 333], np.array([1, 22, 333]), torch.tensor([1, 22, 333]), iter(("1", 22, "333"))]
)
def test_the_ids_of_tokens_are_labels(given, tmp_path):
    trace = run_of(3).with_tokens(given)
    assert trace.tokens == ("1", "22", "333")
    trace.save(tmp_path / "run.npz")
    assert load_trace(tmp_path / "run.npz").tokens == trace.tokens


@pytest.mark.parametrize("given", ["ab", "abcd", "", [1] * 30, 5, None, torch.zeros(1, 3), 3.5])
def test_labels_that_are_not_one_for_each_step_are_one_sentence(given):
    with pytest.raises(Problem, match="labels"):
        run_of(3).with_tokens(given)


def test_labels_may_be_those_of_one_sequence_of_a_batch():
    net = nn.GRU(2, 3)
    with capture(net) as trace:
        net(pack_sequence([torch.zeros(n, 2) for n in (5, 3)]))
    assert trace.with_tokens("abc").tokens == ("a", "b", "c") and trace.with_tokens("abcde")
    with pytest.raises(Problem, match="the layers have 3, 5 time steps"):
        trace.with_tokens("abcd")


def test_half_a_surrogate_pair_is_saved(tmp_path):
    for token in ("\ud800", "a\udfffb", "가\udc00"):
        run_of(3).with_tokens([token, "나", "c"]).save(tmp_path / "run.npz")
        assert load_trace(tmp_path / "run.npz").tokens == (token, "나", "c")


def run_of(steps: int) -> Trace:
    """Return the trace of a small layer."""
    net = nn.RNN(2, 3, batch_first=True)
    with torch.no_grad(), capture(net) as trace:
        net(torch.zeros(1, steps, 2))
    return trace
