"""The figures of the Checkpoint lens: what they draw is what they were given."""

import numpy as np
import pytest
import torch
from torch import nn

from models.checkpoints.health import check_units, distributions, forget_biases, weight_spectra
from models.checkpoints.health.compare_checkpoints import measure_change
from models.core.weights import LayerWeights
from viz.figures.eigenvalue_plot import eigenvalue_plot
from viz.figures.forget_bias_plot import forget_bias_plot
from viz.figures.precision_drift import precision_drift
from viz.figures.unit_weight_norms import unit_weight_norms
from viz.figures.weight_histograms import weight_histograms
from viz.figures.weights_moved import weights_moved
from viz.i18n import use_language

THEMES = ("light", "dark")


@pytest.fixture(scope="module")
def weights():
    torch.manual_seed(0)
    module = nn.LSTM(3, 6)
    return LayerWeights("LSTM", *(values.detach().numpy() for values in module.parameters()))


def dots(figure):
    return [
        trace
        for trace in figure.data
        if trace.mode and "markers" in trace.mode and trace.x is not None and len(trace.x)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("log", [False, True])
def test_every_array_and_gate_has_its_histogram(weights, theme, log):
    found = distributions(weights)
    figure = weight_histograms(found, log=log, theme=theme)
    assert len(figure.data) == 16
    for bars, block in zip(figure.data, (block for blocks in found.values() for block in blocks.values()), strict=True):
        np.testing.assert_allclose(np.array(bars.y) * block.size, block.counts)
        assert sum(bars.y) == pytest.approx(1)


@pytest.mark.parametrize(("scale", "end"), [(0.46, 0.4), (1.0, 1.0), (7.3e-5, 7e-5), (250.0, 200.0)])
def test_every_histogram_says_how_far_it_reaches(weights, scale, end):
    arrays = {name: scale * values / np.abs(values).max() for name, values in weights.arrays().items()}
    figure = weight_histograms(distributions(LayerWeights(weights.kind, **arrays)))
    for axis in figure.select_xaxes():
        assert axis.tickvals == pytest.approx((-end, 0, end)) and -axis.range[0] == axis.range[1] >= end


@pytest.mark.slow
def test_an_array_without_a_finite_number_has_a_histogram_that_says_so(weights):
    nothing = np.full((24, 6), np.nan, np.float32)
    broken = LayerWeights("LSTM", weights.weight_ih, nothing, weights.bias_ih, weights.bias_hh)
    for lang, words in (("en", "no finite values"), ("ko", "유한한")):
        with use_language(lang):
            notes = [note.text for note in weight_histograms(distributions(broken)).layout.annotations]
        assert sum(words in note for note in notes) == 4


@pytest.mark.parametrize("theme", THEMES)
def test_every_unit_has_its_bias_and_how_open_it_holds_the_gate(weights, theme):
    biases = forget_biases(weights)
    through = weights.cell.activations["forget_gate"]
    figure = forget_bias_plot(biases, "forget_gate", through, unit=2, theme=theme)
    units, ring = dots(figure)
    np.testing.assert_allclose(units.x, np.sort(biases))
    for (unit, opening), bias in zip(units.customdata, units.x, strict=True):
        assert bias == pytest.approx(biases[int(unit)])
        assert opening == pytest.approx(float(torch.tensor(bias).sigmoid()), abs=1e-6)
    assert ring.x[0] == pytest.approx(biases[2])


@pytest.mark.parametrize("biases", [np.linspace(0, 0.4, 24), np.linspace(-1, 0.2, 24), np.linspace(0.05, 2, 24)])
def test_the_label_of_half_open_gates_covers_no_dot(weights, biases):
    figure = forget_bias_plot(biases, "forget_gate", weights.cell.activations["forget_gate"])
    label = next(each for each in figure.layout.annotations if "0.5" in each.text)
    units, (low, high) = dots(figure)[0], figure.layout.xaxis.range
    width = 0.15 * (high - low)  # 150 of 1,000 pixels
    left, right = (0, width) if label.xanchor == "left" else (-width, 0)
    rows = (0, 2.5) if label.y == 0 else (22.5, 25)
    covered = [left <= x <= right and rows[0] <= y <= rows[1] for x, y in zip(units.x, units.y, strict=True)]
    assert not any(covered)


@pytest.mark.parametrize("theme", THEMES)
def test_the_planes_hold_all_eigenvalues_and_the_circle(weights, theme):
    found = {gate: each.eigenvalues for gate, each in weight_spectra(weights).items()}
    figure = eigenvalue_plot(found, theme=theme)
    circles = [trace for trace in figure.data if trace.mode == "lines"]
    assert len(circles) == 4 and all(np.allclose(np.hypot(each.x, each.y), 1) for each in circles)
    for trace, values in zip(dots(figure), found.values(), strict=True):
        np.testing.assert_allclose(np.array(trace.x) + 1j * np.array(trace.y), values)
        np.testing.assert_allclose(trace.customdata, np.abs(values))
    spans = {tuple(axis.range) for axis in figure.select_xaxes()}
    assert len(spans) == 1 and next(iter(spans))[1] > 1  # one scale, and the circle is within it


def test_units_that_are_marked_are_drawn_apart(weights):
    reads, read = np.arange(6.0), np.arange(6.0)[::-1]
    figure = unit_weight_norms(reads, read, "LSTM", {"dead": (0, 5), "double": ()})
    plain, marked = dots(figure)
    assert list(plain.customdata) == [1, 2, 3, 4] and list(marked.customdata) == [0, 5]
    assert list(marked.text) == ["0", "5"] and list(marked.x) == [0, 5] and marked.name == "dead"
    assert check_units(weights).no_incoming == ()


def test_units_at_one_place_are_named_together():
    figure = unit_weight_norms(np.array([1.0, 1, 2, 1]), np.array([3.0, 3, 3, 3]), "GRU", {"double": (0, 1, 2, 3)})
    (marked,) = [trace for trace in figure.data if trace.name == "double"]
    assert list(marked.text) == ["0, 1, 3", "", "2", ""]


@pytest.mark.parametrize("theme", THEMES)
def test_every_format_has_its_curve(theme):
    distances = {"float32": np.array([0.0, 1e-8]), "tf32": np.array([1e-4, 2e-4]), "bfloat16": np.array([0.1, np.nan])}
    figure = precision_drift(distances, ["a", "b"], theme=theme)
    curves = {trace.name: trace for trace in figure.data if trace.mode != "markers"}
    np.testing.assert_array_equal(curves["TF32"].y, [1e-4, 2e-4])
    np.testing.assert_array_equal(curves["bfloat16"].y, [0.1, np.nan])
    (zero,) = [trace for trace in figure.data if trace.mode == "markers"]
    assert list(zero.x) == [0] and zero.name == "float32"


def test_a_bar_is_what_moved(weights):
    before, after = weights.rows("weight_hh", "candidate"), weights.rows("weight_hh", "candidate") + 0.5
    found = [
        measure_change(before, after, "l0", "weight_hh", "candidate"),
        measure_change(before, before, "l0", "weight_ih", "candidate"),
    ]
    (bars,) = weights_moved(found).data
    assert list(bars.x) == ["weight_hh", "weight_ih"] and bars.y[1] == 0
    assert bars.y[0] == pytest.approx(np.linalg.norm(after - before) / np.linalg.norm(before))
