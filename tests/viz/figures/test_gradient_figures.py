"""The figures of the Gradients lens: what is in them is what was handed in."""

import numpy as np
import plotly.graph_objects as go
import pytest
import torch

from models import capture, load_network
from models.core.local_derivatives import activation_slopes
from models.core.stepwise_modules import StepwiseLSTM
from models.gradients.jacobian import jacobian_norm_bounds, lyapunov_spectrum, recurrent_spectrum, singular_values
from models.gradients.losses import Loss, differentiate
from viz.figures.activation_slope_curves import activation_slope_curves
from viz.figures.clipped_steps import clipped_steps
from viz.figures.gradient_bounds import gradient_bounds
from viz.figures.gradient_comparison import gradient_comparison
from viz.figures.gradient_norms import gradient_norms
from viz.figures.jacobian_singular_values import jacobian_singular_values
from viz.figures.lyapunov import lyapunov
from viz.figures.weight_steps import weight_steps

TEXT = "Moscow greets me. It rained. I am travelling in"
LABELS = tuple(load_network("recall-rnn").labels(TEXT))


def layer_of(name: str):
    return differentiate(load_network(name), TEXT, Loss("answer")).trace.layers["rnn.l0"]


def values(figure: go.Figure, name: str) -> np.ndarray:
    trace = next(each for each in figure.data if each.name and name in each.name)
    return np.array([np.nan if value is None else value for value in trace.y], dtype=float)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_norms_keep_their_place_whatever_they_are(theme):
    norms = {"hidden": np.array([0.0, 1e-20, np.nan, np.inf, 2.0, 1.0, 0.0]), "cell": np.ones(7)}
    figure = gradient_norms(norms, list("abcdefg"), loss_step=5, theme=theme)
    shown = values(figure, "hidden")
    assert shown[[1, 4, 5]].tolist() == [1e-20, 2.0, 1.0]
    assert np.isnan(shown[[0, 2, 3, 6]]).all()  # 0 has a cross of its own; what comes after the loss has nothing
    infinite, crosses = (each for each in figure.data if each.mode == "markers")
    assert list(crosses.x) == [0] and crosses.marker.symbol == "x-thin-open"
    assert list(infinite.x) == [3] and list(infinite.marker.symbol) == ["triangle-up"]
    assert infinite.customdata[0][0] == "∞" and infinite.y[0] == 2.0
    low, high = figure.layout.yaxis.range
    assert low < np.log10(1e-20) and high > np.log10(2)


def test_a_comparison_is_in_shares_of_the_last_step_on_an_axis_that_can_stand_still():
    norms = {"RNN": np.array([1e-9, 0.5, 2.0]), "LSTM": np.array([1.0, 2.0, 4.0]), "GRU": np.array([1.0, 1.0, 0.0])}
    figures = [gradient_comparison(norms, list("abc"), lowest=1e-14, highest=high) for high in (1e6, 1e6)]
    assert values(figures[0], "RNN") == pytest.approx([5e-10, 0.25, 1])
    assert np.isnan(values(figures[0], "GRU")).all()  # of nothing there is no share
    assert figures[0].layout.yaxis.range == figures[1].layout.yaxis.range


def unusual(**options):
    """A layer of Keras's kind."""
    torch.manual_seed(0)
    module = StepwiseLSTM(3, 4, batch_first=True, **options)
    with capture(module) as trace:
        module(3 * torch.randn(1, len(LABELS), 3))
    return trace.layers["l0"]


@pytest.mark.parametrize(
    ("make", "titles"),
    [
        (lambda: layer_of("recall-rnn"), ["derivative of tanh (at most 1)"]),
        (lambda: layer_of("recall-lstm"), ["derivative of tanh (at most 1)", "derivative of σ (at most ¼)"]),
        (lambda: layer_of("recall-gru"), ["derivative of tanh (at most 1)", "derivative of σ (at most ¼)"]),
        (
            lambda: unusual(activation="relu", recurrent_activation="hard_sigmoid"),
            ["derivative of relu (0 or 1)", "derivative of hard σ (0 or 0.2)"],
        ),
        (lambda: unusual(activation="sigmoid"), ["derivative of σ (at most ¼)"]),
    ],
    ids=["rnn", "lstm", "gru", "relu and hard sigmoid", "one for all"],
)
def test_slopes_stay_below_the_bounds_that_are_drawn(make, titles):
    layer = make()
    slopes = {gate: each[0] for gate, each in activation_slopes(layer).items()}
    activations = layer.cell_equations.activations
    figure = activation_slope_curves(slopes, LABELS, activations=activations)
    axes = [axis.title.text.replace("<br>", " ") for axis in figure.select_yaxes()]
    assert axes == titles
    for gate, each in slopes.items():
        assert 0 < each.max() <= activations[gate].max_slope * (1 + 1e-6)
    curves = [curve for curve in figure.data if "maximum" not in curve.name]
    assert len(curves) == len(slopes)
    bounds = [shape.y0 for shape in figure.layout.shapes]
    for curve in figure.data:
        place = 0 if curve.yaxis in (None, "y") else int(curve.yaxis[1:]) - 1
        assert np.nanmax(np.array(curve.y, dtype=float)) <= bounds[place] * (1 + 1e-6)


@pytest.mark.parametrize("name", ["recall-rnn", "recall-lstm", "recall-gru"])
def test_what_happened_is_below_what_was_promised(name):
    layer = layer_of(name)
    found = np.linalg.norm(layer.hidden_grad[0].astype(float), axis=-1)
    stretch = singular_values(layer, joint=True)
    assert (stretch[:, 0] <= jacobian_norm_bounds(layer)[0] * (1 + 1e-5)).all()
    back = np.concatenate([[1.0], np.cumprod(stretch[::-1, 0].astype(float))[:-1]])[::-1] * found[-1]
    assert (found <= back * (1 + 1e-5)).all()
    promised = {"steps": back}
    if layer.kind == "RNN":
        norm = recurrent_spectrum(layer.weights)["preactivation"].norm
        promised["weights"] = found[-1] * norm ** np.arange(len(found))[::-1]
        assert (back <= promised["weights"] * (1 + 1e-5)).all()
    figure = gradient_bounds(found, promised, LABELS)
    assert values(figure, "actual gradient norm") == pytest.approx(found)
    assert len(jacobian_singular_values(stretch, jacobian_norm_bounds(layer)[0], LABELS).data) == 4
    exponents = lyapunov_spectrum(layer)
    assert values_of_only(lyapunov(exponents)) == pytest.approx(exponents)


def test_a_curve_that_lies_below_the_axis_says_so():
    stretch = np.outer(np.ones(len(LABELS)), [2.0, 0.5, 1e-12])
    names = [curve.name.replace("<br>", " ") for curve in jacobian_singular_values(stretch, None, LABELS).data]
    assert names == [
        "largest singular value",
        "median singular value",
        "smallest singular value (below the axis range)",
    ]
    assert jacobian_singular_values(stretch[:, :2], None, LABELS).data[-1].name == "smallest singular value"


def values_of_only(figure: go.Figure) -> np.ndarray:
    (trace,) = figure.data
    return np.array(trace.y, dtype=float)


def test_stacked_steps_add_up_to_the_gradients_norm():
    layer = layer_of("recall-lstm")
    found = layer.gradients
    inner = found.per_step_inner_products("weight_hh").astype(float)
    parts = inner / np.sqrt(inner.sum())
    figure = weight_steps(parts, layer.weights.cell.gates, LABELS)
    total = sum(np.array(trace.y, dtype=float).sum() for trace in figure.data)
    assert total == pytest.approx(np.linalg.norm(found.per_step("weight_hh").sum(axis=0)), rel=1e-5)
    left, cut = clipped_steps(parts.sum(axis=1), 0.25, LABELS).data
    assert np.array(left.y) == pytest.approx(3**-1 * np.array(cut.y))
