"""Files of LSTMs with layer norm: run, recorded, differentiated, edited and judged as what they are."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from torch import nn

from models import Problem, capture, load_checkpoint
from models.checkpoints import CheckpointError
from models.checkpoints.building.build import FUNCTIONS
from models.checkpoints.health import verdict
from models.checkpoints.health.distributions import distributions
from models.checkpoints.health.unit_health import check_units
from models.checkpoints.save import to_safetensors
from models.edits.edit_syntax import read_edits
from models.edits.edited_network import EditedNetwork
from models.edits.weight_edits import edited_module, parameters_of
from tests.support.normed_networks import NormedNetwork, OutputNormedCell

X = torch.linspace(-2, 2, 36).view(2, 6, 3).sin()


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    return NormedNetwork().eval()


def of_tensors(net, **without):
    file = io.BytesIO()
    torch.save({name: values for name, values in net.state_dict().items() if name not in without}, file)
    return load_checkpoint(file.getvalue())


def test_tensors_by_the_names_of_torchs_benchmark(net):
    checkpoint = of_tensors(net)
    assert list(checkpoint.layers) == ["lower.cell.l0", "upper.cell.l0"] and set(checkpoint.stored) == {
        "fc.weight",
        "fc.bias",
    }
    for found in checkpoint.found.values():
        assert (
            found.options == {"norm": 1e-5, "cell_norm": True} and found.assumed == ("norm",) and not found.unexplained
        )
    network = checkpoint.network(predicts="next", stack="lower.cell → upper.cell")
    assert set(network.left_out) == {"norm (lower.cell.l0)", "norm (upper.cell.l0)", FUNCTIONS}
    with torch.no_grad(), capture(network.module) as trace:
        torch.testing.assert_close(network.module(X), net(X), rtol=0, atol=1e-5)
    assert list(trace.layers) == list(checkpoint.layers)
    confirmed = checkpoint.corrected("lower.cell.l0", norm=1e-3)
    assert not confirmed.found["lower.cell.l0"].assumed and confirmed.layers["lower.cell.l0"].norm == 1e-3
    weights = checkpoint.layers["lower.cell.l0"]
    assert set(distributions(weights)["gain_c"]) == {"cell"} and not check_units(weights).stuck
    assert not any("do not use" in str(each) for each in verdict(checkpoint))
    with pytest.raises(CheckpointError, match=r"PyTorch has no module for these layers: .*cell_norm=True"):
        to_safetensors(checkpoint)


def test_gradients_are_autograds(net):
    network = of_tensors(net).network(predicts="next", stack="lower.cell → upper.cell")
    net.zero_grad()
    net(X).square().sum().backward()
    with capture(network.module) as trace:
        network.module(X).square().sum().backward()
    for side in ("lower", "upper"):
        cell, gradients = net.get_submodule(side).cell, trace.layers[f"{side}.cell.l0"].gradients
        expected = {"weight_ih": cell.weight_ih, "weight_hh": cell.weight_hh}
        for letter, part in (("i", "ih"), ("h", "hh"), ("c", "c")):
            norm = cell.get_submodule(f"layernorm_{letter}")
            expected |= {f"gain_{part}": norm.weight, f"shift_{part}": norm.bias}
        assert set(expected) == set(gradients.parameter_names)
        for name, parameter in expected.items():
            np.testing.assert_allclose(gradients.per_step(name).sum(0), parameter.grad, rtol=1e-4, atol=1e-5)


def test_other_norms_are_named_and_not_run(net):
    """A norm that is not there, or a bias beside them: then it is another cell."""
    checkpoint = of_tensors(net, **{"upper.cell.layernorm_c.bias": None})
    assert "upper.cell.layernorm_c.weight" in checkpoint.found["upper.cell.l0"].unexplained
    state = {f"cell.{name}": values for name, values in nn.LSTMCell(3, 5).state_dict().items()}
    state |= {f"cell.{name}": values for name, values in net.lower.cell.state_dict().items() if "norm" in name}
    file = io.BytesIO()
    torch.save(state, file)
    found = load_checkpoint(file.getvalue()).found["cell.l0"]
    assert len(found.unexplained) == 6 and not found.options


def test_they_are_edited_saved_and_opened_again(net):
    base = of_tensors(net).network(predicts="next", stack="lower.cell → upper.cell")
    edits = read_edits(
        "lower.cell.l0.gain_hh[forget_gate.2]=7;lower.cell.l0.shift_c[cell.1]+=0.5;upper.cell.l0.reads[3]=0"
    )
    edited = EditedNetwork(base, edits)
    known = parameters_of(edited_module(base.module, edits.weights))
    assert known.arrays["lower.cell.l0.gain_hh"][5 + 2] == 7 and not known.arrays["upper.cell.l0.gain_ih"][3::5].any()
    reopened = load_checkpoint(edited.save())
    assert reopened.layers["lower.cell.l0"].options == {
        "activation": "tanh", "recurrent_activation": "sigmoid", "norm": 1e-5, "cell_norm": True,
    }  # fmt: skip
    again = reopened.network(predicts="next", stack="lower.cell → upper.cell")
    with torch.no_grad():
        torch.testing.assert_close(again.module(X), edited.network.module(X))
        assert not torch.allclose(base.module(X), edited.network.module(X))
    with pytest.raises(CheckpointError, match=r"The tensors of lower\.cell\.l0 do not fit together"):
        import safetensors.torch

        from models.core.layer_metadata import layer_metadata

        tensors = safetensors.torch.load(edited.save())
        tensors.pop("lower.cell.gain_c_l0")
        options = reopened.layers["lower.cell.l0"].options
        load_checkpoint(safetensors.torch.save(tensors, layer_metadata({"lower.cell.l0": ("LSTM", options)})))


def scripted(net):
    file = io.BytesIO()
    torch.jit.save(torch.jit.script(net), file)
    return load_checkpoint(file.getvalue())


def test_cells_of_torchscript_are_recorded(net):
    network = scripted(net).network()
    module = network.module
    assert module.recurrent_layers == ("lower.cell.l0", "upper.cell.l0") and not network.left_out
    assert not module.unrecorded_cells
    with capture(module) as trace:
        output = module(X)
        output.square().sum().backward()
    torch.testing.assert_close(output, net(X), rtol=0, atol=1e-5)
    assert tuple(trace.layers) == module.recurrent_layers
    net.zero_grad()
    net(X).square().sum().backward()
    layer = trace.layers["lower.cell.l0"]
    assert layer.shape == (2, 6, 5) and layer.weights.options["cell_norm"]
    for name, expected in {"weight_hh": net.lower.cell.weight_hh, "gain_c": net.lower.cell.layernorm_c.weight}.items():
        np.testing.assert_allclose(layer.gradients.per_step(name).sum(0), expected.grad, rtol=1e-4, atol=1e-5)


def test_values_in_a_loop_of_the_files_own_code_are_not_fixed(net):
    edited = EditedNetwork(scripted(net).network(), read_edits("lower.cell.l0.forget_gate[1]@0=0"))
    with pytest.raises(Problem, match=r"lower\.cell\.l0 is run step by step by the network's own code"):
        edited.read("0.1,0.2,0.3; 1,0,-1")


@pytest.mark.parametrize("epsilon", [1e-3, 1e-7])
def test_the_epsilon_is_that_of_the_code(epsilon):
    net = NormedNetwork().eval()
    for module in net.modules():
        if isinstance(module, nn.LayerNorm):
            module.eps = epsilon
    checkpoint = scripted(net)
    module = checkpoint.network().module
    assert module.lower.cell.kernel.options["norm"] == epsilon
    found = checkpoint.found["upper.cell.l0"]
    assert found.options["norm"] == epsilon and not found.assumed and not found.unexplained
    x = 1e-4 * X
    with torch.no_grad():
        torch.testing.assert_close(module(x), net(x), rtol=0, atol=1e-5)


def test_another_cell_with_the_same_parts_is_run_but_not_recorded():
    """Neither one that normalizes only the output, nor one whose norms differ."""
    different = NormedNetwork()
    different.upper.cell.layernorm_h.eps = 0.01
    for net, cells in (
        (NormedNetwork(make=OutputNormedCell), ("lower.cell", "upper.cell")),
        (different, ("upper.cell",)),
    ):
        network = scripted(net.eval()).network()
        assert network.module.unrecorded_cells == cells
        with torch.no_grad():
            torch.testing.assert_close(network.module(X), net(X), rtol=0, atol=1e-5)


@pytest.mark.slow
@settings(max_examples=5, derandomize=True, deadline=None, phases=[Phase.generate])
@given(
    inputs=st.integers(1, 4), units=st.integers(1, 5), steps=st.integers(1, 5), batch=st.integers(1, 3),
    epsilon=st.sampled_from([1e-3, 1e-5]), dtype=st.sampled_from([torch.float32, torch.float64]), traced=st.booleans(),
)  # fmt: skip
def test_any_network_of_such_layers(inputs, units, steps, batch, epsilon, dtype, traced):
    """Of any shape, scripted; a traced archive writes the steps out, so its cells are named as not recorded."""
    torch.manual_seed(inputs + 10 * units)
    net = NormedNetwork(inputs, units).eval().to(dtype)
    for module in net.modules():
        if isinstance(module, nn.LayerNorm):
            module.eps = epsilon
    x = torch.randn(batch, steps, inputs, dtype=dtype)
    file = io.BytesIO()
    torch.jit.save(torch.jit.trace(net, x) if traced else torch.jit.script(net), file)
    module = load_checkpoint(file.getvalue()).graph()
    cells = ("lower.cell", "upper.cell")
    with torch.no_grad():
        torch.testing.assert_close(module(x), net(x), rtol=1e-5, atol=1e-5)
    assert module.recurrent_layers == (() if traced else tuple(f"{each}.l0" for each in cells))
    assert module.unrecorded_cells == (cells if traced else ())
