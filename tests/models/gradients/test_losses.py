"""Losses and untrained networks, against autograd through the written-out loop."""

import numpy as np
import pytest
import torch

from models import capture, load_network
from models.core.messages import Problem
from models.gradients.decay_rate import fit_decay
from models.gradients.gradient_map import gradient_map_of
from models.gradients.initialized import (
    EXPLODING_CONFIG,
    InitConfig,
    exploding_example,
    initialized_gradients,
    initialized_layer,
    loss_direction,
    random_sequence,
)
from models.gradients.initialized import spectral_radius as radius
from models.gradients.losses import (
    Loss,
    differentiate,
    gradients_of_unit,
    output_loss_grad,
    select_sequence,
    step_losses,
)
from models.gradients.module_backward import layer_stack
from models.zoo.catalogue import initial_network
from tests.support.unrolled_loop import run_unrolled

TEXT = "Moscow greets me. It rained. I am travelling in"
CASES = [
    ("recall-rnn", TEXT, Loss("answer")),
    ("recall-lstm", TEXT, Loss("next", step=2)),
    ("recall-gru", TEXT, Loss("every")),
    ("recall-lstm", TEXT, Loss("answer", target=3)),
    ("python-lm", "def f(x):\n    return x", Loss("next", step=12)),
    ("counter", ".aabb", Loss("every")),
    ("wave", "0.1 0.3 0.5 0.4 0.2", Loss("next", step=2)),
    ("sentiment", "the film was not good .", Loss("answer")),
]


def by_loop(net, text, loss):
    """The loss and dL/dh, dL/dc of every layer and step, by autograd through states that it can see."""
    given = net.encode(text)
    with torch.enable_grad():
        x = net.module.embedding(given) if hasattr(net.module, "embedding") else given
        out, hidden, cell, (last, _cell) = run_unrolled(net.module.rnn, x)
        if net.card.predicts == "class":
            scores = net.module.head(last.transpose(0, 1).flatten(1))
            target = int(scores.argmax())
            value = -scores[0].log_softmax(-1)[target]
        elif net.vocabulary is None:
            errors = (net.module.head(out)[0, :-1] - given[0, 1:]).square().sum(-1)
            value = errors[loss.step]
        else:
            logs = net.module.head(out)[0].log_softmax(-1)
            follow = [-logs[t, given[0, t + 1]] for t in range(given.shape[1] - 1)]
            match loss.kind:
                case "every":
                    value = torch.stack(follow).sum()
                case "next":
                    value = follow[loss.step]
                case _:
                    value = -logs[-1, given[0, 0] if loss.target is None else loss.target]
        kinds = (hidden, cell) if isinstance(net.module.rnn, torch.nn.LSTM) else (hidden,)
        states = [state for layers in kinds for each in layers.values() for state in each]
        found = iter(torch.autograd.grad(value, states, allow_unused=True))
    grads = []
    for layers in kinds:
        grads.append({})
        for name, each in layers.items():
            parts = [next(found) for _ in each]
            grads[-1][name] = torch.stack(
                [torch.zeros_like(state) if part is None else part for part, state in zip(parts, each, strict=True)], 1
            )
    return float(value.detach()), grads


@pytest.mark.parametrize(("name", "text", "loss"), CASES, ids=lambda value: getattr(value, "asked", None))
def test_every_states_gradient_is_autograds(name, text, loss):
    net = load_network(name)
    before = [None if each.grad is None else each.grad.clone() for each in net.module.parameters()]
    done = differentiate(net, text, loss)
    value, grads = by_loop(net, text, loss)
    assert done.value == pytest.approx(value, rel=1e-5, abs=1e-6)
    for layer, traced in done.trace.layers.items():
        for name, by_layer in zip(("hidden_grad", "cell_grad"), grads, strict=False):
            wanted = by_layer[layer.rpartition(".")[2]].numpy()
            assert np.abs(getattr(traced, name) - wanted).max() <= 1e-5 * np.abs(wanted).max() + 1e-12
    assert before == [each.grad for each in net.module.parameters()]  # None: the shared network is left alone


@pytest.mark.parametrize("name", ["recall-rnn", "recall-lstm", "recall-gru", "python-lm"])
def test_a_row_of_the_map_is_the_gradient_of_that_steps_loss(name):
    net = load_network(name)
    text = TEXT if name != "python-lm" else "def f(x):\n    return x"
    with capture(net) as trace, torch.no_grad():
        net.module(net.encode(text))
    maps = gradient_map_of(layer_stack(trace.layers, "rnn"), output_loss_grad(net, net.module, net.encode(text)))
    for step in (1, 5):
        layers = differentiate(net, text, Loss("next", step=step)).trace.layers
        for layer, traced in layers.items():
            wanted = np.linalg.norm(traced.hidden_grad[0], axis=-1)
            found = maps[layer.rpartition(".")[2]][0, step]
            assert np.abs(found - wanted).max() <= 1e-5 * wanted.max()


@pytest.mark.parametrize(
    ("name", "quantity"), [("recall-rnn", "hidden"), ("recall-lstm", "cell"), ("recall-gru", "hidden")]
)
def test_a_units_gradient_is_autograds(name, quantity):
    net = load_network(name)
    given = net.encode(TEXT)
    with capture(net) as trace, torch.no_grad():
        net.module(given)
    found = gradients_of_unit(trace.layers["rnn.l0"], Loss("unit", step=6, unit=3, quantity=quantity))
    with torch.enable_grad():
        _out, hidden, cell, _last = run_unrolled(net.module.rnn, net.module.embedding(given))
        chosen = (cell if quantity == "cell" else hidden)["l0"][6][0, 3]
        wanted = torch.autograd.grad(chosen, hidden["l0"][:6])  # h_0 .. h_5
    assert np.abs(found.hidden[0, :6] - torch.cat(wanted).numpy()).max() <= 1e-6
    assert not found.hidden[0, 7:].any()


def test_one_sequence_of_a_batch_is_as_it_would_be_alone():
    module = torch.nn.LSTM(4, 5, batch_first=True, bidirectional=True)
    x = torch.randn(3, 6, 4)
    packed = torch.nn.utils.rnn.pack_padded_sequence(x, torch.tensor([6, 4, 2]), batch_first=True)
    with capture(module) as trace:
        module(packed)[1][0].sum().backward()
    with capture(module) as alone:
        module(x[1:2, :4])[1][0].sum().backward()
    for name in trace.layers:
        one = select_sequence(trace.layers[name], 1)
        for quantity in ("hidden", "cell", "forget_gate", "hidden_grad", "cell_grad"):
            assert np.abs(getattr(one, quantity) - getattr(alone.layers[name], quantity)).max() <= 1e-6


def test_what_cannot_be_asked_is_told_in_a_sentence():
    wave, recall = load_network("wave"), load_network("recall-rnn")
    with pytest.raises(Problem, match="No value follows the last time step"):
        differentiate(wave, "0.1 0.2 0.3", Loss("next", step=2))
    with pytest.raises(Problem, match="has only one time step"):
        differentiate(recall, "Moscow", Loss("every"))
    assert step_losses(wave, wave.encode("0.1 0.2"), torch.zeros(1, 2, 1)).shape == (1,)


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_an_untrained_layer_has_what_the_knobs_say(kind):
    knobs = InitConfig(radius=1.3, memory_bias=2.0, activation="relu", steps=7)
    module = initialized_layer(kind, knobs)
    blocks = module.weight_hh_l0.detach().reshape(-1, knobs.hidden, knobs.hidden)
    assert [radius(block.numpy()) for block in blocks] == pytest.approx([1.3] * len(blocks), rel=1e-4)
    assert torch.equal(initialized_layer(kind, knobs).weight_ih_l0, module.weight_ih_l0)
    if kind != "RNN":
        bias = (module.bias_ih_l0 + module.bias_hh_l0)[knobs.hidden : 2 * knobs.hidden]
        assert torch.equal(bias, torch.full_like(bias, 2.0))
    _out, hidden, _cell, _last = run_unrolled(module, random_sequence(knobs))
    wanted = torch.autograd.grad(hidden["l0"][-1][0] @ loss_direction(knobs), hidden["l0"])
    found = initialized_gradients(kind, knobs).hidden[0]
    assert np.abs(found - torch.cat(wanted).numpy()).max() <= 1e-5


def test_the_exploding_example_explodes_and_the_start_of_training_is_another_network():
    norms = np.linalg.norm(exploding_example().trace.layers["l0"].hidden_grad[0].astype(np.float64), axis=-1)
    assert len(norms) == EXPLODING_CONFIG.steps and norms[-1] == pytest.approx(1) and norms[0] > 1e3
    net = load_network("recall-lstm")
    started = initial_network(net)
    assert not torch.equal(started.module.rnn.weight_hh_l0, net.module.rnn.weight_hh_l0)
    forget = started.module.rnn.bias_ih_l0[64:128] + started.module.rnn.bias_hh_l0[64:128]
    assert torch.equal(forget, torch.ones(64))


def test_decay_tells_the_rate_zeros_and_the_first_number_that_is_none():
    norms = 0.5 ** (np.arange(20)[::-1] / 4)  # halves every 4 steps on its way back
    fit = fit_decay(norms)
    assert fit.is_exponential and fit.rate < 0 and fit.half_distance == pytest.approx(4)
    assert fit_decay(norms[::-1], reverse=True) == fit
    assert fit_decay(np.ones(5)).is_constant
    broken = norms.copy()
    broken[:3], broken[3:6], broken[6] = np.nan, np.inf, 0
    assert (fit_decay(broken).nonfinite_step, fit_decay(broken).zero_count) == (5, 1)
    assert fit_decay(broken[::-1], reverse=True).nonfinite_step == 14
    assert np.isnan(fit_decay(norms[:2]).rate)
