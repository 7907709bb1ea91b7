"""What is measured of a layer's states, against slow direct ones: saturation, memory, orders, plane, brush, detail."""

import tracemalloc

import numpy as np
import pytest
import torch
from torch import nn

from models import Problem, capture
from models.states.compare_states import compare_states
from models.states.downsample import block_counts, downsample
from models.states.gate_retention import half_life, log10_retained, retained, retention_gate
from models.states.pca import principal_plane
from models.states.saturation import gate_saturations, saturation
from models.states.span_selectivity import span_selectivity
from models.states.unit_order import order_units

ORDERS = ("index", "mean", "variance", "similarity")


def ran(kind: str, steps: int = 30, units: int = 7, **options):
    torch.manual_seed(3)
    module = getattr(nn, kind)(4, units, batch_first=True, **options)
    with torch.no_grad(), capture(module) as trace:
        module(4 * torch.randn(2, steps, 4))
    return trace


def waves(steps: int = 200, units: int = 12) -> np.ndarray:
    random = np.random.default_rng(0)
    return np.sin(np.arange(steps)[:, None] / 9 + random.permutation(units) / 2).astype(np.float32)


# Saturation


def test_saturation_counts_steps():
    layer = ran("LSTM").layers["l0"]
    found = gate_saturations(layer, row=1)
    assert list(found) == ["input_gate", "forget_gate", "output_gate"]
    for gate, measured in found.items():
        for unit in range(7):
            values = layer[gate][1, :, unit].tolist()
            assert measured.left[unit] == pytest.approx(sum(v < 0.1 for v in values) / 30)
            assert measured.right[unit] == pytest.approx(sum(v > 0.9 for v in values) / 30)
    assert max(measured.right.max() for measured in found.values()) > 0


def test_saturation_at_the_edges_and_of_nothing():
    found = saturation(np.array([[0.1, 0.9, 0.0, np.nan]]))
    np.testing.assert_array_equal(found.left, [0, 0, 1, np.nan])
    np.testing.assert_array_equal(found.right, [0, 0, 0, np.nan])
    assert list(gate_saturations(ran("GRU").layers["l0"])) == ["reset_gate", "update_gate"]
    assert gate_saturations(ran("RNN").layers["l0"]) == {}


# Memory


def test_what_is_too_little_for_a_number_still_has_a_power():
    gate = np.full((2001, 1), 0.5, np.float32)
    assert retained(gate, 0, 2000)[0] == 0.0 and log10_retained(gate, 0, 2000)[0] == pytest.approx(2000 * np.log10(0.5))
    gate[7] = 0
    assert log10_retained(gate, 0, 2000)[0] == -np.inf


@pytest.mark.parametrize(("kind", "gate"), [("LSTM", "forget_gate"), ("GRU", "update_gate")])
@pytest.mark.parametrize("way", ["l0", "l0_reverse"])
def test_what_is_kept_between_two_steps(kind, gate, way):
    layer = ran(kind, bidirectional=True).layers[way]
    keep = retention_gate(layer, row=1)
    values = layer[gate][1] if way == "l0" else layer[gate][1][::-1]
    for since, until in ((0, 0), (0, 29), (4, 9), (28, 29)):
        expected = np.ones(7)
        for step in range(since + 1, until + 1):
            expected = expected * values[step].astype(float)
        np.testing.assert_allclose(retained(keep, since, until), expected, rtol=1e-12)
        np.testing.assert_allclose(10 ** log10_retained(keep, since, until), expected, rtol=1e-12)


def test_an_rnn_has_no_gate_that_keeps():
    assert retention_gate(ran("RNN").layers["l0"]) is None


def test_half_life_is_how_long_until_half_is_left():
    keep = np.array([[0.5, 0.5**0.1, 1, 0, 1, np.nan], [0.5, 0.5**0.1, 1, 0, 1, 0.5], [0.5, 0.5**0.1, 1, 0, 0.5, 0.5]])
    np.testing.assert_allclose(half_life(keep), [1, 10, np.inf, 0, np.inf, np.nan])
    np.testing.assert_allclose(half_life(keep[:2])[4], np.inf)
    assert half_life(keep[:1])[1] == pytest.approx(10)
    # as long as the product really takes
    gate = np.full((400, 1), 0.97)
    left = np.array([retained(gate, 0, step)[0] for step in range(len(gate))])
    assert half_life(gate)[0] == pytest.approx(np.argmax(left < 0.5), abs=1)
    nearly = np.full((3, 1), 1 - 2**-24, dtype=np.float32)
    assert half_life(nearly)[0] == pytest.approx(np.log(2) * 2**24, rel=1e-6)


# Orders


@pytest.mark.parametrize("by", ORDERS)
def test_orders_are_permutations_and_repeat(by):
    values = waves()
    values[:, 3], values[:, 8] = 0.25, -1
    values[5, 6] = np.nan
    found = order_units(values, by)
    assert sorted(found.tolist()) == list(range(12))
    np.testing.assert_array_equal(found, order_units(values.copy(), by))
    if by != "index":
        assert found[-1] == 6
    if by == "similarity":
        assert found[-3:].tolist() == [8, 3, 6]


def test_orders_by_mean_and_variance():
    values = np.array([[3, 1, 2], [3, 2, -4], [3, 1, 2]], dtype=np.float32)
    assert order_units(values, "mean").tolist() == [2, 1, 0]
    assert order_units(values, "variance").tolist() == [2, 1, 0]


@pytest.mark.parametrize("shape", [lambda late: late > 0, lambda late: np.exp(-((late - 1) ** 2) / 8)])
def test_similarity_finds_the_order_that_was_lost(shape):
    """Units that do the same one after the other: neighbours are more alike than those further off."""
    lost = np.random.default_rng(1).permutation(20)
    values = shape(np.arange(-150, 750)[:, None] / 25 - lost[None, :]).astype(np.float32)
    found = lost[order_units(values, "similarity")]
    assert found.tolist() in (list(range(20)), list(range(20))[::-1])


def test_orders_of_one_unit_one_step_and_an_unknown_order():
    for by in ORDERS:
        assert order_units(np.ones((4, 1)), by).tolist() == [0]
        assert order_units(np.ones((1, 3)), by).tolist() == [0, 1, 2]
        assert sorted(order_units(np.full((4, 2), np.nan), by).tolist()) == [0, 1]
    with pytest.raises(Problem, match=r"^Units cannot be sorted by “size”\. Choose one of these: index, .*\.$"):
        order_units(np.ones((4, 2)), "size")


# The principal plane


def test_the_plane_is_that_of_the_svd():
    states = ran("GRU", units=9).layers["l0"].hidden[0]
    plane = principal_plane(states)
    centred = states.astype(np.float64) - states.mean(axis=0, dtype=np.float64)
    _, s, v = np.linalg.svd(centred, full_matrices=False)
    signs = np.sign(v[[0, 1], np.abs(v[:2]).argmax(axis=1)])[:, None]
    np.testing.assert_allclose(plane.axes, v[:2] * signs, atol=1e-9)
    np.testing.assert_allclose(plane.points, centred @ (v[:2] * signs).T, atol=1e-9)
    np.testing.assert_allclose(plane.explained, s[:2] ** 2 / (s**2).sum(), rtol=1e-9)
    np.testing.assert_allclose(plane.project(states), plane.points, atol=1e-9)
    assert (np.take_along_axis(plane.axes, np.abs(plane.axes).argmax(axis=1)[:, None], axis=1) > 0).all()


@pytest.mark.parametrize("states", [np.full((6, 3), 0.3, np.float32), np.ones((1, 4)), np.zeros((3, 1))])
def test_states_that_never_change_lie_on_one_point(states):
    plane = principal_plane(states)
    assert plane.variance == 0 and not plane.points.any() and not plane.explained.any()
    assert plane.points.shape == (len(states), 2)


def test_one_unit_moves_along_one_axis():
    plane = principal_plane(np.array([[1.0], [2.0], [4.0]]))
    assert plane.explained.tolist() == pytest.approx([1, 0])
    np.testing.assert_allclose(plane.points[:, 0], [-4 / 3, -1 / 3, 5 / 3])
    assert not plane.points[:, 1].any()


def test_no_plane_goes_through_what_is_not_a_number():
    states = waves(6, 3)
    states[4, 1] = np.nan
    with pytest.raises(Problem, match=r"^The states are not finite from time step 5 on[^\n]*\.$"):
        principal_plane(states)


# Brush


def test_brush_ranks_what_is_on_inside_and_off_outside():
    values = np.zeros((10, 5), np.float32)
    values[3:6, 2] = 0.8  # the span and nothing else
    values[3:7, 4] = 0.8  # one step more
    values[3:5, 0] = 0.8  # one step less
    values[:, 1] = 0.8  # always on
    found = span_selectivity(values, 3, 6, 0.5)
    assert found.units.tolist() == [2, 4, 0]
    np.testing.assert_allclose(found.inside, [1, 1, 2 / 3])
    np.testing.assert_allclose(found.outside, [0, 1 / 7, 0])
    assert found.exact.tolist() == [2] and found.threshold == 0.5
    assert span_selectivity(-values, 0, 3, -0.5).units.tolist() == [4, 2, 0]
    whole = span_selectivity(values, 0, 10, 0.5)
    assert whole.units[0] == 1 and not whole.outside.any()
    assert not span_selectivity(np.full((4, 2), np.nan), 0, 2).units.size


@pytest.mark.parametrize(
    ("span", "sentence"),
    [
        ((3, 3), r"^The span is empty\. Choose at least one time step\.$"),
        ((-1, 2), r"^The span 0–2 is outside the sequence \(10 time steps\)\. Choose another span\.$"),
        ((4, 11), r"^The span 5–11 is outside the sequence \(10 time steps\)\. Choose another span\.$"),
    ],
)
def test_a_span_that_is_none(span, sentence):
    with pytest.raises(Problem, match=sentence):
        span_selectivity(np.zeros((10, 2)), *span)


def test_a_threshold_that_is_none():
    with pytest.raises(Problem, match="finite"):
        span_selectivity(np.zeros((10, 2)), 0, 2, float("nan"))


# Comparison


def test_two_runs_on_one_axis():
    first, second = waves(20, 4), waves(26, 4)
    second[7:] += 0.5
    found = compare_states(first, second)
    assert found.first_difference == 7 and found.steps == (20, 26)
    np.testing.assert_array_equal(found.difference, second[:20] - first)
    np.testing.assert_allclose(found.distance, [np.linalg.norm(row) for row in second[:20] - first], rtol=1e-6)
    assert compare_states(first, first).first_difference is None
    with pytest.raises(Problem, match=r"4 and 3 units"):
        compare_states(first, first[:, :3])


# Detail


def test_detail_is_mean_lowest_and_highest_of_each_block():
    values = np.random.default_rng(0).normal(size=(53, 17)).astype(np.float32)
    shuffled = np.random.default_rng(1).permutation(17)
    found = downsample(values, 60, order=shuffled)
    t, h = found.mean.shape
    assert t * h <= 60 and not found.exact and found.nbytes == 3 * 4 * t * h
    assert (
        found.step_edges[0] == 0
        and found.step_edges[-1] == 53
        and found.unit_edges[0] == 0
        and found.unit_edges[-1] == 17
    )
    for i in range(t):
        for j in range(h):
            units = shuffled[found.unit_edges[j] : found.unit_edges[j + 1]]
            block = values[found.step_edges[i] : found.step_edges[i + 1]][:, units]
            assert block.size
            assert found.mean[i, j] == pytest.approx(block.mean(dtype=np.float64), rel=1e-5)
            assert (found.low[i, j], found.high[i, j]) == (block.min(), block.max())


def test_a_window_that_fits_is_exact():
    values = waves(5000, 12)
    shuffled = np.random.default_rng(1).permutation(12)
    found = downsample(values, 1000, slice(2000, 2100), slice(2, 12), shuffled)
    assert found.exact and found.nbytes == 4000
    expected = values[2000:2100][:, shuffled[2:12]]
    for part in (found.mean, found.low, found.high):
        np.testing.assert_array_equal(part, expected)
    assert found.step_edges.tolist() == list(range(2000, 2101)) and found.unit_edges.tolist() == list(range(2, 13))
    np.testing.assert_array_equal(found.units, shuffled[2:12])


def test_a_spike_is_never_lost_and_what_is_no_number_is_not_hidden():
    values = np.zeros((9999, 33), np.float32)
    values[7777, 21], values[1234, 5] = 5, -3
    found = downsample(values, 500)
    assert found.high.max() == 5 and found.low.min() == -3
    values[3, 3] = np.nan
    assert np.isnan(downsample(values, 500).mean).sum() == 1


def test_long_and_wide_recordings_take_little_memory():
    values = np.zeros((10_000, 1024), np.float32)
    tracemalloc.start()
    found = downsample(values, 50_000, order=np.arange(1024)[::-1])
    order_units(values, "variance")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.nbytes <= 600_000 and peak < values.nbytes


@pytest.mark.parametrize("steps", [1, 7, 83, 10_000])
@pytest.mark.parametrize("units", [1, 8, 128, 4096])
@pytest.mark.parametrize("cells", [1, 100, 60_000])
def test_blocks_keep_within_their_number(steps, units, cells):
    t, h = block_counts(steps, units, cells)
    assert 1 <= t <= steps and 1 <= h <= units and t * h <= cells
    assert t * h >= min(steps * units, cells) / 2 or cells == 100  # and use it


def test_an_empty_window():
    with pytest.raises(Problem, match=r"^The selection contains no time steps or no units\. Select a larger part\.$"):
        downsample(waves(), 100, slice(50, 50))
