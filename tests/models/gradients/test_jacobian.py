"""Step Jacobians, their bounds and Lyapunov exponents against autograd and closed forms."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from models import LayerWeights, capture
from models.core.gate_evaluation import previous_states
from models.core.local_derivatives import activation_slopes, local_derivatives
from models.core.recording import Recording
from models.core.trace import LayerTrace
from models.gradients.jacobian import (
    jacobian_norm_bounds,
    lyapunov_spectrum,
    recurrent_spectrum,
    singular_values,
    step_jacobians,
    vanishing_condition,
)
from tests.models.gradients.test_gradient_map import KINDS, TOLERANCE, case
from tests.support import oracle


def traced(kind, dtype=torch.float64, **options):
    module, x, _ = case(kind, dtype, **options)
    with capture(module) as trace, torch.no_grad():
        module(x)
    return module, trace.layers


def reset_before(steps=7, units=5, inputs=3):
    """A GRU that resets before the product, as older Keras has it; torch has none."""
    torch.manual_seed(0)
    shapes = {"weight_ih": (15, inputs), "weight_hh": (15, units), "bias_ih": (15,), "bias_hh": (15,)}
    tensors = {name: 0.5 * torch.randn(shape, dtype=torch.float64) for name, shape in shapes.items()}
    weights = LayerWeights("GRU", **{name: values.numpy() for name, values in tensors.items()}, reset_after=False)
    x = torch.randn(1, steps, inputs, dtype=torch.float64)
    start = torch.zeros(units, dtype=torch.float64)
    hidden = oracle.layer("GRU", tensors, x[0], (start,), reset_after=False)["hidden"][None]
    layer = LayerTrace("l0", weights, Recording(x, hidden, previous_states(hidden, start[None], False, None)))
    return layer, tensors, x


def by_autograd(layer, weights, sequence, joint, **options):
    """[t] = d(h_t, c_t) / d(h_{t-1}, c_{t-1}) of the documented equations."""
    found = []
    for t in range(layer.shape[1]):
        state = [torch.tensor(layer.hidden_prev[sequence, t])]
        if layer.kind == "LSTM":
            state.append(torch.tensor(layer.cell_prev[sequence, t]))
        x = torch.tensor(layer.input[sequence, t])

        def after(*state, x=x):
            values = oracle.step(layer.kind, weights, x, state, **options)
            return tuple(values[name] for name in ("hidden", "cell")[: len(state)])

        blocks = torch.autograd.functional.jacobian(after, tuple(state))
        if len(state) == 1 or not joint:
            found.append(blocks[0][0])
        else:
            found.append(torch.cat([torch.cat(row, dim=1) for row in blocks]))
    return torch.stack(found).numpy()


@pytest.mark.slow
@pytest.mark.parametrize("joint", [False, True])
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_jacobians_are_autograds(kind, dtype, joint):
    module, layers = traced(kind, dtype, num_layers=2, bidirectional=True)
    for name in ("l0", "l1_reverse"):
        weights = oracle.weights_of(module, f"_{name}")
        expected = by_autograd(layers[name], weights, 1, joint, **layers[name].weights.options)
        found = step_jacobians(layers[name], 1, joint)
        np.testing.assert_allclose(found, expected, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])
        values = np.linalg.svd(expected, compute_uv=False)
        np.testing.assert_allclose(singular_values(layers[name], 1, joint), values, atol=10 * TOLERANCE[dtype])
        part, last_bit = step_jacobians(layers[name], 1, joint, slice(3, 5)), torch.finfo(dtype).eps
        np.testing.assert_allclose(part, found[3:5], rtol=last_bit, atol=last_bit)  # products of other sizes


def test_resetting_before_the_product():
    layer, tensors, _ = reset_before()
    expected = by_autograd(layer, tensors, 0, False, reset_after=False)
    np.testing.assert_allclose(step_jacobians(layer), expected, atol=1e-12)
    assert (singular_values(layer)[:, 0] <= jacobian_norm_bounds(layer)[0] + 1e-12).all()


def test_the_map_of_a_gru_that_resets_before_the_product():
    from models.gradients.gradient_map import gradient_map_of

    layer, tensors, x = reset_before()
    loss_grad = torch.randn(1, 7, 5, dtype=torch.float64)
    states, h = [], torch.zeros(5, dtype=torch.float64, requires_grad=True)
    for t in range(7):
        h = oracle.step("GRU", tensors, x[0, t], (h,), reset_after=False)["hidden"]
        states.append(h)
    for stack in ([[layer]], [[layer], [LayerTrace("l1", *_above(layer))]]):
        found = gradient_map_of(stack, loss_grad)["l0"]
        if len(stack) == 1:
            for t in range(7):
                grads = torch.autograd.grad((states[t] * loss_grad[0, t]).sum(), states[: t + 1], retain_graph=True)
                np.testing.assert_allclose(found[0, t, : t + 1], [grad.norm() for grad in grads], atol=1e-12)
        else:
            assert np.isfinite(found).all() and (found[0].diagonal() > 0).all()


def _above(layer):
    """The weights and the recording of a layer of the same kind, which reads ``layer``."""
    tensors = {name: torch.tensor(values) for name, values in layer.weights.arrays().items()}
    tensors["weight_ih"] = torch.randn(15, 5, dtype=torch.float64)
    weights = LayerWeights("GRU", **{name: values.numpy() for name, values in tensors.items()}, reset_after=False)
    x, start = torch.tensor(layer.hidden), torch.zeros(5, dtype=torch.float64)
    hidden = oracle.layer("GRU", tensors, x[0], (start,), reset_after=False)["hidden"][None]
    return weights, Recording(x, hidden, previous_states(hidden, start[None], False, None))


@pytest.mark.parametrize("kind", KINDS)
def test_no_jacobian_reaches_beyond_its_bound(kind):
    for scale in (0.3, 1.0, 4.0):
        module, x, _ = case(kind, batch=1, steps=12)
        with torch.no_grad():
            module.weight_hh_l0 *= scale
        with capture(module) as trace, torch.no_grad():
            module(x)
        layer = trace.layers["l0"]
        bounds = jacobian_norm_bounds(layer)
        assert bounds.shape == (1, 12)
        assert (singular_values(layer, joint=True)[:, 0] <= bounds[0] * (1 + 1e-12)).all()


def test_what_the_weights_alone_say():
    module, x, _ = case("rnn", steps=60)
    nn.init.orthogonal_(module.weight_hh_l0)
    for scale in (0.9, 1.5):
        with torch.no_grad():
            weight = scale * module.weight_hh_l0 / torch.linalg.matrix_norm(module.weight_hh_l0, 2)
            module.weight_hh_l0.copy_(weight)
        with capture(module) as trace:
            module(x)
        layer = trace.layers["l0"]
        said = vanishing_condition(layer.weights)
        assert (said.vanishes, said.may_explode) == (scale < 1, scale > 1) and said.norm == pytest.approx(scale)
        assert recurrent_spectrum(layer.weights)["preactivation"].radius == pytest.approx(scale)
        if said.vanishes:
            product = np.linalg.multi_dot(step_jacobians(layer)[::-1])
            assert np.linalg.norm(product, 2) <= said.norm**60
    flat = replace(layer.weights, nonlinearity="sigmoid")  # whose slope is a quarter at most
    said = vanishing_condition(flat)
    assert said.gamma == 0.25 and said.vanishes and not said.may_explode and said.norm == pytest.approx(1.5)
    with pytest.raises(ValueError, match="a GRU has gates"):
        vanishing_condition(traced("gru")[1]["l0"].weights)


@pytest.mark.parametrize(
    "kind", sorted(set(KINDS) - {"relu", "peepholes", "normed", "normed products", "multiplicative"})
)  # whose zeros make exponents of -inf
def test_lyapunov_exponents(kind):
    _, layers = traced(kind, batch=2, steps=9, bidirectional=True)
    for name in ("l0", "l0_reverse"):
        layer = layers[name]
        jacobians = step_jacobians(layer, 1, joint=True)
        jacobians = jacobians[::-1] if layer.reverse else jacobians
        found = lyapunov_spectrum(layer, 1)
        assert len(found) == jacobians.shape[1] and (np.diff(found) <= 0).all()
        # The exponents' sum is the mean log-volume change, whatever the frame.
        with np.errstate(divide="ignore"):
            volume = np.log(np.abs(np.linalg.det(jacobians))).mean()
        np.testing.assert_allclose(found.sum(), volume, rtol=1e-6)
        np.testing.assert_allclose(lyapunov_spectrum(layer, 1, count=1).shape, (1,))


def test_lyapunov_exponents_of_a_linear_map():
    module, x, _ = case("relu", batch=1, steps=400, units=4, bias=False)
    with torch.no_grad():
        module.weight_hh_l0.copy_(torch.diag(torch.tensor([1.02, 1.0, 0.9, 0.5], dtype=torch.float64)))
        module.weight_ih_l0.fill_(1.0)
    with capture(module) as trace:
        module(x.abs())
    np.testing.assert_allclose(lyapunov_spectrum(trace.layers["l0"]), np.log([1.02, 1.0, 0.9, 0.5]), atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_activation_slopes(kind):
    _, layers = traced(kind)
    layer = layers["l0"]
    for gate, slope in activation_slopes(layer).items():
        most = layer.cell_equations.activations[gate].max_slope
        assert slope.shape == layer.shape and (slope >= 0).all() and (slope <= most).all()
    assert set(local_derivatives(layer).gates) == set(layer.weights.cell.gates)


def test_the_spectrum_of_a_layers_weights_is_computed_once(monkeypatch):
    module = nn.LSTM(3, 4, batch_first=True)
    with capture(module) as trace:
        module(torch.randn(1, 2, 3))
    weights = trace.layers["l0"].weights
    found = recurrent_spectrum(weights)
    assert list(found) == list(weights.cell.gates)
    for gate, each in found.items():
        matrix = torch.from_numpy(weights.rows("weight_hh", gate).copy()).double()
        assert each.norm == pytest.approx(float(torch.linalg.matrix_norm(matrix, 2)))
        assert each.radius == pytest.approx(float(torch.linalg.eigvals(matrix).abs().max()))
    monkeypatch.setattr("models.gradients.jacobian.np.linalg.eigvals", None)
    assert recurrent_spectrum(weights) is found
