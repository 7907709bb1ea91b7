"""Number formats, against torch's own modules in those formats, and against numbers printed elsewhere."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from models.core.weights import LayerWeights
from models.networks.precision import FORMATS, round_to_tf32, stack_states_by_format, states_by_format

NOTES = np.array(
    [[0.1, 4.2, 1.5, 1.1, 2.8], [1.0, 3.1, 2.5, 0.7, 1.1], [0.3, 2.1, 1.5, 2.1, 0.1], [2.2, 1.4, 0.5, 0.9, 1.1]],
    dtype=np.float32,
)


def notes():
    """Either direction of Keras's Bidirectional(LSTM(3)) with both kernels 0.1: the forget bias is 1, all others 0."""
    bias = np.zeros(12, np.float32)
    bias[3:6] = 1
    tenth = {"weight_ih": np.full((12, 5), 0.1, np.float32), "weight_hh": np.full((12, 3), 0.1, np.float32)}
    return LayerWeights("LSTM", **tenth, bias_ih=bias, bias_hh=np.zeros(12, np.float32))


PRINTED = {
    False: [0.35896602, 0.5509713, 0.5910032, 0.6301636],
    True: [0.7037439, 0.5884772, 0.39501813, 0.21932526],
}


@pytest.mark.parametrize("reverse", [False, True])
def test_the_printed_arrays_of_the_study_notes_are_tf32(reverse):
    hidden = states_by_format(notes(), NOTES, reverse=reverse).states["tf32"]["hidden"]
    np.testing.assert_allclose(hidden, np.repeat(PRINTED[reverse], 3).reshape(4, 3), rtol=0, atol=2e-7)


def test_their_summary_is_float32():
    assert states_by_format(notes(), NOTES).states["float32"]["hidden"][-1, 0] == pytest.approx(0.6303139, abs=1e-6)
    back = states_by_format(notes(), NOTES, reverse=True).states["float32"]["hidden"]
    assert back[0, 0] == pytest.approx(0.70387346, abs=1e-6)


def test_tf32_rounds_to_ten_bits_ties_away_from_zero():
    one = 2.0**-10
    given = [1 + one / 2, 1 + one * 0.49, 1 + one * 1.5, -1 - one / 2, 2 - one / 4, 0.0, 2.0**-130]
    expected = [1 + one, 1, 1 + 2 * one, -1 - one, 2, 0.0, 2.0**-130]
    assert round_to_tf32(torch.tensor(given)).tolist() == expected
    special = round_to_tf32(torch.tensor([float("nan"), float("inf"), float("-inf"), torch.finfo(torch.float32).max]))
    assert special[0].isnan() and special[1:].tolist() == [float("inf"), float("-inf"), float("inf")]
    values = torch.randn(1000)
    mantissa, _ = torch.frexp(round_to_tf32(values))
    assert (mantissa * 2**11 == (mantissa * 2**11).round()).all()
    assert ((round_to_tf32(values) - values).abs() <= values.abs() * 2.0**-11).all()


CELLS = {"LSTM": nn.LSTM, "GRU": nn.GRU, "RNN": nn.RNN}


def stack(kind, dtype=torch.float32, **options):
    torch.manual_seed(0)
    module = CELLS[kind](3, 5, num_layers=2, bidirectional=True, batch_first=True, **options)
    levels = []
    for level in range(2):
        layers = []
        for end in ("", "_reverse"):
            names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")
            suffix = f"_l{level}{end}"
            own = {n: getattr(module, n + suffix).detach().clone() for n in names if hasattr(module, n + suffix)}
            layers.append(LayerWeights(kind, **own))
        levels.append(layers)
    return module.to(dtype), levels


@pytest.mark.parametrize(("kind", "options"), [(kind, {"bias": bias}) for kind in CELLS for bias in (True, False)])
@pytest.mark.parametrize(
    ("format", "tolerance"), [("float64", 1e-12), ("float32", 1e-6), ("bfloat16", 2e-2), ("float16", 3e-3)]
)
def test_every_format_is_torchs(kind, format, tolerance, options):
    """Within a few units of the last place: torch adds up in another order."""
    dtype = getattr(torch, format)
    module, levels = stack(kind, dtype, **options)
    x = torch.randn(12, 3)
    with torch.inference_mode():
        expected = module(x.to(dtype)[None])[0][0].double().numpy()
    found = stack_states_by_format(levels, x.numpy(), [format])[-1]
    hidden = np.concatenate([each.states[format]["hidden"] for each in found], axis=1)
    np.testing.assert_allclose(hidden, expected, rtol=0, atol=tolerance)


def test_what_a_format_holds_it_holds():
    """Every state in bfloat16 is a bfloat16 number, and so on; in TF32 states are float32, which bfloat16 could not hold."""
    _, ((weights, _), _) = stack("LSTM")
    found = states_by_format(weights, np.random.default_rng(0).normal(size=(9, 3)))
    for format in ("bfloat16", "float16", "float32"):
        for values in found.states[format].values():
            held = torch.tensor(values).to(getattr(torch, format)).double().numpy()
            np.testing.assert_array_equal(held, values)
    values = torch.tensor(found.states["tf32"]["hidden"])
    assert (values == values.float().double()).all() and (values != round_to_tf32(values.float()).double()).any()


def test_coarser_formats_drift_further():
    _, ((weights, _), _) = stack("LSTM")
    found = states_by_format(weights, np.random.default_rng(0).normal(size=(60, 3)))
    mean = {format: found.distance(format).mean() for format in FORMATS}
    assert 0 < mean["float32"] < 1e-6 < mean["tf32"] < 1e-3 < mean["bfloat16"] < 0.1
    assert mean["float32"] < mean["float16"] < mean["bfloat16"]
    np.testing.assert_allclose(
        found.distance("tf32"),
        [np.linalg.norm(found.states["tf32"]["hidden"][t] - found.states["float64"]["hidden"][t]) for t in range(60)],
    )
    assert found.distance("float64").max() == 0
    assert found.distance("bfloat16", "cell", "float32").shape == (60,)


def test_a_state_that_float16_cannot_hold_is_infinite():
    weights = LayerWeights("RNN", np.ones((1, 1)), np.full((1, 1), 2.0), nonlinearity="relu")
    found = states_by_format(weights, np.ones((20, 1), np.float32))
    assert np.isinf(found.states["float16"]["hidden"][-1]) and np.isfinite(found.states["bfloat16"]["hidden"]).all()
    assert found.states["float64"]["hidden"][-1, 0] == 2**20 - 1


@pytest.mark.filterwarnings("ignore:LSTM with projections")
def test_a_projection_is_a_product_too():
    module, levels = stack("LSTM", proj_size=2)
    x = torch.randn(7, 3)
    hidden = np.concatenate(
        [each.states["float32"]["hidden"] for each in stack_states_by_format(levels, x.numpy())[-1]], axis=1
    )
    np.testing.assert_allclose(hidden, module(x[None])[0][0].detach(), rtol=0, atol=1e-6)


@pytest.mark.parametrize("given", [np.zeros((4, 2)), np.zeros(3), np.zeros((0, 3))])
def test_what_does_not_fit_is_refused(given):
    _, ((weights, _), _) = stack("GRU")
    with pytest.raises(ValueError, match=r"the layer reads \(steps, 3\)"):
        states_by_format(weights, given)
