"""Fixed points against analytic ones and roots of scipy, Jacobians against torch's, and what is said where there are none."""

from concurrent.futures import CancelledError
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq, minimize_scalar
from torch import nn

from models.core.messages import Problem
from models.core.weights import LayerWeights
from models.probes import fixed_points as searched
from models.probes import speed_minima
from models.probes.fixed_points import fixed_points, merge_near
from models.probes.layer_dynamics import LayerMap


def tanh_layer(recurrent, bias=None, nonlinearity="tanh"):
    """A simple RNN without an input weight."""
    recurrent = np.array(recurrent, dtype=np.float64)
    size = len(recurrent)
    biases = {} if bias is None else {"bias_ih": np.array(bias, dtype=np.float64), "bias_hh": np.zeros(size)}
    return LayerWeights("RNN", np.zeros((size, 1)), recurrent, nonlinearity=nonlinearity, **biases)


def random_layer(kind, seed=0, size=5, scale=1.0, **options):
    """A layer of random weights, in float64."""
    random = np.random.default_rng(seed)
    rows = {"RNN": 1, "GRU": 3, "LSTM": 4}[kind] * size
    outputs = options.pop("projected", size)
    shapes = {"weight_ih": (rows, 2), "weight_hh": (rows, outputs), "bias_ih": (rows,), "bias_hh": (rows,)}
    shapes |= {"weight_hr": (outputs, size)} if outputs != size else {}
    shapes |= {"weight_ch": (3 * size,)} if options.get("peepholes") else {}
    shapes |= {"weight_mx": (size, 2), "weight_mh": (size, size)} if options.get("multiplicative") else {}
    return LayerWeights(kind, **{name: scale * random.normal(size=each) for name, each in shapes.items()}, **options)


LAYERS = {
    "RNN": random_layer("RNN"),
    "relu": random_layer("RNN", nonlinearity="relu"),
    "LSTM": random_layer("LSTM"),
    "projected": random_layer("LSTM", projected=3),
    "peepholes": random_layer("LSTM", peepholes=True),
    "multiplicative": random_layer("LSTM", multiplicative=True),
    "GRU": random_layer("GRU"),
    "Keras' GRU": random_layer("GRU", reset_after=False),
}


# The map and its Jacobian


@pytest.mark.parametrize("name", LAYERS)
def test_the_map_is_one_step_of_the_module(name):
    layer = LAYERS[name]
    step, random = LayerMap(layer, np.array([0.3, -0.7])), np.random.default_rng(1)
    states = torch.tensor(random.normal(size=(7, step.state_size)))
    hidden, cell = states[:, : layer.output_size], states[:, layer.output_size :]
    given = torch.tensor([[[0.3, -0.7]]], dtype=torch.float64).expand(7, 1, 2)
    with torch.no_grad():
        state = (hidden[None].contiguous(), cell[None].contiguous()) if layer.kind == "LSTM" else hidden[None]
        _, after = layer.to_module()(given, state)
    expected = torch.cat([after[0][0], after[1][0]], dim=1) if layer.kind == "LSTM" else after[0]
    torch.testing.assert_close(step(states), expected, atol=1e-12, rtol=0)


@pytest.mark.parametrize("name", LAYERS)
def test_jacobians_are_those_of_autograd(name):
    step, random = LayerMap(LAYERS[name], np.array([0.3, -0.7])), np.random.default_rng(2)
    states = torch.tensor(random.normal(size=(4, step.state_size)))
    expected = torch.stack(
        [torch.autograd.functional.jacobian(lambda one: step(one[None])[0], state) for state in states]
    )
    torch.testing.assert_close(step.jacobians(states), expected, atol=1e-10, rtol=1e-10)


# Points that are known


@given(slope=st.floats(1.2, 4), bias=st.floats(-0.05, 0.05))
@settings(max_examples=8, deadline=None)
def test_a_unit_that_excites_itself_has_the_roots_of_scipy(slope, bias):
    found = fixed_points(
        tanh_layer([[slope]], [bias]), np.linspace(-1, 1, 40)[:, None], np.zeros(1), max_iterations=100
    )

    def difference(state):
        return np.tanh(slope * state + bias) - state

    turn = np.arctanh(np.sqrt(1 - 1 / slope))  # where the slope of tanh is 1
    edges = [-1.5, (-turn - bias) / slope, (turn - bias) / slope, 1.5]
    roots = [
        brentq(difference, low, high, xtol=1e-14)
        for low, high in pairwise(edges)
        if difference(low) * difference(high) < 0
    ]
    order = np.argsort(found.points[found.fixed, 0])
    np.testing.assert_allclose(found.points[found.fixed, 0][order], roots, atol=1e-7)
    for root, eigenvalue, kind in zip(found.points[:, 0], found.eigenvalues[:, 0], found.stability, strict=True):
        assert eigenvalue.real == pytest.approx(slope * (1 - np.tanh(slope * root + bias) ** 2), abs=1e-6)
        assert kind == ("stable" if eigenvalue.real < 1 else "unstable")


def test_a_layer_that_is_linear_where_it_is_positive_has_the_solution_of_its_equations():
    random = np.random.default_rng(3)
    recurrent = random.random((6, 6)) / 8
    bias = 0.5 + random.random(6)
    states = random.random((30, 6)) * 3
    found = fixed_points(tanh_layer(recurrent, bias, "relu"), states, np.zeros(1), max_iterations=100)
    assert found.fixed.tolist() == [True] and found.stability == ("stable",) and found.starts[0] == found.start_count
    np.testing.assert_allclose(found.points[0], np.linalg.solve(np.eye(6) - recurrent, bias), atol=1e-9)
    np.testing.assert_allclose(found.jacobians[0], recurrent, atol=1e-12)
    expected = np.linalg.eigvals(recurrent)
    np.testing.assert_allclose(np.sort(np.abs(found.eigenvalues[0])), np.sort(np.abs(expected)), atol=1e-9)


def test_a_flip_flop_has_two_attractors_and_a_saddle_between_them():
    random = np.random.default_rng(4)
    found = fixed_points(
        tanh_layer([[2.0, 0.0], [0.0, 0.5]]), random.uniform(-1, 1, (60, 2)), np.zeros(1), max_iterations=100
    )
    root = brentq(lambda state: np.tanh(2 * state) - state, 0.1, 1)
    assert sorted(found.stability) == ["saddle", "stable", "stable"] and found.fixed.all()
    points = found.points[np.argsort(found.points[:, 0])]
    np.testing.assert_allclose(points, [[-root, 0], [0, 0], [root, 0]], atol=1e-7)
    saddle = found.stability.index("saddle")
    np.testing.assert_allclose(found.eigenvalues[saddle], [2, 0.5], atol=1e-6)
    np.testing.assert_allclose(found.directions[saddle], [1, 0], atol=1e-6)
    np.testing.assert_allclose(found.time_constants[saddle], [-1 / np.log(2), 1 / np.log(2)], atol=1e-5)
    assert np.isinf(found.periods[saddle]).all()
    assert "fixed points: 3 (stable: 2, saddles: 1" in str(found.verdict)
    np.testing.assert_allclose(found.plane.project(found.points), found.coordinates)
    assert found.starts.sum() + found.left_out == found.start_count == 62


def test_a_slow_rotation_has_its_period_and_time_constant():
    angle = 2 * np.pi / 12
    turn = 0.9 * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    found = fixed_points(tanh_layer(turn), np.random.default_rng(5).uniform(-0.5, 0.5, (20, 2)), np.zeros(1))
    assert found.stability == ("stable",)
    np.testing.assert_allclose(found.periods[0], 12, rtol=1e-5)
    np.testing.assert_allclose(found.time_constants[0], -1 / np.log(0.9), rtol=1e-5)


def test_the_ghost_of_a_pair_of_points_is_slow():
    """With a bias just beyond the one at which two of three points merge, the layer is slow there and never still."""
    fold = np.sqrt(1 - 1 / 2)
    bias = 2 * fold - np.arctanh(fold) + 0.002  # of tanh(2 s - bias) = s with the slope 1
    found = fixed_points(tanh_layer([[2.0]], [-bias]), np.linspace(-1, 1, 40)[:, None], np.zeros(1))
    ghost = minimize_scalar(
        lambda state: (np.tanh(2 * state - bias) - state) ** 2, bounds=(0.5, 0.9), options={"xatol": 1e-12}
    )
    assert found.fixed.tolist() == [True, False] and found.stability[0] == "stable"
    assert found.points[1, 0] == pytest.approx(ghost.x, abs=1e-4)
    assert found.speed_energy[1] == pytest.approx(ghost.fun / 2, rel=1e-3)
    assert "slow points: 1" in str(found.verdict)


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
@pytest.mark.parametrize("seed", range(2))
def test_fixed_points_do_not_move_and_stable_ones_attract(kind, seed):
    layer = random_layer(kind, seed, size=4, scale=1.5)
    given, random = np.array([0.2, 0.4]), np.random.default_rng(seed)
    step = LayerMap(layer, given)
    states = torch.tensor(random.normal(size=(24, step.state_size)))
    for _ in range(3):
        states = step(states)
    found = fixed_points(layer, states.detach().numpy(), given, max_iterations=100)
    points = torch.tensor(found.points)
    moved = (step(points) - points).square().sum(dim=1).numpy() / 2
    np.testing.assert_allclose(moved, found.speed_energy, atol=1e-20)
    assert (found.speed_energy[found.fixed] < searched.TOLERANCE).all()
    stable = points[[kind == "stable" and fixed for kind, fixed in zip(found.stability, found.fixed, strict=True)]]
    with torch.no_grad():
        near = stable + 1e-5
        for _ in range(300 if len(stable) else 0):
            near = step(near)
    assert ((near - stable).norm(dim=1) < 1e-5 * step.state_size**0.5).all()


@given(
    st.lists(st.tuples(st.floats(-3, 3), st.floats(-3, 3), st.floats(0, 1)), min_size=1, max_size=30),
    st.floats(0.01, 1),
)
@settings(max_examples=60, deadline=None)
def test_merged_points_are_apart_and_near_all_that_they_stand_for(rows, distance):
    values = torch.tensor(rows, dtype=torch.float64)
    points, energies = values[:, :2], values[:, 2]
    places, owners = merge_near(points, energies, distance)
    kept = points[places]
    gaps = torch.cdist(kept, kept) + 10 * torch.eye(len(kept))
    assert (gaps > distance).all() and owners.max() == len(kept) - 1
    assert ((points - kept[owners]).norm(dim=1) <= distance).all()
    assert (energies[places][owners] <= energies).all()


# Bounds


def test_the_same_arguments_return_the_same_points_and_progress_ends_at_1():
    layer, states, shares = random_layer("GRU", 3), np.random.default_rng(6).normal(size=(20, 5)), []
    one = fixed_points(layer, states, np.zeros(2), max_iterations=30, progress=shares.append)
    other = fixed_points(layer, states, np.zeros(2), max_iterations=30)
    np.testing.assert_array_equal(one.points, other.points)
    assert shares == sorted(shares) and shares[0] == 0 and shares[-1] == 1


def test_numbers_of_points_and_starts_are_bounded():
    layer, states = tanh_layer(np.eye(3), nonlinearity="relu"), np.random.default_rng(7).random((500, 3))
    found = fixed_points(layer, states, np.zeros(1), max_starts=30, max_points=4)  # every state is fixed
    assert len(found.points) == 4 and found.start_count == 32 and found.left_out == 32 - found.starts.sum()
    assert set(found.stability) <= {"marginal"} and np.isinf(found.time_constants[found.distance < 1e-9]).all()


def test_a_cancelled_task_ends(monkeypatch):
    def cancelled():
        raise CancelledError

    monkeypatch.setattr(speed_minima, "end_if_cancelled", cancelled)
    with pytest.raises(CancelledError):
        fixed_points(random_layer("RNN"), np.zeros((3, 5)), np.zeros(2))


def test_a_layer_without_fixed_points_is_said_to_have_none():
    layer = tanh_layer(np.eye(2), [1.0, 1.0], "relu")  # every step adds 1
    found = fixed_points(layer, np.random.default_rng(8).random((20, 2)), np.zeros(1))
    assert not len(found.points) and found.eigenvalues.shape == (0, 2) and found.left_out == found.start_count
    assert found.coordinates.shape == (0, 2) and str(found.verdict).startswith("No fixed or slow point")
    grows = tanh_layer(2 * np.eye(2), [1.0, 1.0], "relu")  # 2 ** 300 is above the largest float32
    assert not len(fixed_points(grows, np.random.default_rng(8).random((20, 2)), np.zeros(1)).points)


def test_bad_input_is_one_sentence():
    layer = random_layer("LSTM", 1)
    states = np.random.default_rng(9).normal(size=(20, 10))
    with pytest.raises(Problem, match="have 5 values; those of this layer have 10"):
        fixed_points(layer, states[:, :5], np.zeros(2))
    with pytest.raises(Problem, match="no states"):
        fixed_points(layer, states[:0], np.zeros(2))
    with pytest.raises(Problem, match="takes 2"):
        fixed_points(layer, states, np.zeros(3))
    with pytest.raises(Problem, match="not finite"):
        fixed_points(layer, states, np.array([0, np.nan]))
    with pytest.raises(Problem, match="not finite from time step 5"):
        fixed_points(layer, np.where(np.arange(20)[:, None] == 4, np.inf, states), np.zeros(2))
    with pytest.raises(Problem, match="A weight"):
        broken = np.where(layer.weight_hh > 1, np.nan, layer.weight_hh)
        fixed_points(replace(layer, weight_hh=broken), states, np.zeros(2))


def test_one_state_is_enough():
    found = fixed_points(tanh_layer([[0.5]]), np.array([[0.3]]), np.zeros(1))
    assert found.points == pytest.approx(0, abs=1e-9) and found.stability == ("stable",)
    assert isinstance(tanh_layer([[0.5]]).to_module(), nn.RNN)
