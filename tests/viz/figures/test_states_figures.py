"""The figures of the States lens: what they draw is what they were given."""

import numpy as np
import plotly.graph_objects as go
import pytest
import torch
from torch import nn

from models import capture
from models.states.compare_states import compare_states
from models.states.forward_sensitivity import forward_sensitivity
from models.states.gate_retention import half_life, retention_gate
from models.states.input_sensitivity import input_sensitivity
from models.states.saturation import gate_saturations
from viz.figures.curves import MAX_POINTS, add_curve
from viz.figures.half_life_plot import half_life_plot
from viz.figures.padding_curves import padding_curves
from viz.figures.saturation_scatter import saturation_scatter
from viz.figures.selective_units import selective_units
from viz.figures.sensitivity_map import sensitivity_map
from viz.figures.state_distance import state_distance
from viz.figures.unit_stack import unit_stack
from viz.i18n import use_language

LABELS = tuple("abcdefghijkl")


@pytest.fixture(scope="module")
def layer():
    torch.manual_seed(0)
    with torch.no_grad(), capture(module := nn.LSTM(3, 5, batch_first=True)) as trace:
        module(torch.randn(1, len(LABELS), 3))
    return trace.layers["l0"]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_curves_are_the_units_own(layer, theme):
    figure = unit_stack(layer.cell[0], [3, 1], "cell", LABELS, step=4, theme=theme)
    for curve, unit in zip(figure.data, (3, 1), strict=True):
        np.testing.assert_allclose(curve.y, layer.cell[0][:, unit])
    assert figure.layout.shapes and list(figure.data[0].customdata[2]) == [3, "c"]


def test_a_long_curve_is_small_and_keeps_its_spike():
    values = np.zeros((30_000, 1), np.float32)
    values[12_345] = 7
    figure = unit_stack(values, [0], "cell", [str(step) for step in range(len(values))])
    assert all(len(curve.x) <= MAX_POINTS for curve in figure.data)
    assert max(np.max(curve.y) for curve in figure.data) == 7  # the upper edge of the band
    assert len(figure.to_json()) < 200_000


def test_a_unit_without_a_number_is_an_empty_panel_that_says_so():
    figure = unit_stack(np.full((6, 2), np.nan, np.float32), [0], "hidden", LABELS[:6])
    assert "no finite values" in [note.text for note in figure.layout.annotations]
    with use_language("ko"):
        figure = unit_stack(np.full((6, 2), np.nan, np.float32), [0], "hidden", LABELS[:6])
    assert "no finite values" not in [note.text for note in figure.layout.annotations]


def test_saturation_has_a_dot_for_every_unit_and_gate(layer):
    found = gate_saturations(layer)
    figure = saturation_scatter(found, unit=2)
    for curve, held in zip(figure.data, found.values(), strict=False):
        np.testing.assert_allclose(curve.x, held.left)
        np.testing.assert_allclose(curve.y, held.right)


def test_half_lives_are_sorted_and_infinite_ones_are_at_the_top(layer):
    steps = half_life(retention_gate(layer))
    figure = half_life_plot(steps, "forget_gate", unit=0, length=12)
    np.testing.assert_allclose(figure.data[0].y, np.sort(steps))
    steps[1], steps[2] = np.inf, np.nan
    figure = half_life_plot(steps, "forget_gate", unit=1, length=12)
    assert len(figure.data[0].y) == 4 and figure.data[0].customdata[-1][1] == "∞"
    assert np.isfinite(figure.data[0].y).all()


def test_the_sequence_length_is_named_at_its_own_line(layer):
    figure = half_life_plot(half_life(retention_gate(layer)), "forget_gate", unit=0, length=12)
    (note,), (line,) = figure.layout.annotations, figure.layout.shapes
    assert note.text == "sequence length" and line.y0 == 12
    low, high = figure.layout.yaxis.range
    assert (
        note.y == pytest.approx(np.log10(12)) and low < note.y < high
    )  # on a log axis notes are placed by the logarithm


def test_a_value_alone_among_unknown_ones_is_a_dot():
    values = np.array([[0.5, np.nan], [np.nan, 1], [1, 2], [2, np.nan]], np.float32)
    alone, line = (each for each in unit_stack(values, [0, 1], "cell", LABELS[:4]).data if "lines" in each.mode)
    assert "markers" in alone.mode and "markers" not in line.mode
    assert "markers" in unit_stack(values[:1], [0], "cell", LABELS[:1]).data[0].mode


def test_values_that_are_not_finite_are_marked_at_the_edge_of_the_others():
    values = np.array([[1], [np.nan], [np.inf], [-np.inf], [3]], np.float32)
    (marks,) = (each for each in unit_stack(values, [0], "cell", LABELS[:5]).data if each.mode == "markers")
    assert list(marks.x) == [1, 2, 3] and list(marks.y) == [3, 3, 1]
    assert [told[0] for told in marks.customdata] == ["NaN", "∞", "−∞"]
    long = np.zeros((4000, 1), np.float32)
    long[1234] = np.nan
    (marks,) = (each for each in unit_stack(long, [0], "cell", [""] * 4000).data if each.mode == "markers")
    (place,) = (told[1] for told in marks.customdata)
    first, last = map(int, place.split("–"))
    assert first <= 1235 <= last and last - first < 20
    finite = unit_stack(np.zeros((4000, 1), np.float32), [0], "cell", [""] * 4000).data
    assert not [each for each in finite if each.mode == "markers"]


def test_the_ink_is_the_survival_and_its_shares(layer):
    found = input_sensitivity(layer, [9])
    whole = found.total[0].astype(float)
    whole[10:] = np.nan
    figure = sensitivity_map(whole, found.carry_path[0], LABELS, step=9)
    ink = figure.data[0]
    np.testing.assert_allclose(ink.z[1][:10], whole[:10] / np.nanmax(whole), rtol=1e-6)
    np.testing.assert_allclose(figure.data[1].y[:10], whole[:10].tolist(), rtol=1e-6)
    assert {note.text for note in figure.layout.annotations} >= set(LABELS[:9])


def test_the_ink_of_one_input_is_its_reach(layer):
    found = forward_sensitivity(layer, 3)
    figure = sensitivity_map(
        np.where(np.arange(12) < 3, np.nan, found.total), found.carry_path, LABELS, step=3, forward=True
    )
    np.testing.assert_allclose(figure.data[1].y[3:], found.total[3:].tolist(), rtol=1e-6)
    assert figure.layout.xaxis2.title.text.replace("<br>", " ") == "time step of the state (token)"


def test_a_comparison_draws_both_runs_and_what_is_between_them(layer):
    first, second = layer.hidden[0], layer.hidden[0][:9] * 2
    found = compare_states(first, second)
    figure = state_distance([("a", first, LABELS), ("b", second, LABELS[:9])], found, unit=1, title="hidden")
    np.testing.assert_allclose(figure.data[0].y, first[:, 1])
    np.testing.assert_allclose(figure.data[1].y, second[:, 1])
    np.testing.assert_allclose(figure.data[2].y, found.difference[:, 1])
    np.testing.assert_allclose(figure.data[3].y, found.distance)
    assert (
        len(state_distance([("a", first, LABELS), ("b", second[:, :3], LABELS[:9])], None, unit=1, title="h").data) == 2
    )


def test_padding_is_shaded_and_both_ends_are_marked(layer):
    read = layer.hidden[0][:, 0]
    figure = padding_curves(read[:8], read, LABELS, reverse=False, title="hidden")
    assert (figure.layout.shapes[0].x0, figure.layout.shapes[0].x1) == (7.5, 11.5)
    assert [curve.x[0] for curve in figure.data if curve.mode == "markers"] == [7, 11]
    figure = padding_curves(read[:8], read, LABELS, reverse=True, title="hidden")
    assert [curve.x[0] for curve in figure.data if curve.mode == "markers"] == [0, 0]


def test_the_brush_fills_where_a_unit_is_on():
    on = np.zeros((12, 2), bool)
    on[3:5, 0] = on[7, 1] = True
    figure = selective_units(on, [4, 2], (3, 5), LABELS, quantity="hidden")
    np.testing.assert_array_equal(np.array(figure.data[0].z), on.T)
    assert (figure.layout.shapes[0].x0, figure.layout.shapes[0].x1) == (2.5, 4.5)
    long = np.zeros((50_000, 1), bool)
    long[31_000] = True
    figure = selective_units(long, [0], (0, 3), [""] * len(long), quantity="hidden")
    assert np.array(figure.data[0].z).sum() == 1 and len(figure.data[0].x) <= 1200


@pytest.mark.parametrize("count", [1, 2, 4])
def test_a_curve_is_not_drawn_with_the_labels_of_another_sequence(count):
    with pytest.raises(ValueError, match=f"{count} labels for 3 steps"):
        add_curve(go.Figure(), np.ones(3), ["a"] * count, name="h", colour="#123456")
