"""Files of multiplicative LSTMs: found by their names, run, recorded, differentiated, edited, saved and judged."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models import capture, load_checkpoint
from models.checkpoints import CheckpointError
from models.checkpoints.building.build import FUNCTIONS
from models.checkpoints.health import verdict
from models.checkpoints.health.distributions import distributions
from models.checkpoints.health.unit_health import check_units
from models.checkpoints.save import to_safetensors
from models.core.cells import lstm
from models.edits.edit_syntax import read_edits
from models.edits.edited_network import EditedNetwork
from models.edits.weight_edits import edited_module, parameters_of
from tests.support.multiplicative_networks import MultiplicativeNetwork

IDS = torch.tensor([[3, 1, 4, 1, 5, 2, 6], [2, 6, 0, 3, 3, 1, 0]])
QUANTITIES = ("intermediate", "input_gate", "forget_gate", "candidate", "output_gate", "cell", "hidden")


def saved(state):
    file = io.BytesIO()
    torch.save(state, file)
    return file.getvalue()


def torchs_order(values):
    """The rows i f o u as i f g o."""
    i, f, o, u = values.chunk(4)
    return torch.cat([i, f, u, o])


def matrices(net):
    """The four matrices as they are multiplied, and the bias."""
    cell = net.cell
    own = {name: getattr(cell, name).weight.detach() for name in ("wx", "wh", "wmx", "wmh")}
    return own | {"b": cell.wh.bias.detach()}


def published(net, ends=""):
    """OpenAI's names: matrices of (inputs, outputs)."""
    own = {name: values.t().contiguous() for name, values in matrices(net).items()}
    return {f"rnn/{name}{ends}": values.numpy() for name, values in own.items()}


def published_with_gains(net):
    """The same under weight normalization: columns of any length, and their lengths apart."""
    found = published(net)
    for name in ("wx", "wh", "wmx", "wmh"):
        columns = found[f"rnn/{name}"]
        found[f"rnn/g{name[1:]}"] = np.linalg.norm(columns, axis=0)
        found[f"rnn/{name}"] = columns * np.random.default_rng(0).uniform(0.3, 3, columns.shape[1]).astype(np.float32)
    return found


def as_npz(arrays, net):
    file = io.BytesIO()
    plain = {
        f"{part}.{name}": values.numpy()
        for part in ("embed", "out")
        for name, values in getattr(net, part).state_dict().items()
    }
    np.savez(file, **arrays, **plain)
    return file.getvalue()


def with_names(net, names, biases, end=""):
    own = matrices(net)
    state = {
        f"rnn.{name}{end}": torchs_order(own[key]) if key in ("wx", "wh") else own[key]
        for name, key in zip(names, own, strict=False)
    }
    for name, values in zip(biases, (torchs_order(own["b"]), torch.zeros(len(own["b"]))), strict=False):
        state[f"rnn.{name}{end}"] = values
    return saved(state | {name: values for name, values in net.state_dict().items() if not name.startswith("cell")})


FILES = {
    "port": lambda net: saved(net.state_dict()),
    "port, parts apart": lambda net: saved(
        {"rnn": net.cell.state_dict(), "embed": net.embed.state_dict(), "out": net.out.state_dict(), "epoch": 3}
    ),
    "OpenAI's": lambda net: as_npz(published(net), net),
    "OpenAI's with gains": lambda net: as_npz(published_with_gains(net), net),
    "TensorFlow's": lambda net: as_npz(published(net, ":0"), net),
    "apex's": lambda net: with_names(net, ("w_ih", "w_hh", "w_mih", "w_mhh"), ("b_ih", "b_hh")),
    "PyTorch's": lambda net: with_names(
        net, ("weight_ih", "weight_hh", "weight_mih", "weight_mhh"), ("bias_ih",), "_l0"
    ),
    "the project's": lambda net: with_names(
        net, ("weight_ih", "weight_hh", "weight_mx", "weight_mh"), ("bias_ih", "bias_hh"), "_l0"
    ),
}


@pytest.mark.parametrize("names", FILES)
@settings(max_examples=4, deadline=None)
@given(inputs=st.integers(1, 4), units=st.integers(1, 6), weight_norm=st.booleans(), seed=st.integers(0, 99))
def test_a_file_runs_as_the_papers_equations(names, inputs, units, weight_norm, seed):
    torch.manual_seed(seed)
    net = MultiplicativeNetwork(7, inputs, units, weight_norm)
    checkpoint = load_checkpoint(FILES[names](net))
    ((layer, found),) = checkpoint.found.items()
    assert found.options["multiplicative"] and found.certainty == 1 and not found.unexplained
    is_published = names.startswith(("port", "OpenAI", "TensorFlow"))
    assert found.assumed == (("order",) if is_published else ())
    network = checkpoint.network(predicts="next")
    assert set(network.left_out) == {FUNCTIONS} | ({f"order ({layer})"} if is_published else set())
    with torch.no_grad(), capture(network.module) as trace:
        torch.testing.assert_close(network.module(IDS), net(IDS), rtol=0, atol=1e-5)
    assert trace.layers[layer].quantities == QUANTITIES
    for name in QUANTITIES:
        np.testing.assert_allclose(trace.layers[layer][name], net.states(name).detach(), rtol=0, atol=1e-5)


def test_gradients_are_autograds():
    torch.manual_seed(0)
    net = MultiplicativeNetwork()
    network = load_checkpoint(saved(net.state_dict())).network(predicts="next")
    output = net(IDS)
    for step in net.steps:
        for values in step.values():
            values.retain_grad()
    output.square().sum().backward()
    with capture(network.module) as trace:
        network.module(IDS).square().sum().backward()
    layer = trace.layers["cell.l0"]
    for name in ("hidden", "cell"):
        expected = torch.stack([step[name].grad for step in net.steps], 1)
        np.testing.assert_allclose(getattr(layer, f"{name}_grad"), expected, rtol=1e-4, atol=1e-5)
    cell = net.cell
    expected = {
        "weight_ih": torchs_order(cell.wx.weight.grad), "weight_hh": torchs_order(cell.wh.weight.grad),
        "weight_mx": cell.wmx.weight.grad, "weight_mh": cell.wmh.weight.grad,
        "bias_ih": torchs_order(cell.wh.bias.grad), "bias_hh": torchs_order(cell.wh.bias.grad),
    }  # fmt: skip
    assert set(expected) == set(layer.gradients.parameter_names)
    for name, grad in expected.items():
        np.testing.assert_allclose(layer.gradients.per_step(name).sum(0), grad, rtol=1e-4, atol=1e-5)


def test_the_order_of_the_gates_is_confirmed_or_corrected():
    """The sources agree on i f o u; a file of the same names in another order can be corrected."""
    torch.manual_seed(0)
    net = MultiplicativeNetwork()
    checkpoint = load_checkpoint(saved(net.state_dict()))
    confirmed = checkpoint.corrected("cell.l0", order=("input_gate", "forget_gate", "output_gate", "candidate"))
    assert not confirmed.found["cell.l0"].assumed
    np.testing.assert_array_equal(confirmed.layers["cell.l0"].weight_ih, checkpoint.layers["cell.l0"].weight_ih)
    other = checkpoint.corrected("cell.l0", order=("output_gate", "forget_gate", "input_gate", "candidate"))
    o, f, i, u = net.cell.wx.weight.detach().chunk(4)
    np.testing.assert_array_equal(other.layers["cell.l0"].weight_ih, torch.cat([i, f, u, o]))
    again = other.corrected("cell.l0", order=("input_gate", "forget_gate", "output_gate", "candidate"))
    np.testing.assert_array_equal(again.layers["cell.l0"].weight_hh, checkpoint.layers["cell.l0"].weight_hh)


@pytest.mark.parametrize("change", ["a bias of the intermediate state", "a matrix of another shape", "no matrix"])
def test_another_cell_is_not_run_as_one(change):
    state = MultiplicativeNetwork().state_dict()
    if change == "a bias of the intermediate state":
        state["cell.wmh.bias"] = torch.randn(5)
    elif change == "a matrix of another shape":
        state["cell.wmx.weight"] = torch.randn(6, 3)
    else:
        state.pop("cell.wh.weight")
    checkpoint = load_checkpoint(saved(state))
    if checkpoint.found:
        assert checkpoint.found["cell.l0"].unexplained == ("cell.wmh.bias",)
        assert "cell.wmh.bias" in checkpoint.network(predicts="next").left_out
    else:
        assert any("multiplicative LSTM" in str(finding) for finding in verdict(checkpoint))


def test_it_is_edited_saved_and_opened_again():
    torch.manual_seed(0)
    net = MultiplicativeNetwork()
    base = load_checkpoint(saved(net.state_dict())).network(predicts="next")
    edits = read_edits(
        "cell.l0.weight_mx[intermediate.2,1]=3;cell.l0.weight_mh[intermediate.0]=0;cell.l0.weight_hh[candidate.1,4]+=0.5;"
        "cell.l0.writes[3]=0"
    )
    known = parameters_of(edited_module(base.module, edits.weights))
    assert known.arrays["cell.l0.weight_mx"][2, 1] == 3 and not known.arrays["cell.l0.weight_mh"][:, 3].any()
    with torch.no_grad():
        net.cell.wmx.weight[2, 1] = 3
        net.cell.wmh.weight[0] = 0
        net.cell.wh.weight[3 * 5 + 1, 4] += 0.5
        net.cell.wmh.weight[:, 3] = 0
        net.out.weight[:, 3] = 0
    edited = EditedNetwork(base, edits)
    reopened = load_checkpoint(edited.save())
    assert reopened.layers["cell.l0"].options["multiplicative"] and not reopened.found["cell.l0"].assumed
    with torch.no_grad():
        torch.testing.assert_close(edited.network.module(IDS), net(IDS), rtol=0, atol=1e-5)
        again = reopened.network(predicts="next").module(IDS)
        torch.testing.assert_close(again, net(IDS), rtol=0, atol=1e-5)


def test_a_held_intermediate_state_changes_all_after_it():
    torch.manual_seed(0)
    net = MultiplicativeNetwork()
    base = load_checkpoint(saved(net.state_dict())).network(predicts="next")
    run = EditedNetwork(base, read_edits("cell.l0.intermediate[1]@2-3=0.7")).read("3 1 4 1 5")
    state = torch.zeros(1, 5), torch.zeros(1, 5)
    weights = matrices(net)
    for t, x in enumerate(net.embed(torch.tensor([3, 1, 4, 1, 5])).split(1)):
        m = (x @ weights["wmx"].T) * (state[0] @ weights["wmh"].T)
        if 2 <= t <= 3:
            m[0, 1] = 0.7
        i, f, o, u = (x @ weights["wx"].T + m @ weights["wh"].T + weights["b"]).chunk(4, -1)
        cell = f.sigmoid() * state[1] + i.sigmoid() * u.tanh()
        state = o.sigmoid() * cell.tanh(), cell
        np.testing.assert_allclose(run.trace.layers["cell.l0"].hidden[0, t], state[0][0].detach(), rtol=0, atol=1e-5)


def test_health_and_what_pytorch_has_no_module_for():
    torch.manual_seed(0)
    net = MultiplicativeNetwork()
    with torch.no_grad():
        net.cell.wmh.weight[:, 2] = 0
        net.out.weight[:, 2] = 0
        net.cell.wh.bias[5:10] = 40  # no bound on the intermediate state, so none on the forget gate's sum
    checkpoint = load_checkpoint(saved(net.state_dict()))
    weights = checkpoint.layers["cell.l0"]
    assert set(distributions(weights)["weight_mx"]) == {"intermediate"}
    health = check_units(weights, [net.out.weight.detach().numpy()])
    assert health.no_outgoing == (2,) and not health.stuck
    with pytest.raises(CheckpointError, match=r"PyTorch has no module for these layers: .*multiplicative=True"):
        to_safetensors(checkpoint)


@pytest.mark.parametrize("other", [{"peepholes": True}, {"norm": 1e-5}, {"projected": True}])
def test_it_has_no_peepholes_norm_or_projection(other):
    with pytest.raises(ValueError, match="A multiplicative LSTM has no"):
        lstm(multiplicative=True, **other)
