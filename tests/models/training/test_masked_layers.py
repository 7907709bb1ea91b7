"""Dropout along time and zoneout against their definitions, against Keras, and against torch where they do nothing."""

import os

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from models.training.dropout_masks import DropoutRates, LayerMasks, draw_layer_masks, draw_mask
from models.training.masked_layers import MaskedModule, masked_module

CELLS = ("RNN", "LSTM", "GRU")
TORCH = {"RNN": nn.RNN, "LSTM": nn.LSTM, "GRU": nn.GRU}
GATES = {"RNN": 1, "LSTM": 4, "GRU": 3}


def layer(cell, *, layers=1, inputs=3, units=5, **rates):
    torch.manual_seed(0)
    return masked_module(cell, inputs, units, tuple(DropoutRates(**{"kind": "fresh"} | rates) for _ in range(layers)))


def hidden_of(output):
    return output[0]


@settings(max_examples=25)
@given(st.sampled_from(CELLS), st.integers(1, 3), st.integers(1, 4), st.integers(1, 7), st.booleans())
def test_masks_of_one_compute_what_torch_computes(cell, layers, batch, steps, begin):
    module = layer(cell, layers=layers, time=0.5)
    plain = TORCH[cell](3, 5, num_layers=layers, batch_first=True)
    plain.load_state_dict(module.state_dict())
    ones = LayerMasks(hidden=torch.ones(batch, steps, 1, 5))
    module.given_masks = [ones] * layers
    x, states = torch.randn(batch, steps, 3, requires_grad=True), None
    if begin:
        states = torch.randn(layers, batch, 5)
        states = (states, torch.randn(layers, batch, 5)) if cell == "LSTM" else states
    (out, ends), (expected, last) = module.train()(x, states), plain(x, states)
    assert torch.allclose(out, expected, atol=1e-6)
    for end, right in zip(ends if cell == "LSTM" else [ends], last if cell == "LSTM" else [last], strict=True):
        assert torch.allclose(end, right, atol=1e-6)
    grads = [torch.autograd.grad(values.square().sum(), x)[0] for values in (out, expected)]
    assert torch.allclose(*grads, atol=1e-5)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("kind", ["fresh", "variational", "keras"])
def test_a_step_multiplies_the_recurrent_input_of_each_gate_by_its_mask(cell, kind):
    module = layer(cell, time=0.4, kind=kind)
    masks = module.draw_masks(2, 4)
    module.given_masks = masks
    x, h, c = torch.randn(2, 4, 3), torch.zeros(2, 5), torch.zeros(2, 5)
    w, u = module.weight_ih_l0.chunk(GATES[cell]), module.weight_hh_l0.chunk(GATES[cell])
    b, d = module.bias_ih_l0.chunk(GATES[cell]), module.bias_hh_l0.chunk(GATES[cell])
    for t in range(4):
        mask = masks[0].hidden[:, t].expand(2, GATES[cell], 5)
        a = [x[:, t] @ w[g].T + b[g] for g in range(GATES[cell])]
        r = [(mask[:, g] * h) @ u[g].T + d[g] for g in range(GATES[cell])]
        if cell == "RNN":
            h = (a[0] + r[0]).tanh()
        elif cell == "LSTM":
            i, f, o = ((a[g] + r[g]).sigmoid() for g in (0, 1, 3))
            c = f * c + i * (a[2] + r[2]).tanh()
            h = o * c.tanh()
        else:
            reset, update = (a[0] + r[0]).sigmoid(), (a[1] + r[1]).sigmoid()
            h = (1 - update) * (a[2] + reset * r[2]).tanh() + update * h
        assert torch.allclose(hidden_of(module(x))[:, t], h, atol=1e-6)


@settings(max_examples=30)
@given(st.integers(1, 4), st.integers(2, 6), st.floats(0.05, 0.9))
def test_what_one_draw_is_for(batch, steps, rate):
    masks = {
        kind: draw_mask(kind, rate, (batch, steps, 4, 200), torch.ones(1)) for kind in ("fresh", "variational", "keras")
    }
    for mask in masks.values():
        on = torch.tensor(1 / (1 - rate))
        assert ((mask == 0) | torch.isclose(mask, on)).all()
    assert masks["fresh"].shape == masks["variational"].shape == (batch, steps, 1, 200)
    assert masks["keras"].shape == (batch, steps, 4, 200)
    assert not torch.equal(masks["fresh"][:, 0], masks["fresh"][:, 1])
    for kind in ("variational", "keras"):  # identical over time
        assert torch.equal(masks[kind], masks[kind][:, :1].expand_as(masks[kind]))
    assert not torch.equal(masks["keras"][:, :, 0], masks["keras"][:, :, 1])


@pytest.mark.slow
@pytest.mark.parametrize("cell", CELLS)
def test_kerass_masks_do_what_keras_does(cell, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras")
    module = layer(cell, input=0.3, time=0.4, kind="keras")
    masks = module.draw_masks(2, 6)
    module.given_masks = masks
    made = {"RNN": keras.layers.SimpleRNN, "LSTM": keras.layers.LSTM, "GRU": keras.layers.GRU}[cell]
    theirs = made(5, return_sequences=True, dropout=0.3, recurrent_dropout=0.4)
    theirs.build((2, 6, 3))
    order = (1, 0, 2) if cell == "GRU" else range(GATES[cell])  # Keras begins with the update gate

    def in_order(values):
        return torch.cat([values.chunk(GATES[cell])[gate] for gate in order]).detach().numpy()

    biases = [in_order(module.bias_ih_l0), in_order(module.bias_hh_l0)]
    bias = np.stack(biases) if cell == "GRU" else biases[0] + biases[1]
    theirs.set_weights([in_order(module.weight_ih_l0).T, in_order(module.weight_hh_l0).T, bias])

    def as_theirs(mask):
        found = [mask[:, 0, gate].clone() for gate in order]
        return found[0] if cell == "RNN" else found

    theirs.cell._dropout_mask, theirs.cell._recurrent_dropout_mask = (
        as_theirs(masks[0].input),
        as_theirs(masks[0].hidden),
    )
    x = torch.randn(2, 6, 3)
    expected = theirs(x, training=True)
    assert torch.allclose(hidden_of(module.train()(x)), torch.as_tensor(expected).detach().cpu(), atol=1e-5)
    assert os.environ["KERAS_BACKEND"] == "torch"


@pytest.mark.parametrize("cell", CELLS)
def test_zoneout_keeps_states_as_in_its_paper(cell):
    rates = {"zoneout": 0.3} | ({"zoneout_cell": 0.5} if cell == "LSTM" else {})
    module, x = layer(cell, **rates), torch.randn(2, 6, 3)
    masks = module.draw_masks(2, 6)
    module.given_masks = masks
    step = {"RNN": nn.RNNCell, "LSTM": nn.LSTMCell, "GRU": nn.GRUCell}[cell](3, 5)
    step.load_state_dict({name.removesuffix("_l0"): values for name, values in module.state_dict().items()})
    for mode in (True, False):
        h, c = torch.zeros(2, 5), torch.zeros(2, 5)
        out = hidden_of(module.train(mode)(x))
        for t in range(6):
            after = step(x[:, t], (h, c)) if cell == "LSTM" else (step(x[:, t], h), c)
            keep = [masks[0].keep_hidden[:, t].float() if mode else 0.3]
            keep.append((masks[0].keep_cell[:, t].float() if mode else 0.5) if cell == "LSTM" else 0.0)
            h, c = (k * old + (1 - k) * new for k, old, new in zip(keep, (h, c), after, strict=True))
            assert torch.allclose(out[:, t], h, atol=1e-6)


@pytest.mark.parametrize("cell", CELLS)
def test_without_such_rates_the_module_is_torchs_own(cell):
    assert type(layer(cell)) is TORCH[cell]
    stack = masked_module(cell, 3, 5, (DropoutRates(), DropoutRates(input=0.25), DropoutRates(input=0.25)))
    assert type(stack) is TORCH[cell] and stack.dropout == 0.25 and stack.num_layers == 3


@pytest.mark.parametrize("cell", CELLS)
def test_in_evaluation_dropout_is_off_and_weights_have_torchs_names(cell):
    module, plain = layer(cell, layers=2, input=0.2, time=0.5, kind="keras"), TORCH[cell](3, 5, 2, batch_first=True)
    assert isinstance(module, MaskedModule)
    plain.load_state_dict(module.state_dict())
    x = torch.randn(2, 4, 3)
    assert torch.equal(hidden_of(module.eval()(x)), hidden_of(plain(x)))


def test_variational_masks_along_depth_are_identical_over_time():
    rates = (DropoutRates(kind="variational"), DropoutRates(input=0.5, kind="variational"))
    module = masked_module("LSTM", 3, 50, rates)
    masks = module.draw_masks(1, 6)
    module.given_masks = masks
    plain = [nn.LSTM(3, 50, batch_first=True), nn.LSTM(50, 50, batch_first=True)]
    for level, part in enumerate(plain):
        state = module.state_dict().items()
        part.load_state_dict({name[:-1] + "0": values for name, values in state if name.endswith(f"l{level}")})
    x = torch.randn(1, 6, 3)
    expected = plain[1](plain[0](x)[0] * masks[1].input[:, :, 0])[0]
    assert torch.allclose(hidden_of(module.train()(x)), expected, atol=1e-6)
    assert torch.equal(masks[1].input[:, 0], masks[1].input[:, 5])


def test_masks_can_be_drawn_as_the_module_draws_them():
    module, x = layer("GRU", layers=2, time=0.3, kind="variational"), torch.randn(2, 4, 3)
    torch.manual_seed(3)
    masks = module.draw_masks(2, 4)
    torch.manual_seed(3)
    out = hidden_of(module.train()(x))
    module.given_masks = masks
    assert torch.equal(out, hidden_of(module(x)))


def test_no_rate_draws_no_mask():
    masks = draw_layer_masks(DropoutRates(), 2, 3, 4, 5, 1, torch.ones(1))
    assert masks.input is masks.hidden is masks.keep_hidden is masks.keep_cell is None
