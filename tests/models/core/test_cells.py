"""The equations of the cells: those that torch has no kernel for against a loop by hand, and the facts they state."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.core.activations import ACTIVATIONS
from models.core.cells import Carry
from models.core.gate_evaluation import SequenceEvaluation, padding_mask, previous_states, scan
from models.core.weights import LayerWeights
from tests.support.oracle import ACTIVATIONS_BY_NAME, layer

OPTIONS = [
    *({"kind": "RNN", "nonlinearity": name} for name in ACTIVATIONS),
    {"kind": "LSTM", "handed_on": 2},
    *({"kind": "LSTM", "activation": name} for name in ACTIVATIONS),
    *({"kind": "LSTM", "recurrent_activation": name} for name in ACTIVATIONS),
    {"kind": "LSTM", "peepholes": True, "clip": 0.5},
    {"kind": "LSTM", "norm": 1e-5, "cell_norm": True},
    {"kind": "LSTM", "coupled": True, "peepholes": True},
    {"kind": "LSTM", "multiplicative": True, "clip": 0.7},
    {"kind": "LSTM", "norm": 1e-3, "cell_norm": False, "handed_on": 2, "peepholes": True},
    {"kind": "RNN", "clip": 0.5},
    {"kind": "GRU", "clip": 0.5},
    {"kind": "GRU", "reset_after": False},
    {"kind": "GRU", "reset_after": False, "recurrent_activation": "hard_sigmoid"},
    *({"kind": "GRU", "activation": name, "recurrent_activation": "hard_sigmoid_3"} for name in ACTIVATIONS),
]


def weights(kind="GRU", units=5, inputs=3, handed_on=None, bias=True, dtype=torch.float64, **options):
    """Random weights."""
    gates = {"RNN": 1, "LSTM": 4, "GRU": 3}[kind]
    shapes = {"weight_ih": (gates * units, inputs), "weight_hh": (gates * units, handed_on or units)}
    if bias:
        shapes |= {"bias_ih": (gates * units,), "bias_hh": (gates * units,)}
    if options.get("peepholes"):
        shapes["weight_ch"] = (3 * units,)
    if options.get("multiplicative"):
        shapes |= {"weight_mx": (units, inputs), "weight_mh": (units, units)}
    if options.get("norm"):
        shapes |= {f"{name}_{side}": (gates * units,) for side in ("ih", "hh") for name in ("gain", "shift")}
    if options.get("cell_norm"):
        shapes |= {"gain_c": (units,), "shift_c": (units,)}
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
    steps = SequenceEvaluation(own, x[None], hidden, previous_states(hidden, start[None], False, None))
    tolerance = 1e-5 if dtype == torch.float32 else 1e-10
    for name in own.cell.gates:
        assert np.allclose(getattr(steps, name)[0], expected[name], rtol=0, atol=tolerance), name
    after = layer("GRU", own.tensors, x, (start,))
    assert not torch.allclose(after["candidate"], expected["candidate"], atol=1e-3)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_is_torchs_and_its_slope_autograds(name):
    made = ACTIVATIONS[name]
    v = torch.linspace(-9, 9, 4001, dtype=torch.float64, requires_grad=True)
    values = ACTIVATIONS_BY_NAME[name](v)
    values.sum().backward()
    assert torch.allclose(made(v), values, rtol=0, atol=1e-12)
    slope = made.slope(made(v).detach().numpy())
    np.testing.assert_allclose(slope, v.grad.numpy(), rtol=0, atol=1e-12)
    assert slope.max() <= made.max_slope + 1e-12 and slope.max() > 0.99 * made.max_slope
    assert made.slope(np.zeros(1, np.float32)).dtype == np.float32
    if made.range is not None:
        low, high = made.range
        assert low <= values.min() and values.max() <= high


def test_what_a_slope_is_at_the_corners():
    """Relu and elu at 0 as torch has them."""
    for name in ("relu", "elu"):
        corner = torch.zeros(1, requires_grad=True)
        ACTIVATIONS_BY_NAME[name](corner).backward()
        assert ACTIVATIONS[name].slope(np.zeros(1)) == corner.grad.numpy()


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_names_ranges_and_carry_fit_together(options):
    cell = weights(**options).cell
    own = {"intermediate"} if options.get("multiplicative") else set()
    assert {*cell.gates, *cell.states, *own} == {*cell.quantities} == {*cell.ranges}
    assert set(cell.activations) == {*cell.gates, *(["cell"] if cell.kind == "LSTM" else [])}
    assert cell.quantities[-1] == "hidden"
    if cell.carry is not None:
        assert cell.equations[cell.carry.state] is cell.carry and cell.carry.gate in cell.gates


def test_an_unknown_activation_is_named():
    with pytest.raises(ValueError, match="no activation 'swish'; there are tanh, "):
        weights("GRU", recurrent_activation="swish")


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_every_equation_gives_one_step_as_well(options):
    """The same line, given a namespace of one step, computes that step and stays within its range."""
    torch.manual_seed(0)
    handed_on = options.get("handed_on")
    own = weights(**options)
    cell = own.cell
    plain = {name: value for name, value in options.items() if name not in ("kind", "handed_on")}
    vector, hidden, held = (torch.randn(size, dtype=torch.float64).tanh() for size in (3, handed_on or 5, 5))
    if cell.ranges["hidden"] is not None:  # a state that the cell could have produced
        hidden = hidden.clamp(*cell.ranges["hidden"])

    class Moment:
        hidden_prev, cell_prev = hidden, held

        def x(self, gate):
            return own.tensors["weight_mx"] @ vector if gate == "intermediate" else self.part("ih", gate, vector)

        def h(self, gate, v=hidden):
            return own.tensors["weight_mh"] @ v if gate == "intermediate" else self.part("hh", gate, v)

        def part(self, side, gate, v):
            products = own.tensors[f"weight_{side}"] @ v + own.tensors[f"bias_{side}"]
            normed = products if own.norm is None else self.norm(products, side)
            return normed.unflatten(0, (len(own.cell.gates), -1))[own.cell.gates.index(gate)]

        def norm(self, v, side="c"):
            scaled = (v - v.mean()) / (v.var(correction=0) + own.norm).sqrt()
            return scaled * own.tensors[f"gain_{side}"] + own.tensors[f"shift_{side}"]

        def a(self, gate):
            return self.x(gate) + self.h(gate)

        def peephole(self, gate, c):
            return torch.tensor(own.rows("weight_ch", gate)) * c

        def project(self, v):
            return own.tensors["weight_hr"] @ v

    moment = Moment()
    expected = layer(own.kind, own.tensors, vector[None], (hidden, held), **{"reset_after": own.reset_after, **plain})
    for name, equation in cell.equations.items():
        setattr(moment, name, equation(moment))
        assert torch.allclose(getattr(moment, name), expected[name][0], rtol=0, atol=1e-12), name
        if cell.ranges[name] is not None:
            low, high = cell.ranges[name]
            assert low <= getattr(moment, name).min() and getattr(moment, name).max() <= high


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("least", [0, 100, 10_000])
@pytest.mark.parametrize("batch", [1, 4])
def test_scan_is_the_carry_step_by_step(reverse, least, batch):
    torch.manual_seed(0)
    keep, write = torch.rand(batch, 37, 3), torch.randn(batch, 37, 3)
    start = torch.randn(batch, 3)
    carry = Carry("cell", "keep", lambda s: s.write)
    seen, state = scan(keep.numpy(), write.numpy().copy(), start.numpy(), reverse, least), start
    for t in reversed(range(37)) if reverse else range(37):

        class Moment:
            pass

        Moment.keep, Moment.write, Moment.cell_prev = keep[:, t], write[:, t], state
        state = carry(Moment)
        assert np.allclose(seen[:, t], state, rtol=0, atol=1e-6)


@pytest.mark.parametrize("reverse", [False, True])
def test_shifted_gives_the_state_before_each_step(reverse):
    states, first = torch.arange(1.0, 9).reshape(2, 4, 1), torch.tensor([[-1.0], [-2.0]])
    plain = [[2, 3, 4, -1], [6, 7, 8, -2]] if reverse else [[-1, 1, 2, 3], [-2, 5, 6, 7]]
    assert previous_states(states, first, reverse, None)[..., 0].tolist() == plain
    cut = [[2, -1, 0, 0], [6, 7, 8, -2]] if reverse else [[-1, 1, 0, 0], [-2, 5, 6, 7]]
    lengths = torch.tensor([2, 4])
    assert previous_states(states, first, reverse, lengths)[..., 0].tolist() == cut
    assert padding_mask(lengths, 4)[..., 0].tolist() == [[False, False, True, True], [False] * 4]


def test_quantities_are_computed_once():
    own = weights("LSTM")
    steps = SequenceEvaluation(
        own, torch.randn(1, 4, 3).double(), *torch.randn(2, 1, 4, 5).double(), torch.zeros(1, 5).double()
    )
    assert steps.cell is steps.cell and steps.input_gate is steps.input_gate
    assert np.isfinite(steps.cell).all()
