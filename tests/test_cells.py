"""The equations of the cells: those that torch has no kernel for against a loop by hand, and the facts they state."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.cells import Carry, gru, lstm, rnn
from models.evaluate import Steps, past, scan, shifted
from models.weights import LayerWeights
from tests.oracle import layer

CELLS = [rnn("tanh"), rnn("relu"), lstm(False), lstm(True), gru(True), gru(False)]


def weights(kind="GRU", units=5, inputs=3, handed_on=None, bias=True, dtype=torch.float64, **options):
    """Random weights."""
    gates = {"RNN": 1, "LSTM": 4, "GRU": 3}[kind]
    shapes = {"weight_ih": (gates * units, inputs), "weight_hh": (gates * units, handed_on or units)}
    if bias:
        shapes |= {"bias_ih": (gates * units,), "bias_hh": (gates * units,)}
    if handed_on:
        shapes["weight_hr"] = (handed_on, units)
    arrays = {name: torch.randn(shape, dtype=dtype).numpy() for name, shape in shapes.items()}
    return LayerWeights(kind, **arrays, **options)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_gru_that_resets_before_the_product(bias, dtype):
    torch.manual_seed(0)
    own = weights(bias=bias, dtype=dtype, reset_after=False)
    x, start = torch.randn(7, 3, dtype=dtype), torch.randn(5, dtype=dtype)
    expected = layer("GRU", own.tensors, x, (start,), reset_after=False)
    hidden = expected["hidden"][None]
    steps = Steps(own, x[None], hidden, shifted(hidden, start[None], False, None))
    tolerance = 1e-5 if dtype == torch.float32 else 1e-10
    for name in own.cell.gates:
        assert torch.allclose(getattr(steps, name)[0], expected[name], rtol=0, atol=tolerance), name
    after = layer("GRU", own.tensors, x, (start,))
    assert not torch.allclose(after["candidate"], expected["candidate"], atol=1e-3)


@pytest.mark.parametrize("cell", CELLS)
def test_names_ranges_and_carry_fit_together(cell):
    assert set(cell.gates) | set(cell.states) == set(cell.quantities) == set(cell.ranges)
    assert cell.quantities[-1] == "hidden"
    if cell.carry is not None:
        assert cell.equations[cell.carry.state] is cell.carry and cell.carry.keep in cell.gates


@pytest.mark.parametrize("cell", CELLS)
def test_every_equation_gives_one_step_as_well(cell):
    """The same line, given a namespace of one step, computes that step and stays within its range."""
    torch.manual_seed(0)
    handed_on = 2 if cell is lstm(True) else None
    options = {"nonlinearity": "relu"} if cell is rnn("relu") else {}
    own = weights(cell.kind, handed_on=handed_on, reset_after=cell is not gru(False), **options)
    assert own.cell is cell
    vector, hidden, held = (torch.randn(size, dtype=torch.float64).tanh() for size in (3, handed_on or 5, 5))

    class Moment:
        hidden_prev, cell_prev = hidden, held

        def x(self, gate):
            return torch.tensor(own.rows("weight_ih", gate)) @ vector + torch.tensor(own.rows("bias_ih", gate))

        def h(self, gate, v=hidden):
            return torch.tensor(own.rows("weight_hh", gate)) @ v + torch.tensor(own.rows("bias_hh", gate))

        def a(self, gate):
            return self.x(gate) + self.h(gate)

        def project(self, v):
            return own.tensors["weight_hr"] @ v

    moment = Moment()
    expected = layer(cell.kind, own.tensors, vector[None], (hidden, held), reset_after=own.reset_after, **options)
    for name, equation in cell.equations.items():
        setattr(moment, name, equation(moment))
        assert torch.allclose(getattr(moment, name), expected[name][0], rtol=0, atol=1e-12), name
        if cell.ranges[name] is not None:
            low, high = cell.ranges[name]
            assert low <= getattr(moment, name).min() and getattr(moment, name).max() <= high


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("batch", [1, 4])
def test_scan_is_the_carry_step_by_step(reverse, batch):
    torch.manual_seed(0)
    keep, write = torch.rand(batch, 9, 3), torch.randn(batch, 9, 3)
    start = torch.randn(batch, 3)
    carry = Carry("cell", "keep", lambda s: s.write)
    seen, state = scan(keep, write.clone(), start, reverse), start
    for t in reversed(range(9)) if reverse else range(9):

        class Moment:
            pass

        Moment.keep, Moment.write, Moment.cell_prev = keep[:, t], write[:, t], state
        state = carry(Moment)
        assert torch.allclose(seen[:, t], state, rtol=0, atol=1e-6)


@pytest.mark.parametrize("reverse", [False, True])
def test_shifted_gives_the_state_before_each_step(reverse):
    states, first = torch.arange(1.0, 9).reshape(2, 4, 1), torch.tensor([[-1.0], [-2.0]])
    plain = [[2, 3, 4, -1], [6, 7, 8, -2]] if reverse else [[-1, 1, 2, 3], [-2, 5, 6, 7]]
    assert shifted(states, first, reverse, None)[..., 0].tolist() == plain
    cut = [[2, -1, 0, 0], [6, 7, 8, -2]] if reverse else [[-1, 1, 0, 0], [-2, 5, 6, 7]]
    lengths = torch.tensor([2, 4])
    assert shifted(states, first, reverse, lengths)[..., 0].tolist() == cut
    assert past(lengths, 4)[..., 0].tolist() == [[False, False, True, True], [False] * 4]


def test_quantities_are_computed_once():
    own = weights("LSTM")
    steps = Steps(own, torch.randn(1, 4, 3).double(), *torch.randn(2, 1, 4, 5).double(), torch.zeros(1, 5).double())
    assert steps.cell is steps.cell and steps.input_gate is steps.input_gate
    assert np.isfinite(steps.cell.numpy()).all()
