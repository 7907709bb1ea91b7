"""After one ordinary backward pass: every state's gradient, and every step's part of the weights' gradients."""

import itertools
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from models import capture, load_trace
from models.core.layer_gradients import GradientError
from models.gradients.nonfinite import first_nonfinite, first_nonfinite_value
from tests.models.gradients.test_gradient_map import KINDS, TOLERANCE, case
from tests.support.unrolled_loop import run_unrolled


def near(found, expected, tolerance):
    expected = expected.detach().numpy() if isinstance(expected, torch.Tensor) else expected
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance * (np.abs(expected).max() + 1e-30))


def states_of(module, count):
    width, directions = module.proj_size or module.hidden_size, 2 if module.bidirectional else 1
    number, dtype = module.num_layers * directions, module.weight_hh_l0.dtype
    states = (
        torch.randn(number, count, width, dtype=dtype),
        torch.randn(number, count, module.hidden_size, dtype=dtype),
    )
    return states if isinstance(module, nn.LSTM) else states[:1]


def as_torch(states):
    return states if len(states) > 1 else states[0]


def check(module, x, tolerance, states=None, lengths=None):
    """Captured gradients of a random loss of the output and of the last states, against the written-out loop's."""
    output, hidden, cell, last = run_unrolled(module, x, states, lengths)
    is_lstm = isinstance(module, nn.LSTM)
    weights = [torch.randn_like(output)] + [torch.randn_like(state) for state in last[: 1 + is_lstm]]

    def loss_of(output, last):
        return sum((part * weight).sum() for part, weight in zip((output, *last), weights, strict=True))

    wanted = [state for name in hidden for state in hidden[name] + (cell[name] if is_lstm else [])]
    reference = iter(torch.autograd.grad(loss_of(output, last[: 1 + is_lstm]), wanted))
    module.zero_grad()
    given_x = x if module.batch_first else x.transpose(0, 1)
    if lengths is not None:
        given_x = pack_padded_sequence(given_x, torch.tensor(lengths), module.batch_first, enforce_sorted=False)
    with capture(module) as trace:
        output, last = module(given_x, None if states is None else as_torch(states))
        if lengths is not None:
            output, _ = pad_packed_sequence(output, module.batch_first, total_length=x.shape[1])
        output = output if module.batch_first else output.transpose(0, 1)
        loss_of(output, last if is_lstm else (last,)).backward()
    there = np.ones(x.shape[:2], bool) if lengths is None else np.arange(x.shape[1]) < np.array(lengths)[:, None]
    for name in hidden:
        layer = trace.layers[name]
        for found in ("hidden_grad", "cell_grad") if is_lstm else ("hidden_grad",):
            expected = torch.stack([next(reference) for _ in range(x.shape[1])], dim=1).numpy()
            expected = np.where(there[..., None], expected, 0)  # past a sequence's end the loop repeats the last state
            values = getattr(layer, found)
            assert values.dtype == expected.dtype and not values.flags.writeable
            near(values, expected, tolerance)
        for parameter in layer.gradients.parameter_names:
            grad = getattr(module, f"{parameter}_{name}").grad.numpy()
            near(layer.gradients.per_step(parameter).sum(axis=0), grad, tolerance)
    return trace


@pytest.mark.slow
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize(("layers", "bidirectional"), [*itertools.product([1, 3], [False, True])])
@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_autograds(kind, layers, bidirectional, dtype):
    module, x, _ = case(kind, dtype, num_layers=layers, bidirectional=bidirectional)
    check(module, x, TOLERANCE[dtype])


@settings(max_examples=40, deadline=None)
@given(
    kind=st.sampled_from(sorted(KINDS)),
    batch=st.integers(1, 3),
    steps=st.integers(1, 12),
    layers=st.integers(1, 2),
    bidirectional=st.booleans(),
    bias=st.booleans(),
    batch_first=st.booleans(),
    starts=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_any_shape(kind, batch, steps, layers, bidirectional, bias, batch_first, starts, seed):
    options = {"num_layers": layers, "bidirectional": bidirectional, "bias": bias, "batch_first": batch_first}
    module, x, _ = case(kind, torch.float64, batch, steps, 3, 5, seed, **options)
    check(module, x, 1e-10, states_of(module, batch) if starts else None)


@pytest.mark.slow
@pytest.mark.parametrize(("layers", "bidirectional"), [*itertools.product([1, 2], [False, True])])
@pytest.mark.parametrize("kind", KINDS)
def test_packed(kind, layers, bidirectional):
    module, x, _ = case(kind, batch=3, num_layers=layers, bidirectional=bidirectional)
    for starts in (None, states_of(module, 3)):
        check(module, x, 1e-10, starts, lengths=[4, 9, 7])


@pytest.mark.parametrize("kind", ["rnn", "lstm", "gru"])
def test_without_a_batch(kind):
    module, x, weight = case(kind, batch=1, num_layers=1)
    with capture(module) as one:
        (module(x[0])[0] * weight[0]).sum().backward()
    with capture(module) as batched:
        (module(x)[0] * weight).sum().backward()
    near(one.layers["l0"].hidden_grad, batched.layers["l0"].hidden_grad, 1e-12)


def grad_of(state):
    return torch.zeros_like(state) if state.grad is None else state.grad


CELLS = {"RNN": nn.RNNCell, "LSTM": nn.LSTMCell, "GRU": nn.GRUCell}


class Loop(nn.Module):
    """Cells in a loop, with what people do between the steps."""

    def __init__(self, kind, mask=None, detach=(), layers=2):
        super().__init__()
        self.cells = nn.ModuleList([CELLS[kind](4, 4) for _ in range(layers)])
        self.mask, self.detach = mask, detach

    def forward(self, x, kept=None):
        states = [None] * len(self.cells)
        for t in range(x.shape[1]):
            y = x[:, t]
            for index, cell in enumerate(self.cells):
                state = states[index]
                if state is None:
                    zero = x.new_zeros(len(x), 4)
                    state = (zero, zero) if isinstance(cell, nn.LSTMCell) else zero
                after = cell(y, state)
                if kept is not None:
                    for part in after if isinstance(after, tuple) else (after,):
                        part.retain_grad()
                    kept.append((index, after))
                if self.mask is not None:
                    after = tuple(part * self.mask for part in after) if isinstance(after, tuple) else after * self.mask
                if t in self.detach:
                    after = tuple(part.detach() for part in after) if isinstance(after, tuple) else after.detach()
                states[index] = after
                y = after[0] if isinstance(after, tuple) else after
        return y, states


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("between", ["nothing", "mask", "detach"])
@pytest.mark.parametrize("kind", CELLS)
def test_cells_in_a_loop(kind, between, dtype):
    torch.manual_seed(0)
    mask = torch.tensor([0.0, 2.0, 2.0, 1.0], dtype=dtype) if between == "mask" else None
    net = Loop(kind, mask, detach=(2,) if between == "detach" else ()).to(dtype)
    x, weight, kept = torch.randn(2, 7, 4, dtype=dtype), torch.randn(2, 4, dtype=dtype), []

    def loss_of(y, states):
        ends = [part for state in states for part in (state if isinstance(state, tuple) else (state,))]
        return (y * weight).sum() + sum((part**2).sum() for part in ends)

    loss_of(*net(x, kept)).backward()
    wanted = {name: p.grad.clone() for name, p in net.named_parameters() if p.grad is not None}
    net.zero_grad()
    with capture(net) as trace:
        loss_of(*net(x)).backward()
    for index in range(2):
        layer = trace.layers[f"cells.{index}.l0"]
        assert layer.shape[1] == 7
        after = [state for which, state in kept if which == index]
        hidden = [state[0] if isinstance(state, tuple) else state for state in after]
        near(layer.hidden_grad, torch.stack(list(map(grad_of, hidden)), dim=1), TOLERANCE[dtype])
        if kind == "LSTM":  # on the CPU torch makes h from the very c that it returns
            near(layer.cell_grad, torch.stack([grad_of(state[1]) for state in after], dim=1), TOLERANCE[dtype])
        for parameter in layer.gradients.parameter_names:
            expected = wanted[f"cells.{index}.{parameter}"]
            near(layer.gradients.per_step(parameter).sum(axis=0), expected, TOLERANCE[dtype])


@pytest.mark.parametrize("kind", ["rnn", "lstm", "gru", "projected"])
@pytest.mark.parametrize("detach", [False, True])
def test_fed_in_pieces(kind, detach):
    """A module fed piece by piece with its own last state: the recurrent flow counts once, and a cut is a cut."""
    module, x, weight = case(kind, steps=9)
    with capture(module) as trace:
        states, outputs = None, []
        for piece in x.split([2, 3, 1, 3], dim=1):
            output, states = module(piece, states)
            outputs.append(output)
            if detach:
                states = tuple(s.detach() for s in states) if isinstance(states, tuple) else states.detach()
        (torch.cat(outputs, dim=1) * weight).sum().backward()
    layer = trace.layers["l0"]
    assert layer.shape[1] == 9
    for parameter in layer.gradients.parameter_names:
        near(layer.gradients.per_step(parameter).sum(axis=0), getattr(module, f"{parameter}_l0").grad, 1e-10)
    if not detach:
        with capture(module) as whole:
            (module(x)[0] * weight).sum().backward()
        near(layer.hidden_grad, whole.layers["l0"].hidden_grad, 1e-10)


def test_an_encoder_and_a_decoder():
    class Translate(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Embedding(6, 4)
            self.encoder = nn.GRU(4, 5, 2, batch_first=True, dropout=0.5)
            self.decoder = nn.LSTMCell(4, 5)
            self.head = nn.Linear(5, 6)

        def forward(self, source, target):
            _, h = self.encoder(self.embed(source))
            state, out = (h[-1], h[0].tanh()), []
            for t in range(target.shape[1]):
                state = self.decoder(self.embed(target[:, t]), state)
                out.append(self.head(state[0]))
            return torch.stack(out, dim=1)

    torch.manual_seed(0)
    net = Translate().double()
    source, target = torch.randint(6, (3, 7)), torch.randint(6, (3, 5))
    with capture(net) as trace:
        nn.functional.cross_entropy(net(source, target).flatten(0, 1), target.flatten()).backward()
    for name, module, suffix in (
        ("encoder.l0", net.encoder, "_l0"),
        ("encoder.l1", net.encoder, "_l1"),
        ("decoder.l0", net.decoder, ""),
    ):
        gradients = trace.layers[name].gradients
        for parameter in gradients.parameter_names:
            near(gradients.per_step(parameter).sum(axis=0), getattr(module, parameter + suffix).grad, 1e-10)


def test_backward_passes_add_up_and_what_was_read_stays():
    module, x, weight = case("lstm")
    with capture(module) as trace:
        output, (_, c) = module(x)
        (output * weight).sum().backward(retain_graph=True)
        first = trace.layers["l0"].hidden_grad
        before = first.copy()
        c.sum().backward()
        layer = trace.layers["l0"]
        assert not np.array_equal(layer.hidden_grad, first) and np.array_equal(first, before)
        assert layer.hidden_grad is layer.hidden_grad
    near(layer.gradients.per_step("weight_hh").sum(axis=0), module.weight_hh_l0.grad, 1e-10)


def test_no_hook_remains_and_outputs_are_the_same():
    module, x, weight = case("lstm", num_layers=2)
    expected, _ = module(x)
    with capture(module) as trace:
        output, last = module(x)
        assert torch.equal(output, expected)
    assert not any(tensor._backward_hooks for tensor in (output, *last))
    (output * weight).sum().backward()
    with pytest.raises(GradientError, match="inside the capture block"):
        _ = trace.layers["l1"].hidden_grad


def test_also_after_an_exception():
    module, x, _ = case("gru")
    with pytest.raises(ZeroDivisionError), capture(module):
        output, last = module(x)
        _ = 1 / 0
    assert not output._backward_hooks and not last._backward_hooks


def test_nested_captures_hear_the_same():
    module, x, weight = case("gru", num_layers=2)
    with capture(module) as outer, capture(module) as inner:
        (module(x)[0] * weight).sum().backward()
    for name in outer.layers:
        near(outer.layers[name].hidden_grad, inner.layers[name].hidden_grad, 1e-15)


def test_frozen_weights_and_no_gradients():
    module, x, weight = case("gru", num_layers=2)
    for parameter in module.parameters():
        parameter.requires_grad_(False)
    with capture(module) as trace:
        (module(x.requires_grad_())[0] * weight).sum().backward()
    assert np.abs(trace.layers["l0"].hidden_grad).max() > 0
    with pytest.raises(AttributeError, match="GRU has no"):
        _ = trace.layers["l0"].cell_grad
    with capture(module) as trace, torch.no_grad():
        module(x)
    with pytest.raises(GradientError):
        _ = trace.layers["l0"].gradients


def test_bfloat16():
    module, x, weight = case("lstm", torch.bfloat16)
    with capture(module) as trace:
        (module(x)[0] * weight).sum().backward()
    found = trace.layers["l0"].gradients.per_step("weight_hh").sum(axis=0)
    assert found.dtype == np.float32
    near(found, module.weight_hh_l0.grad.float(), 0.05)


@pytest.mark.parametrize("kind", ["lstm", "gru", "projected"])
def test_saved_and_pickled(tmp_path, kind):
    module, x, weight = case(kind, num_layers=2, bidirectional=True)
    with capture(module) as trace:
        (module(x)[0] * weight).sum().backward()
    trace.save(tmp_path / "run.npz")
    for copy in (load_trace(tmp_path / "run.npz"), pickle.loads(pickle.dumps(trace))):
        for name, layer in trace.layers.items():
            assert np.array_equal(copy.layers[name].hidden_grad, layer.hidden_grad)
            if kind != "gru":
                assert np.array_equal(copy.layers[name].cell_grad, layer.cell_grad)


def test_saved_loops(tmp_path):
    net, x = Loop("LSTM"), torch.randn(2, 5, 4)
    with capture(net) as trace:
        net(x)[0].sum().backward()
    trace.save(tmp_path / "run.npz")
    again = load_trace(tmp_path / "run.npz").layers["cells.0.l0"]
    assert np.array_equal(again.cell_grad, trace.layers["cells.0.l0"].cell_grad)


@pytest.mark.parametrize("kind", ["rnn", "lstm", "gru", "projected"])
def test_which_steps_fed_which_block(kind):
    module, x, weight = case(kind, batch=3)
    with capture(module) as trace:
        (module(x)[0] * weight).sum().backward()
    layer = trace.layers["l0"]
    gradients, size = layer.gradients, layer.shape[2]
    for parameter in gradients.parameter_names:
        every = gradients.per_step(parameter)
        total = getattr(module, f"{parameter}_l0").grad.numpy()
        if parameter == "weight_hr":
            near(gradients.per_step_norms(parameter)[:, 0], np.linalg.norm(every, axis=(1, 2)), 1e-9)
            continue
        for index, gate in enumerate(layer.weights.cell.gates):
            rows = slice(index * size, (index + 1) * size)
            own = every[:, rows].reshape(len(every), -1)
            near(gradients.per_step(parameter, gate).reshape(len(every), -1), own, 1e-12)
            near(gradients.per_step(parameter, gate, slice(2, 4)).reshape(2, -1), own[2:4], 1e-12)
            near(gradients.per_step_norms(parameter)[:, index], np.linalg.norm(own, axis=1), 1e-9)
            near(gradients.per_step_inner_products(parameter)[:, index], own @ total[rows].ravel(), 1e-9)
    gate = layer.weights.cell.gates[0]
    near(gradients.preactivation(gate).sum(axis=(0, 1)), module.bias_ih_l0.grad[:size], 1e-10)
    with pytest.raises(KeyError, match="has no weights of"):
        gradients.preactivation("door")
    with pytest.raises(KeyError, match="has no weight_xy"):
        gradients.per_step("weight_xy")


def test_where_nan_and_infinity_first_appear():
    module, x, weight = case("relu", torch.float32, steps=60, inputs=5, bias=False)
    with torch.no_grad():
        module.weight_hh_l0.copy_(10 * torch.eye(5))
        module.weight_ih_l0.copy_(torch.eye(5))
    weight[:, :-1] = 0
    weight[:, -1] = 1.0
    x = x.abs() * 1e-30
    with capture(module) as trace:
        (module(x)[0] * weight).sum().backward()
    layer = trace.layers["l0"]
    found = first_nonfinite(layer, "hidden_grad")
    assert found is not None and found.value == "inf"
    assert found.position == np.flatnonzero(~np.isfinite(layer.hidden_grad).all(axis=(0, 2)))[-1] == 59 - 39
    assert first_nonfinite(layer, "hidden") is None
    values = np.zeros((2, 5, 3))
    values[1, 3, 2], values[0, 4, 0] = np.nan, np.inf
    assert (
        first_nonfinite_value(values) == first_nonfinite_value(values[:, :4])
        and first_nonfinite_value(values).value == "nan"
    )
    assert (
        first_nonfinite_value(values, last_first=True).position,
        first_nonfinite_value(values, last_first=True).value,
    ) == (4, "inf")
