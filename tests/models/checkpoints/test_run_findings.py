"""The findings about a run's gates and states, with torch and autograd as the reference of each."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from models import capture
from models.checkpoints.health import check_run
from models.checkpoints.health.gate_names import GATE_NAMES
from viz.i18n import translate, use_language


def run_with_biases(module, **biases):
    """The run of a module of one layer whose gates' biases are set."""
    gates = {nn.LSTM: ("input", "forget", "candidate", "output"), nn.GRU: ("reset", "update", "candidate")}[
        type(module)
    ]
    torch.manual_seed(0)
    with torch.no_grad():
        for gate, values in biases.items():
            block = slice(gates.index(gate) * len(values), (gates.index(gate) + 1) * len(values))
            module.bias_ih_l0[block], module.bias_hh_l0[block] = torch.tensor(values), 0.0
    with capture(module) as trace:
        module(torch.randn(1, 20, 2))
    return trace.layers["l0"]


GATES = [
    (nn.LSTM, "forget", 9.0, "note", "was almost always open (> 0.9): these units keep most of their state"),
    (nn.LSTM, "forget", -9.0, "warning", "was almost always closed (< 0.1): these units keep hardly any state"),
    (nn.GRU, "update", 9.0, "note", "was almost always open (> 0.9): these units keep most of their state"),
    (nn.GRU, "update", -9.0, "warning", "was almost always closed (< 0.1): these units keep hardly any state"),
    (
        nn.LSTM,
        "input",
        9.0,
        "note",
        "was saturated at almost every time step. Only a small gradient reaches its weights.",
    ),
    (nn.LSTM, "input", -9.0, "warning", "hardly any new information is added to their cell state."),
    (
        nn.LSTM,
        "output",
        9.0,
        "note",
        "was saturated at almost every time step. Only a small gradient reaches its weights.",
    ),
    (nn.LSTM, "output", -9.0, "warning", "their cell state hardly appears in the hidden state."),
    (
        nn.GRU,
        "reset",
        9.0,
        "note",
        "was saturated at almost every time step. Only a small gradient reaches its weights.",
    ),
    (
        nn.GRU,
        "reset",
        -9.0,
        "note",
        "was saturated at almost every time step. Only a small gradient reaches its weights.",
    ),
]


@pytest.mark.parametrize(("cell", "gate", "bias", "severity", "sentence"), GATES)
def test_a_saturated_gate_is_named_by_gate_and_bound(cell, gate, bias, severity, sentence):
    layer = run_with_biases(cell(2, 5, batch_first=True), **{gate: [bias, bias, bias, bias, 0.0]})
    (finding,) = (each for each in check_run(layer, "l0") if each.values.get("gate") is GATE_NAMES[f"{gate}_gate"])
    assert (finding.severity, finding.values["count"], finding.values["units"]) == (severity, 4, 5)
    assert str(finding).startswith(f"In this run, the {gate} gate of 4 of the 5 units of l0 was ")
    assert sentence in str(finding)
    assert finding.evidence[0].units == (0, 1, 2, 3)
    with use_language("ko"):
        assert translate(GATE_NAMES[f"{gate}_gate"]) in translate(finding) and gate not in translate(finding)


def test_both_bounds_of_a_gate_are_counted_apart():
    layer = run_with_biases(nn.LSTM(2, 4, batch_first=True), forget=[-9.0, 9.0, 9.0, 9.0])
    closed, opened = check_run(layer, "l0")
    assert (closed.values["count"], closed.severity, closed.evidence[0].units) == (1, "note", (0,))
    assert (opened.values["count"], opened.severity, opened.evidence[0].units) == (3, "note", (1, 2, 3))


def test_an_open_forget_gate_passes_the_gradient_of_the_cell_whole():
    """The oracle of a saturated forget gate is autograd: c's gradient passes, that of the gate's weights is small."""
    lstm = nn.LSTM(2, 4, batch_first=True)
    run_with_biases(lstm, forget=[12.0, 12.0, 12.0, 12.0], output=[-12.0] * 4)
    x, c = torch.randn(1, 30, 2), torch.randn(1, 1, 4, requires_grad=True)
    _out, (_h, last) = lstm(x, (torch.zeros(1, 1, 4), c))
    last.sum().backward()
    torch.testing.assert_close(c.grad, torch.ones_like(c), rtol=0, atol=1e-3)
    assert lstm.weight_ih_l0.grad[4:8].abs().max() < 1e-3 * lstm.weight_ih_l0.grad[8:12].abs().max()


@pytest.mark.parametrize("value", ["inf", "nan"])
def test_a_run_that_overflows_is_told_with_its_first_step(value):
    rnn = nn.RNN(1, 3, nonlinearity="relu", batch_first=True)
    with torch.no_grad():
        for weights in rnn.parameters():
            weights.zero_()
        rnn.weight_hh_l0[1, 1], rnn.bias_ih_l0[1] = 1e10, 1.0
        if value == "nan":
            rnn.weight_hh_l0[1, 1], rnn.weight_ih_l0[1, 0] = 0.0, 1.0
    x = torch.zeros(1, 12, 1)
    if value == "nan":
        x[0, 3] = float("nan")
    with torch.no_grad(), capture(rnn) as trace:
        out = rnn(x)[0]
    first, unit = (int(index) for index in (~out[0].isfinite()).nonzero()[0])
    (finding,) = check_run(trace.layers["l0"], "l0")
    words = "infinite" if value == "inf" else "NaN (not a number)"
    assert str(finding) == (
        f"In this run, the hidden state of l0 becomes {words} at time step {first + 1}. What is computed from it after that "
        "is not valid."
    )
    assert finding.severity == "warning" and finding.evidence[0].units == (unit,)
