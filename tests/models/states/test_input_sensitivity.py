"""How much of each input is in a later state, against autograd in float64."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

from models import Problem, capture
from models.states.forward_sensitivity import forward_sensitivity
from models.states.input_sensitivity import input_sensitivity
from tests.support.unrolled_loop import normed_lstm

KINDS = [
    ("LSTM", {}),
    ("LSTM", {"proj_size": 4}),
    ("LSTM", {"bidirectional": True}),
    ("GRU", {}),
    ("GRU", {"bidirectional": True}),
    ("RNN", {}),
    ("RNN", {"nonlinearity": "relu"}),
    ("normed LSTM", {"norm": 1e-3, "cell_norm": True}),
]
MODULES = {"LSTM": nn.LSTM, "GRU": nn.GRU, "RNN": nn.RNN, "normed LSTM": normed_lstm}
WITHOUT_CARRY = ("RNN", "normed LSTM")


def ran(module: nn.Module, *given):
    with torch.no_grad(), capture(module) as trace:
        module(*given)
    return trace


def autograd(module: nn.RNNBase, x: torch.Tensor, columns: slice) -> np.ndarray:
    """(T, T) norms of d h_t / d x_k."""
    module = module.double()
    given = x.double()
    by_input = torch.autograd.functional.jacobian(lambda v: module(v)[0][0, :, columns], given)[:, :, 0]
    return by_input.square().sum((1, 3)).sqrt().numpy()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:LSTM with projections")
@pytest.mark.parametrize(("kind", "options"), KINDS)
def test_the_whole_is_autograds(kind, options):
    torch.manual_seed(1)
    module = MODULES[kind](5, 8, batch_first=True, **options)
    x = torch.randn(1, 17, 5)
    for name, layer in ran(module, x).layers.items():
        width = layer.weights.output_size
        expected = autograd(module, x, slice(width, None) if layer.reverse else slice(width))
        module.float()
        found = input_sensitivity(layer)
        assert found.total.shape == (17, 17) and found.steps.tolist() == list(range(17)), name
        np.testing.assert_allclose(found.total, expected, rtol=1e-5, atol=1e-30)
        later = np.tril(np.ones((17, 17)), -1) if layer.reverse else np.triu(np.ones((17, 17)), 1)
        assert not found.total[later > 0].any()
        assert (found.carry_path is None) == (kind in WITHOUT_CARRY)


@pytest.mark.filterwarnings("ignore:LSTM with projections")
@pytest.mark.parametrize(("kind", "options"), [each for each in KINDS if each[0] not in WITHOUT_CARRY])
def test_along_the_cell_line_is_what_is_left_without_recurrent_weights(kind, options):
    """With all gates clamped, the cell state path is the only path from step to step."""
    torch.manual_seed(2)
    module = MODULES[kind](5, 8, batch_first=True, **options)
    with torch.no_grad():
        for name, values in module.named_parameters():
            if name.startswith("weight_hh"):
                values.zero_()
    for layer in ran(module, torch.randn(1, 12, 5)).layers.values():
        found = input_sensitivity(layer)
        apart = ~np.eye(12, dtype=bool)  # at t = k an LSTM's input reaches h_t through the output gate too
        np.testing.assert_allclose(found.carry_path[apart], found.total[apart], rtol=1e-5, atol=1e-12)
        if kind == "GRU":
            np.testing.assert_allclose(found.carry_path, found.total, rtol=1e-5, atol=1e-12)


@pytest.mark.filterwarnings("ignore:LSTM with projections")
@pytest.mark.parametrize(("kind", "options"), KINDS)
def test_a_few_steps_at_a_time_tell_the_same(kind, options, monkeypatch):
    """In long runs the local derivatives of a few steps are kept at a time; here of 8, and along the cell line of 1."""
    torch.manual_seed(6)
    module = MODULES[kind](5, 8, batch_first=True, **options)
    packed = pack_padded_sequence(torch.randn(2, 27, 5), torch.tensor([27, 21]), batch_first=True)
    for layer in ran(module, packed).layers.values():
        expected = input_sensitivity(layer, row=1)
        with monkeypatch.context() as short:
            short.setattr("models.gradients.adjoints.STEPS_PER_BLOCK", range(4, 5))
            short.setattr("models.gradients.adjoints.BLOCKS_IN_MEMORY", 2)
            short.setattr("models.states.input_sensitivity.MAX_CARRY_NUMBERS", 1)
            found = input_sensitivity(layer, row=1)
        np.testing.assert_allclose(found.total, expected.total, rtol=1e-5, atol=1e-30)
        if kind not in WITHOUT_CARRY:
            np.testing.assert_allclose(found.carry_path, expected.carry_path, rtol=1e-5, atol=1e-30)


def test_along_the_cell_line_step_by_step():
    torch.manual_seed(3)
    module = nn.LSTM(3, 6, batch_first=True)
    layer = ran(module, 2 * torch.randn(1, 9, 3)).layers["l0"]
    i, f, g, o, c = (layer[name][0].astype(float) for name in layer.quantities[:5])
    before = layer.cell_prev[0]
    blocks = layer.weights.weight_ih.reshape(4, 6, 3).astype(float)
    for t, k in ((8, 0), (5, 5), (7, 3)):
        slopes = (g[k] * i[k] * (1 - i[k]), before[k] * f[k] * (1 - f[k]), i[k] * (1 - g[k] ** 2))
        written = sum(slope[:, None] * block for slope, block in zip(slopes, blocks, strict=False))
        left = np.prod(f[k + 1 : t + 1], axis=0) * o[t] * (1 - np.tanh(c[t]) ** 2)
        assert input_sensitivity(layer, [t]).carry_path[0, k] == pytest.approx(
            np.linalg.norm(left[:, None] * written), rel=1e-5
        )


def test_chosen_states_packed_sequences_and_many_parts(monkeypatch):
    torch.manual_seed(4)
    module = nn.GRU(5, 8, batch_first=True, bidirectional=True)
    x = torch.randn(2, 11, 5)
    packed = pack_padded_sequence(x, torch.tensor([11, 7]), batch_first=True)
    together, alone = ran(module, packed).layers, ran(module, x[1:, :7]).layers
    for name, layer in together.items():
        found = input_sensitivity(layer, [6, 2, 6], row=1)
        whole = input_sensitivity(alone[name])
        assert found.steps.tolist() == [6, 2, 6] and found.total.shape == (3, 7)
        for part in ("total", "carry_path"):
            expected = getattr(whole, part)[[6, 2, 6]]
            np.testing.assert_allclose(getattr(found, part), expected, rtol=1e-5, atol=1e-9)
        told = []
        monkeypatch.setattr("models.states.input_sensitivity.MAX_JACOBIAN_NUMBERS", 100)
        np.testing.assert_allclose(input_sensitivity(alone[name], progress=told.append).total, whole.total, rtol=1e-6)
        monkeypatch.undo()
        assert told[-1] == 1 and told == sorted(told) and told[0] == 0


def test_a_step_that_is_not_there_and_one_step():
    layer = ran(nn.LSTM(3, 1, batch_first=True), torch.randn(1, 1, 3)).layers["l0"]
    found = input_sensitivity(layer)
    assert found.total.shape == (1, 1) and found.total[0, 0] > 0 and found.carry_path[0, 0] > 0
    for step in (1, -1):
        with pytest.raises(Problem, match=rf"^Time step {step + 1} has no state\. Choose one from 1 to 1\.$"):
            input_sensitivity(layer, [0, step])


def test_what_is_not_a_number_is_told_as_such():
    module = nn.LSTM(3, 4, batch_first=True)
    with torch.no_grad():
        module.weight_hh_l0[2, 1] = float("nan")
    layer = ran(module, torch.randn(1, 6, 3)).layers["l0"]
    assert np.isnan(input_sensitivity(layer).total[5, 0]) and np.isnan(forward_sensitivity(layer, 0).total[5])


@pytest.mark.filterwarnings("ignore:LSTM with projections")
@pytest.mark.parametrize(("kind", "options"), KINDS)
def test_one_input_forwards_is_a_column_of_all_states_backwards(kind, options):
    torch.manual_seed(5)
    module = MODULES[kind](5, 8, batch_first=True, **options)
    packed = pack_padded_sequence(torch.randn(2, 14, 5), torch.tensor([14, 10]), batch_first=True)
    for layer in ran(module, packed).layers.values():
        expected = input_sensitivity(layer, row=1)
        for step in (0, 4, 9):
            found = forward_sensitivity(layer, step, row=1)
            np.testing.assert_allclose(found.total, expected.total[:, step], rtol=1e-5, atol=1e-12)
            if kind not in WITHOUT_CARRY:
                np.testing.assert_allclose(found.carry_path, expected.carry_path[:, step], rtol=1e-5, atol=1e-12)
        with pytest.raises(Problem, match=r"^Time step \d+ has no input\. Choose one from 1 to 10\.$"):
            forward_sensitivity(layer, 10, row=1)
