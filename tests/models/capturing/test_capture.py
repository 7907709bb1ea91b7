"""Every number of a capture is the network's own: compared with the documented equations, a step at a time."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_sequence, pad_packed_sequence

from models import capture
from tests.support.oracle import layer, step, weights_of

TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10, torch.bfloat16: 0.05}
"""bfloat16 has 8 bits: a state of size 1 is rounded by 2e-3, and a gate sums several such states."""

MODULES = {"RNN": nn.RNN, "LSTM": nn.LSTM, "GRU": nn.GRU}


@st.composite
def cases(draw):
    """A recurrent module with options of every kind, and how it is to be fed."""
    kind = draw(st.sampled_from(["RNN", "LSTM", "GRU"]))
    hidden = draw(st.integers(1, 6))
    options = {
        "input_size": draw(st.integers(1, 5)),
        "hidden_size": hidden,
        "num_layers": draw(st.integers(1, 3)),
        "bidirectional": draw(st.booleans()),
        "bias": draw(st.booleans()),
        "batch_first": draw(st.booleans()),
        "dropout": draw(st.sampled_from([0.0, 0.4])),
    }
    if kind == "RNN":
        options["nonlinearity"] = draw(st.sampled_from(["tanh", "relu"]))
    if kind == "LSTM" and hidden > 1:
        options["proj_size"] = draw(st.integers(0, hidden - 1))
    feeding = draw(st.sampled_from(["batch", "single", "packed", "packed unsorted"]))
    lengths = draw(st.lists(st.integers(1, 7), min_size=1, max_size=3))
    if feeding == "packed":
        lengths = sorted(lengths, reverse=True)
    elif feeding == "batch":
        lengths = [lengths[0]] * len(lengths)
    elif feeding == "single":
        lengths = lengths[:1]
    return {
        "kind": kind,
        "options": options,
        "feeding": feeding,
        "lengths": lengths,
        "states": draw(st.booleans()),
        "train": draw(st.booleans()),
        "dtype": draw(st.sampled_from([torch.float32, torch.float64, torch.bfloat16])),
        "grad": draw(st.booleans()),
        "seed": draw(st.integers(0, 1000)),
    }


def build(case):
    """The module, its arguments, the separate sequences and the initial states (layers, B, units)."""
    torch.manual_seed(case["seed"])
    options, dtype = case["options"], case["dtype"]
    if options["num_layers"] == 1:
        options = options | {"dropout": 0.0}
    module = MODULES[case["kind"]](**options).to(dtype).train(case["train"])
    sequences = [torch.randn(length, options["input_size"]).to(dtype) for length in case["lengths"]]
    directions = 2 if options["bidirectional"] else 1
    count, batch = options["num_layers"] * directions, len(sequences)
    sizes = [options.get("proj_size") or options["hidden_size"], options["hidden_size"]]
    states = [torch.randn(count, batch, size).to(dtype) for size in sizes[: 2 if case["kind"] == "LSTM" else 1]]
    if not case["states"]:
        states = [torch.zeros_like(state) for state in states]
    if case["feeding"] == "single":
        x = sequences[0]
    elif case["feeding"] == "batch":
        x = torch.stack(sequences, dim=0 if options["batch_first"] else 1)
    else:
        x = pack_sequence(sequences, enforce_sorted=case["feeding"] == "packed")
    args = [x]
    if case["states"]:
        own = [state[:, 0] for state in states] if case["feeding"] == "single" else states
        args.append(tuple(own) if case["kind"] == "LSTM" else own[0])
    return module, args, sequences, states


def flat(output):
    """All tensors of an output."""
    if isinstance(output, PackedSequence):
        return [output.data, output.batch_sizes]
    if isinstance(output, torch.Tensor):
        return [output]
    return [tensor for part in output for tensor in flat(part)]


@pytest.mark.slow
@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(cases())
def test_every_gate_and_state_is_the_networks_own(case):
    module, args, sequences, states = build(case)
    kind, dtype, options = case["kind"], case["dtype"], case["options"]
    with torch.set_grad_enabled(case["grad"]):
        torch.manual_seed(1)
        plain = flat(module(*args))
        torch.manual_seed(1)
        with capture(module) as trace:
            output = module(*args)
    assert all(torch.equal(a, b) for a, b in zip(plain, flat(output), strict=True))

    suffixes = [
        f"l{level}{way}"
        for level in range(options["num_layers"])
        for way in (["", "_reverse"] if options["bidirectional"] else [""])
    ]
    assert list(trace.layers) == suffixes
    below = [sequence.double() for sequence in sequences]
    for index, suffix in enumerate(suffixes):
        seen = trace.layers[suffix]
        reverse = suffix.endswith("_reverse")
        weights = {name: values.double() for name, values in weights_of(module, f"_{suffix}").items()}
        extra = {"nonlinearity": options["nonlinearity"]} if kind == "RNN" else {}
        assert list(seen.lengths) == case["lengths"]
        for row, x in enumerate(below):
            start = tuple(state[index, row].double() for state in states)
            expected = layer(kind, weights, x, start, reverse, **extra)
            length = len(x)
            assert set(expected) == set(seen.quantities)
            assert near(seen.input[row, :length], x, dtype)
            assert near(seen.initial_hidden[row], start[0], dtype)
            for name, values in expected.items():
                assert seen[name].dtype == (np.float64 if dtype == torch.float64 else np.float32)
                assert near(seen[name][row, :length], values, dtype), (suffix, name)
                assert not seen[name][row, length:].any()
            assert not seen.input[row, length:].any() and not seen.hidden_prev[row, length:].any()
            if kind == "LSTM":
                before, first = shift(expected["cell"], start[1], reverse), seen.initial_cell[row]
                assert near(seen.cell_prev[row, :length], before, dtype) and near(first, start[1], dtype)
                assert not seen.cell_prev[row, length:].any()
            assert near(seen.hidden_prev[row, :length], shift(expected["hidden"], start[0], reverse), dtype)
        # what the next layer reads: this one's output in all its directions, after dropout
        if index + 1 < len(suffixes) and suffixes[index + 1][:2] != suffix[:2]:
            own = [name for name in suffixes if name[:2] == suffix[:2]]
            below = []
            for row, length in enumerate(case["lengths"]):
                columns = []
                for name in own:
                    part = trace.layers[name]
                    assert (part.dropout is None) == (not case["train"] or options["dropout"] == 0)
                    scale = 1 if part.dropout is None else part.dropout[row, :length]
                    columns.append(torch.tensor(np.array(part.hidden[row, :length] * scale)).double())
                below.append(torch.cat(columns, dim=1))
    top = trace.layers[suffixes[-1]]
    assert top.dropout is None


def near(values, expected, dtype):
    expected = expected.detach().double().numpy()
    return np.allclose(values, expected, rtol=0, atol=TOLERANCE[dtype] * max(1.0, np.abs(expected).max(initial=0)))


def shift(values, first, reverse):
    return torch.cat([values[1:], first[None]]) if reverse else torch.cat([first[None], values[:-1]])


@pytest.mark.parametrize("kind", MODULES)
@pytest.mark.parametrize("packed", [False, True])
def test_outputs_hidden_states_and_gradients_are_bitwise_unchanged(kind, packed):
    torch.manual_seed(0)
    net = MODULES[kind](5, 7, num_layers=3, dropout=0.5, bidirectional=True)
    x = torch.randn(6, 4, 5)
    given = pack_sequence([x[:n, b] for b, n in enumerate([3, 6, 1, 5])], enforce_sorted=False) if packed else x

    def run(look):
        net.zero_grad()
        torch.manual_seed(3)
        if look:
            with capture(net):
                out, states = net(given)
        else:
            out, states = net(given)
        out = pad_packed_sequence(out)[0] if packed else out
        out.square().sum().backward()
        return [out, *flat(states), *(p.grad.clone() for p in net.parameters()), torch.get_rng_state()]

    assert all(torch.equal(a, b) for a, b in zip(run(False), run(True), strict=True))


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("batch", [None, 3])
def test_a_loop_over_a_cell_is_one_trace_of_all_steps(kind, dtype, bias, batch):
    torch.manual_seed(0)
    cell = {"RNN": nn.RNNCell, "LSTM": nn.LSTMCell, "GRU": nn.GRUCell}[kind](4, 5, bias=bias).to(dtype)
    x = torch.randn(6, *([batch] if batch else []), 4, dtype=dtype)
    with capture(cell) as trace:
        state = None
        for t in range(6):
            state = cell(x[t], state)
    assert list(trace.layers) == ["l0"]
    seen = trace.layers["l0"]
    zeros = torch.zeros(*([batch] if batch else []), 5, dtype=dtype)
    running: tuple = (zeros, zeros)
    weights = weights_of(cell, "")
    for t in range(6):
        expected = step(kind, weights, x[t], running)
        for name, values in expected.items():
            assert near(seen[name][:, t].reshape(values.shape), values, dtype), name
        running = (expected["hidden"], expected.get("cell"))


class Loops(nn.Module):
    """Two loops over one Cell in one forward, with dropout on the state between the steps."""

    def __init__(self, cell, start=None):
        super().__init__()
        self.cell, self.start = cell, start

    def forward(self, x, y):
        for sequence in (x, y):
            state = self.start
            for t in range(sequence.shape[1]):
                state = self.cell(sequence[:, t], state)
                if isinstance(state, tuple):
                    state = (nn.functional.dropout(state[0], 0.3, self.training), state[1])
                else:
                    state = nn.functional.dropout(state, 0.3, self.training)
        return state


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("start", ["none", "zeros", "learned"])
def test_two_loops_in_one_forward_are_two_runs_whatever_happens_between_the_steps(kind, train, start):
    torch.manual_seed(0)
    cell = {"RNN": nn.RNNCell, "LSTM": nn.LSTMCell, "GRU": nn.GRUCell}[kind](3, 8)
    h0 = {"none": None, "zeros": torch.zeros(2, 8), "learned": torch.randn(2, 8)}[start]
    net = Loops(cell, (h0, h0) if kind == "LSTM" and h0 is not None else h0).train(train)
    x, y = torch.randn(2, 5, 3), torch.randn(2, 4, 3)
    with capture(net) as trace:
        net(x, y)
        net(y, x)
    runs = ["cell.l0", "cell.l0#2", "cell.l0#3", "cell.l0#4"]
    assert list(trace.layers) == runs
    for run, sequence in zip(runs, (x, y, y, x), strict=True):
        seen = trace.layers[run]
        assert np.array_equal(seen.input, sequence.numpy())
        for t in range(sequence.shape[1]):
            before = [torch.tensor(np.array(seen.hidden_prev[:, t]))]
            if kind == "LSTM":
                before.append(torch.tensor(np.array(seen.cell_prev[:, t])))
            expected = step(kind, weights_of(cell, ""), sequence[:, t], tuple(before))
            assert all(near(seen[name][:, t], values, torch.float32) for name, values in expected.items())


@pytest.mark.parametrize("kind", MODULES)
def test_decoding_step_by_step_is_one_trace_and_a_new_sequence_another(kind):
    torch.manual_seed(0)
    net = MODULES[kind](3, 4, num_layers=2, batch_first=True)
    x = torch.randn(2, 5, 3)
    with capture(net) as trace:
        for _ in range(2):
            state = None
            for t in range(5):
                _out, state = net(x[:, t : t + 1], state)
                early = trace.layers["l1"].hidden  # looking on the way changes nothing
    assert list(trace.layers) == ["l0", "l1", "l0#2", "l1#2"]
    assert early.shape[1] == 5
    with capture(net) as whole:
        net(x)
    for name in ("l0", "l1"):
        for quantity in trace.layers[name]:
            for run in (name, f"{name}#2"):
                assert np.allclose(trace.layers[run][quantity], whole.layers[name][quantity], atol=1e-6)


def test_a_run_whose_cell_state_was_reset_is_not_joined():
    net = nn.LSTM(3, 4, batch_first=True)
    x = torch.randn(1, 4, 3)
    with capture(net) as trace:
        _, (h, c) = net(x)
        net(x, (h, torch.zeros_like(c)))
    assert list(trace.layers) == ["l0", "l0#2"]


class Translator(nn.Module):
    """An encoder whose last state starts the decoder."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.GRU(3, 4, batch_first=True)
        self.decoder = nn.GRU(3, 4, batch_first=True)

    def forward(self, x, y):
        state = self.encoder(input=x)[1]
        return self.decoder(input=y, hx=state)[0]


def test_encoder_and_decoder_called_with_keywords():
    net, x, y = Translator(), torch.randn(2, 6, 3), torch.randn(2, 4, 3)
    with capture(net) as trace:
        out = net(x, y)
    assert list(trace.layers) == ["encoder.l0", "decoder.l0"]
    assert trace.layers["decoder"] is trace.layers["decoder.l0"]
    assert np.array_equal(trace.layers["decoder"].initial_hidden, trace.layers["encoder"].hidden[:, -1])
    assert np.array_equal(trace.layers["decoder"].hidden, out.detach().numpy())


def test_the_same_module_called_twice_in_one_forward_gives_two_runs():
    net, x = nn.Sequential(nn.LSTM(3, 3)), torch.randn(5, 2, 3)
    with capture(net) as trace:
        net(x)
        net(x)
    assert list(trace.layers) == ["0.l0", "0.l0#2"]
    assert np.array_equal(trace.layers["0.l0"].cell, trace.layers["0.l0#2"].cell)
