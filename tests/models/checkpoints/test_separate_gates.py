"""Cells whose gates are separate tensors: Flax's run as torch layers of the same weights, others are named."""

import io

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from models.checkpoints import CheckpointError, load_checkpoint
from models.checkpoints.health import verdict

UNITS, INPUTS = 4, 3
RNG = np.random.default_rng(0)


def opened(tensors):
    file = io.BytesIO()
    np.savez(file, **tensors)
    return load_checkpoint(file.getvalue())


def flax_tensors(layer, cell, separator="/"):
    """Return torch's weights as Flax stores them: a kernel (inputs, outputs) for each gate."""
    lstm = isinstance(layer, nn.LSTM)
    gates = "ifgo" if lstm else "rzn"
    found = {}
    for side in "ih":
        weights = getattr(layer, f"weight_{side}h_l0").detach().numpy()
        biases = getattr(layer, f"bias_{side}h_l0").detach().numpy()
        for gate, weight, bias in zip(gates, np.split(weights, len(gates)), np.split(biases, len(gates)), strict=True):
            found[f"{cell}{side}{gate}{separator}kernel"] = weight.T.copy()
            if (side == "h") if lstm else (side == "i" or gate == "n"):
                found[f"{cell}{side}{gate}{separator}bias"] = bias
    return found


def without_flax_missing_biases(layer):
    """Set the biases of a torch layer to 0 that Flax's cell does not have."""
    with torch.no_grad():
        if isinstance(layer, nn.LSTM):
            layer.bias_ih_l0.zero_()
        else:
            layer.bias_hh_l0[: 2 * layer.hidden_size] = 0
    return layer


@settings(max_examples=20)
@given(
    kind=st.sampled_from([nn.LSTM, nn.GRU]),
    units=st.integers(1, 5),
    inputs=st.integers(1, 5),
    cell=st.sampled_from(["", "params/cell/", "encoder.rnn.", "OptimizedLSTMCell_0/"]),
    separator=st.sampled_from("/."),
    seed=st.integers(0, 99),
)
def test_flax_cells_run_as_torchs_layers(kind, units, inputs, cell, separator, seed):
    torch.manual_seed(seed)
    layer = without_flax_missing_biases(kind(inputs, units, batch_first=True))
    tensors = flax_tensors(layer, cell, separator)
    checkpoint = opened(dict(sorted(tensors.items(), key=lambda item: hash((item[0], seed)))))
    path = cell.strip("./").replace("/", ".")
    (name,) = checkpoint.layers
    assert name == (f"{path}.l0" if path else "l0")
    assert not checkpoint.stored and not checkpoint.found[name].unexplained
    x = torch.randn(2, 6, inputs)
    with torch.no_grad():
        torch.testing.assert_close(checkpoint.layers[name].to_module()(x)[0], layer(x)[0], rtol=0, atol=1e-6)


@pytest.mark.parametrize("change", ["missing", "shape", "bias"])
def test_a_flax_cell_in_part_is_named_and_not_run(change):
    tensors = flax_tensors(nn.LSTM(INPUTS, UNITS), "cell/")
    if change == "missing":
        del tensors["cell/ig/kernel"]
    elif change == "shape":
        tensors["cell/ig/kernel"] = np.zeros((INPUTS + 1, UNITS), np.float32)
    else:
        tensors["cell/hi/bias"] = np.zeros(UNITS + 1, np.float32)
    checkpoint = opened(tensors)
    assert not checkpoint.layers
    assert any("cell is not run: its gates are tensors of their own" in str(each) for each in verdict(checkpoint))


OTHERS = {
    "textbook": {f"W_x{gate}": (INPUTS, UNITS) for gate in "ifgo"} | {f"W_h{gate}": (UNITS, UNITS) for gate in "ifgo"},
    "joined inputs": {f"W_{gate}": (UNITS, UNITS + INPUTS) for gate in "fico"},
    "Keras 1": {f"gru_1_W_{gate}:0": (INPUTS, UNITS) for gate in "zrh"}
    | {f"gru_1_U_{gate}:0": (UNITS, UNITS) for gate in "zrh"},
    "as many inputs as units": {f"W{gate}": (UNITS, UNITS) for gate in "zrh"}
    | {f"U{gate}": (UNITS, UNITS) for gate in "zrh"},
    "four times the units": {f"W_x{gate}": (4 * UNITS, UNITS) for gate in "ifgo"}
    | {f"W_h{gate}": (UNITS, UNITS) for gate in "ifgo"},
}


@pytest.mark.parametrize("names", OTHERS)
def test_gates_of_other_names_are_never_taken_for_layers(names):
    checkpoint = opened({name: RNG.normal(size=shape).astype(np.float32) for name, shape in OTHERS[names].items()})
    assert not checkpoint.layers
    (said,) = (str(each) for each in verdict(checkpoint) if "tensors of their own" in str(each))
    assert all(name in said for name in OTHERS[names])
    with pytest.raises(CheckpointError, match="no recurrent layers that can be run"):
        checkpoint.network()


@pytest.mark.parametrize("name", ["rnn/basic_lstm_cell/kernel", "lstm/linear/w", "decoder/gru_cell/gates/kernel"])
def test_a_joined_matrix_of_a_named_layer_is_named(name):
    checkpoint = opened({name: np.zeros((UNITS + INPUTS, 4 * UNITS), np.float32)})
    assert not checkpoint.layers
    assert any(name in str(each) and "arrangement is not known" in str(each) for each in verdict(checkpoint))


@pytest.mark.parametrize(
    "names",
    [
        ["q.weight", "k.weight", "v.weight", "o.weight"],
        ["fc.weight", "out.weight", "in.weight"],
        ["layers.0.W_o", "layers.1.W_o", "layers.2.W_o"],
        ["wi", "wo", "wh"],
    ],
)
def test_other_networks_have_no_gates(names):
    checkpoint = opened({name: np.zeros((UNITS, UNITS), np.float32) for name in names})
    assert not any("tensors of their own" in str(each) for each in verdict(checkpoint))
