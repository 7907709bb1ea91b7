"""Gradients of runs with clamped values: none passes through them. The reference is autograd through the same run."""

from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from models import Problem, load_network, read_edits, run_edited
from models.core.local_derivatives import local_derivatives
from models.core.stepwise import ClampSchedule
from models.core.stepwise_modules import StepwiseLSTM
from models.edits.edited_network import EditedNetwork
from models.edits.interventions import intervene
from models.edits.weight_edits import edited_module
from models.gradients.gradient_map import gradient_map_of
from models.gradients.jacobian import step_jacobians
from models.gradients.losses import output_loss_grad, step_losses
from models.gradients.module_backward import layer_stack
from tests.support.unrolled_loop import normed_lstm

KINDS = {
    "RNN": (nn.RNN, ("preactivation", "hidden")),
    "LSTM": (nn.LSTM, ("input_gate", "forget_gate", "candidate", "output_gate", "cell", "hidden")),
    "peepholes": (
        partial(StepwiseLSTM, peepholes=True, clip=0.5),
        ("input_gate", "forget_gate", "candidate", "output_gate", "cell", "hidden"),
    ),
    "coupled": (partial(StepwiseLSTM, coupled=True), ("input_gate", "forget_gate", "cell")),
    "multiplicative": (
        partial(StepwiseLSTM, multiplicative=True),
        ("intermediate", "input_gate", "forget_gate", "candidate", "output_gate", "cell", "hidden"),
    ),
    "normed": (
        partial(normed_lstm, norm=1e-5, cell_norm=True),
        ("input_gate", "forget_gate", "candidate", "output_gate", "cell", "hidden"),
    ),
    "GRU": (nn.GRU, ("reset_gate", "update_gate", "candidate", "hidden")),
}
CASES = [(kind, name) for kind, (_, names) in KINDS.items() for name in names]
STEPS, UNITS = 7, 4


def ran(kind: str, quantity: str, directions: int = 1):
    """A module of two levels, one unit of the upper one clamped at some steps and all at one step; and its run."""
    torch.manual_seed(0)
    module = KINDS[kind][0](3, UNITS, num_layers=2, batch_first=True, bidirectional=directions == 2).double()
    script = ClampSchedule()
    for step in (2, 3):
        script.clamp(step, quantity, 1, 0.3)
    script.clamp(5, quantity, None, 0.6)
    x = torch.randn(1, STEPS, 3, dtype=torch.float64)
    with intervene(module, {"l0": ClampSchedule(), "l1": script}) as run:
        output = module(x)[0]
        run.retain_grads()
    return module, run, output


@pytest.mark.parametrize(("kind", "quantity"), CASES)
@pytest.mark.parametrize("directions", [1, 2])
def test_the_map_is_autograds(kind, quantity, directions):
    _module, run, output = ran(kind, quantity, directions)
    grad = torch.randn_like(output)
    found = gradient_map_of(layer_stack(run.trace.layers), grad)
    for name, rows in run.states.items():
        for t in range(STEPS):
            loss = (grad[:, t] * output[:, t]).sum()
            expected = torch.autograd.grad(loss, rows["hidden"], retain_graph=True, allow_unused=True)
            norms = [0.0 if each is None else float(each.norm()) for each in expected]
            np.testing.assert_allclose(found[name][0, t], norms, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("kind", "quantity"), CASES)
def test_the_jacobians_are_autograds(kind, quantity):
    _module, run, _output = ran(kind, quantity)
    jacobians, rows = step_jacobians(run.trace.layers["l1"]), run.states["l1"]["hidden"]
    for t in range(1, STEPS):
        for unit in range(UNITS):
            [row] = torch.autograd.grad(rows[t][0, unit], rows[t - 1], retain_graph=True, allow_unused=True)
            expected = torch.zeros(UNITS) if row is None else row[0]
            np.testing.assert_allclose(jacobians[t, unit], expected, rtol=1e-9, atol=1e-14)
    if quantity == "hidden":
        assert not jacobians[2, 1].any() and not jacobians[5].any() and jacobians[2, 0].any()


@pytest.mark.parametrize(("kind", "quantity"), CASES)
def test_the_steps_shares_of_the_weights_add_up_to_autograds(kind, quantity):
    module, run, output = ran(kind, quantity)
    output.square().sum().backward()
    traced = run.trace_with_grads()
    for name, suffix in (("l0", "l0"), ("l1", "l1")):
        gradients = traced.layers[name].gradients
        for parameter in gradients.parameter_names:
            expected = getattr(module, f"{parameter}_{suffix}").grad.numpy()
            np.testing.assert_allclose(gradients.per_step(parameter).sum(axis=0), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "edits"), [("counter", "rnn.l0.forget_gate[0]@3-5=0.2"), ("recall-gru", "rnn.l0.ablate[3]=zero")]
)
def test_the_networks_own_losses_are_asked_at_the_held_states(name, edits):
    network = load_network(name)
    text = network.card.default.text
    edited = EditedNetwork(network, read_edits(edits))
    reading, given = edited.read(text), edited.sequence(text).given
    stack = layer_stack(reading.trace.layers, "rnn")
    grad = output_loss_grad(network, edited.network.module, given, stack[-1][0].recording.hidden)
    found = gradient_map_of(stack, grad)["l0"][0]
    module = edited_module(network.module, ())
    with torch.enable_grad(), intervene(module, edited._clamp_schedules(module, given)) as run:
        losses = step_losses(network, given, module(given))
    rows = run.states["rnn.l0"]["hidden"]
    for t in range(0, len(losses), 3):
        expected = torch.autograd.grad(losses[t], rows, retain_graph=True, allow_unused=True)
        norms = [0.0 if each is None else float(each.norm()) for each in expected]
        np.testing.assert_allclose(found[t], norms, rtol=1e-4, atol=1e-7)


def test_nothing_held_changes_nothing():
    network = load_network("counter")
    plain = run_edited(network, ".aabb.", read_edits("rnn.l0.h0=0")).trace.layers["rnn.l0"]
    assert not plain.recording.clamped
    found = local_derivatives(plain)
    np.testing.assert_array_equal(found.carry, plain.forget_gate)


def test_a_projected_state_that_is_held_is_refused():
    torch.manual_seed(0)
    module = nn.LSTM(3, UNITS, proj_size=2, batch_first=True)
    script = ClampSchedule()
    script.clamp(1, "hidden", 0, 1.0)
    with intervene(module, {"l0": script}) as run:
        module(torch.randn(1, 4, 3))
    with pytest.raises(Problem, match="is fixed after its projection"):
        local_derivatives(run.trace.layers["l0"])
