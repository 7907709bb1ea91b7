"""A layer's weights: what they accept, that nothing changes them, and that torch computes the same with them."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch
from torch import nn

from models import LayerWeights, capture

MODULES = [
    (nn.RNN, {"nonlinearity": "tanh"}),
    (nn.RNN, {"nonlinearity": "relu"}),
    (nn.LSTM, {}),
    (nn.LSTM, {"proj_size": 2}),
    (nn.GRU, {}),
]


@pytest.mark.parametrize(("kind", "options"), MODULES)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_from_a_module_and_back(kind, options, bias, dtype):
    torch.manual_seed(0)
    net = kind(3, 4, bias=bias, batch_first=True, **options).to(dtype)
    x = torch.randn(2, 5, 3, dtype=dtype)
    with capture(net) as trace:
        out, _ = net(x)
    weights = trace.layers["l0"].weights
    again = weights.to_module()
    assert torch.equal(again(x)[0], out)
    for name, values in net.state_dict().items():
        assert torch.equal(again.state_dict()[name], values)
        assert np.array_equal(weights.arrays()[name.removesuffix("_l0")], values.numpy())
    assert (weights.input_size, weights.hidden_size) == (3, 4)
    assert weights.output_size == options.get("proj_size", 4)
    with torch.no_grad():
        again.weight_ih_l0.zero_()
    assert weights.weight_ih.any()


def test_rows_are_those_of_the_gate():
    gates = np.repeat(np.arange(4.0, dtype=np.float32), 3)
    weights = LayerWeights("LSTM", np.stack([gates] * 2, axis=1), np.stack([gates] * 3, axis=1), gates, gates)
    for index, gate in enumerate(weights.cell.gates):
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            rows = weights.rows(name, gate)
            assert rows.shape[0] == 3 and (rows == index).all()


@pytest.mark.parametrize("of", [np.asarray, torch.tensor])
def test_nothing_changes_them(of):
    given = of(np.ones((4, 4), dtype=np.float32))
    weights = LayerWeights("RNN", given, given)
    given[...] = 0
    assert weights.weight_ih.all() and weights.weight_hh.all() and weights.tensors["weight_ih"].all()
    with pytest.raises(ValueError, match="read-only"):
        weights.weight_ih[...] = 0
    with pytest.raises(AttributeError):
        weights.weight_ih = given


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_float_types(dtype):
    weights = LayerWeights("RNN", np.ones((4, 3), dtype), np.ones((4, 4), dtype))
    assert weights.weight_ih.dtype == (np.float64 if dtype == np.float64 else np.float32)
    halves = LayerWeights("RNN", torch.ones(4, 3).bfloat16(), torch.ones(4, 4).bfloat16())
    assert halves.weight_ih.dtype == np.float32


@pytest.mark.parametrize(
    ("kind", "shapes", "words"),
    [
        ("LSTM", {"weight_ih": (12, 2), "weight_hh": (16, 4)}, "12 and 16 rows"),
        ("GRU", {"weight_ih": (16, 2), "weight_hh": (16, 4)}, "3 gates"),
        ("LSTM", {"weight_ih": (16, 2), "weight_hh": (16, 3)}, "weight_hh"),
        ("LSTM", {"weight_ih": (16, 2), "weight_hh": (16, 4), "bias_ih": (16,)}, "both biases or none"),
        ("LSTM", {"weight_ih": (16, 2), "weight_hh": (16, 4), "bias_ih": (16,), "bias_hh": (4,)}, "bias_hh"),
        ("LSTM", {"weight_ih": (16, 2), "weight_hh": (16, 3), "weight_hr": (3, 5)}, "weight_hr"),
        ("MGU", {"weight_ih": (16, 2), "weight_hh": (16, 4)}, "no cell of kind 'MGU'"),
    ],
)
def test_what_does_not_fit_is_said_in_one_sentence(kind, shapes, words):
    with pytest.raises(ValueError, match=words) as caught:
        LayerWeights(kind, **{name: np.zeros(shape, np.float32) for name, shape in shapes.items()})
    assert str(caught.value).endswith(".") and "\n" not in str(caught.value)


def test_integers_are_not_weights():
    with pytest.raises(ValueError, match="int64"):
        LayerWeights("RNN", np.ones((4, 3), int), np.ones((4, 4), int))


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda weights: pickle.loads(pickle.dumps(weights))])
def test_copies(duplicate):
    options = {"reset_after": False, "activation": "relu", "recurrent_activation": "hard_sigmoid"}
    weights = LayerWeights("GRU", np.ones((6, 3), np.float32), np.ones((6, 2), np.float32), **options)
    twin = duplicate(weights)
    assert twin.options == options and np.array_equal(twin.weight_ih, weights.weight_ih)
    assert not twin.weight_ih.flags.writeable
