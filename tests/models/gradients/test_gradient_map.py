"""All T x T gradients at once, and their split by path, against one autograd pass for each loss."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from models import capture, gradient_map
from models.core.stepwise_modules import StepwiseGRU, StepwiseLSTM, StepwiseRNN
from models.gradients import module_backward as sweeping
from models.gradients.gradient_map import gradient_map_of
from models.gradients.module_backward import chained_stack, layer_stack
from models.gradients.path_split import path_map, path_vectors
from tests.support.unrolled_loop import autograd_map, normed_lstm, run_unrolled

KINDS = {"rnn": (nn.RNN, {}), "relu": (nn.RNN, {"nonlinearity": "relu"}), "lstm": (nn.LSTM, {}), "gru": (nn.GRU, {})}
KINDS["projected"] = (nn.LSTM, {"proj_size": 3})
KINDS["elu"] = (StepwiseRNN, {"nonlinearity": "elu"})
KINDS["old keras lstm"] = (StepwiseLSTM, {"activation": "softsign", "recurrent_activation": "hard_sigmoid"})
KINDS["relu lstm"] = (StepwiseLSTM, {"activation": "relu", "proj_size": 3})
KINDS["keras 3 gru"] = (StepwiseGRU, {"activation": "linear", "recurrent_activation": "hard_sigmoid_3"})
KINDS["reset before"] = (StepwiseGRU, {"reset_after": False, "recurrent_activation": "hard_sigmoid"})
KINDS["peepholes"] = (StepwiseLSTM, {"peepholes": True, "clip": 0.4})
KINDS["multiplicative"] = (StepwiseLSTM, {"multiplicative": True, "clip": 0.6})
KINDS["coupled"] = (StepwiseLSTM, {"coupled": True, "peepholes": True, "recurrent_activation": "hard_sigmoid"})
KINDS["normed"] = (normed_lstm, {"norm": 1e-5, "cell_norm": True})
KINDS["normed products"] = (normed_lstm, {"norm": 1e-3, "peepholes": True, "clip": 0.8, "proj_size": 3})
KINDS["clipped gru"] = (StepwiseGRU, {"reset_after": False, "clip": 0.4})
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}


def case(kind, dtype=torch.float64, batch=2, steps=9, inputs=3, units=5, seed=0, **options):
    torch.manual_seed(seed)
    make, own = KINDS[kind]
    module = make(inputs, units, **{"batch_first": True} | own | options).to(dtype)
    x = torch.randn(batch, steps, inputs, dtype=dtype)
    width = (module.proj_size or units) * (2 if module.bidirectional else 1)
    return module, x, torch.randn(batch, steps, width, dtype=dtype)


def assert_equal(found, expected, tolerance):
    assert list(found) == list(expected)
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=tolerance, atol=tolerance * float(values.abs().max()) / 10)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_the_map_is_autograds(kind, bidirectional, layers, dtype):
    module, x, loss_grad = case(kind, dtype, num_layers=layers, bidirectional=bidirectional)
    expected = autograd_map(module, x, loss_grad)
    assert_equal(gradient_map(module, x, loss_grad), expected, TOLERANCE[dtype])
    some = gradient_map(module, x, loss_grad, rows=[7, 2, 7])
    assert_equal(some, {name: values[:, [7, 2, 7]] for name, values in expected.items()}, TOLERANCE[dtype])


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(
    kind=st.sampled_from(sorted(KINDS)),
    batch=st.integers(1, 3),
    steps=st.integers(1, 20),
    inputs=st.integers(1, 4),
    units=st.integers(4, 9),
    layers=st.integers(1, 2),
    bidirectional=st.booleans(),
    bias=st.booleans(),
    batch_first=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_any_shape(kind, batch, steps, inputs, units, layers, bidirectional, bias, batch_first, seed):
    options = {"num_layers": layers, "bidirectional": bidirectional, "bias": bias, "batch_first": batch_first}
    module, x, loss_grad = case(kind, torch.float64, batch, steps, inputs, units, seed, **options)
    assert_equal(gradient_map(module, x, loss_grad), autograd_map(module, x, loss_grad), 1e-10)


@pytest.mark.parametrize(("layers", "bidirectional"), [(1, False), (2, False), (2, True)])
def test_in_parts(monkeypatch, layers, bidirectional):
    module, x, loss_grad = case("lstm", num_layers=layers, bidirectional=bidirectional)
    whole, told = gradient_map(module, x, loss_grad), []
    monkeypatch.setattr(sweeping, "MAX_BUFFERED", 200)
    parts = gradient_map(module, x, loss_grad, progress=told.append)
    for name, values in whole.items():
        np.testing.assert_allclose(parts[name], values, rtol=1e-12)
    assert told == sorted(told) and told[0] < 0.2 and told[-1] == 1


def test_stopping_from_the_progress_callback():
    def stop(done):
        if done > 0.3:
            raise KeyboardInterrupt

    module, x, loss_grad = case("gru", steps=60)
    with pytest.raises(KeyboardInterrupt):
        gradient_map(module, x, loss_grad, progress=stop)


def test_nothing_reaches_a_later_step():
    module, x, loss_grad = case("lstm", bidirectional=True)
    maps = gradient_map(module, x, loss_grad)
    assert (np.triu(maps["l0"][0], 1) == 0).all() and (np.tril(maps["l0_reverse"][0], -1) == 0).all()


@pytest.mark.parametrize(("scale", "steps", "end"), [(0.5, 200, 0.0), (8.0, 46, None)])
def test_vanishing_and_exploding(scale, steps, end):
    """Underflow is 0, without denormal numbers on the way; overflow is not finite."""
    module, x, loss_grad = case("relu", torch.float32, steps=steps, units=32, bias=False)
    with torch.no_grad():
        module.weight_hh_l0.copy_(scale * torch.eye(32))
        module.weight_ih_l0.fill_(1.0)
    norms = gradient_map(module, x.abs() * 1e-36, loss_grad)["l0"][0, -1]
    expected = np.linalg.norm(loss_grad[0, -1].double()) * scale ** np.arange(steps - 1, -1, -1.0)
    seen = (expected > 1e-30) & (expected < 1e37)
    np.testing.assert_allclose(norms[seen], expected[seen], rtol=1e-5)
    assert norms[0] == end if end is not None else not np.isfinite(norms[0])


def test_dropout_between_layers_is_the_one_that_was_drawn():
    module, x, loss_grad = case("gru", num_layers=2, dropout=0.5)
    with capture(module) as trace:
        module(x)
    found = gradient_map_of(layer_stack(trace.layers), loss_grad)["l0"]
    top = gradient_map(module.eval(), x, loss_grad)["l1"]
    assert trace.layers["l0"].dropout is not None and found.shape == top.shape
    h = torch.tensor(trace.layers["l0"].hidden, requires_grad=True)
    upper = nn.GRU(5, 5, batch_first=True).double()
    upper.load_state_dict({name[:-1] + "0": p for name, p in module.state_dict().items() if name.endswith("l1")})
    (upper(h * torch.tensor(trace.layers["l0"].dropout))[0][:, 4] * loss_grad[:, 4]).sum().backward()
    np.testing.assert_allclose(found[:, 4, 4], h.grad[:, 4].norm(dim=-1), rtol=1e-10)  # the last step has no later one


def test_of_a_network_in_a_trace():
    module, x, loss_grad = case("lstm", num_layers=2)
    net = nn.ModuleDict({"body": module})
    with capture(net) as trace:
        net["body"](x)
    found = gradient_map_of(layer_stack(trace.layers, "body"), loss_grad)
    assert_equal(found, {name: torch.tensor(values) for name, values in gradient_map(module, x, loss_grad).items()}, 0)
    with pytest.raises(ValueError, match="no layers of 'head'"):
        layer_stack(trace.layers, "head")


def test_bad_arguments():
    module, x, loss_grad = case("lstm")
    for arguments, words in (
        ((nn.Linear(3, 5), x, loss_grad), "not Linear"),
        ((module, x[0], loss_grad), "must be"),
        ((module, x[..., :2], loss_grad), r"\(2, 9, 2\)"),
        ((module, x, loss_grad[:, :4]), r"\(2, 9, 5\)"),
        ((module, x, loss_grad, [9]), "from 0 to 8"),
    ):
        with pytest.raises(ValueError, match=words):
            gradient_map(*arguments)
    assert gradient_map(module, x, loss_grad, rows=[])["l0"].shape == (2, 0, 9)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "layers", "bidirectional"), [*itertools.product(KINDS, [1, 2], [False, True])])
def test_the_split_by_path(kind, layers, bidirectional):
    module, x, loss_grad = case(kind, num_layers=layers, bidirectional=bidirectional)
    of = "cell" if isinstance(module, nn.LSTM) else "hidden"
    expected = autograd_map(module, x, loss_grad, of)
    found = path_map(module, x, loss_grad)
    assert_equal({name: paths.total for name, paths in found.items()}, expected, 1e-10)
    vectors = path_vectors(module, x, loss_grad, 6)
    for name, one in vectors.items():
        np.testing.assert_allclose(one.carry_path + one.other_paths, one.total, rtol=1e-14, atol=1e-15)
        for part in ("total", "carry_path", "other_paths"):
            norms = np.linalg.norm(getattr(one, part), axis=-1)
            np.testing.assert_allclose(norms, getattr(found[name], part)[:, 6], rtol=1e-9, atol=1e-13)


def test_the_carry_path_is_the_product_of_forget_gates():
    module, x, loss_grad = case("lstm")
    vectors = path_vectors(module, x, loss_grad, 8)["l0"]
    with capture(module) as trace:
        module(x)
    layer = trace.layers["l0"]
    entered = loss_grad[:, 8].numpy() * layer.output_gate[:, 8] * (1 - np.tanh(layer.cell[:, 8]) ** 2)
    for k in range(9):
        expected = entered * layer.forget_gate[:, k + 1 :].prod(axis=1)
        np.testing.assert_allclose(vectors.carry_path[:, k], expected, rtol=1e-12)
    module, x, loss_grad = case("gru")
    vectors = path_vectors(module, x, loss_grad, 8)["l0"]
    with capture(module) as trace:
        module(x)
    kept = trace.layers["l0"].update_gate[:, 3:].prod(axis=1)
    np.testing.assert_allclose(vectors.carry_path[:, 2], loss_grad[:, 8].numpy() * kept, rtol=1e-12)


def test_modules_that_read_each_other_are_one_stack():
    torch.manual_seed(0)
    net = nn.ModuleDict(
        {
            "lower": nn.LSTM(3, 5, batch_first=True),
            "upper": nn.GRU(5, 4, num_layers=2, bidirectional=True, batch_first=True),
            "other": nn.GRU(3, 5, batch_first=True),
        }
    ).double()
    x, loss_grad = torch.randn(2, 9, 3).double(), torch.randn(2, 9, 8).double()
    with capture(net) as trace:
        net["upper"](net["lower"](x)[0])
        net["other"](x)
    chain = chained_stack(trace.layers, "lower")
    assert [layer.name for level in chain for layer in level] == ["lower.l0", "l1", "l1_reverse", "l2", "l2_reverse"]
    assert [len(level) for level in chained_stack(trace.layers, "upper")] == [2, 2]
    assert [len(level) for level in chained_stack(trace.layers, "other")] == [1]
    found = gradient_map_of(chain, loss_grad)
    between, hidden, _, _ = run_unrolled(net["lower"], x)
    out, above, _, _ = run_unrolled(net["upper"], between)
    states = {"l0": hidden["l0"]} | {f"l{int(name[1]) + 1}{name[2:]}": rows for name, rows in above.items()}
    for t in range(9):
        losses = (out[:, t] * loss_grad[:, t]).sum()
        for name, rows in states.items():
            grads = torch.autograd.grad(losses, rows, retain_graph=True, allow_unused=True)
            norms = [0 if grad is None else grad.norm(dim=-1) for grad in grads]
            for k, norm in enumerate(norms):
                np.testing.assert_allclose(found[name][:, t, k], norm, rtol=1e-9, atol=1e-15)
