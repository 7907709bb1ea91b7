"""A layer's payload: what the browser steps through is, bit for bit, what the trace holds."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from models import capture, load_network
from models.core.stepwise_modules import StepwiseGRU, StepwiseLSTM
from models.core.trace import load_trace
from models.decoding.run_network import run_network
from models.networks.forward_run import ValuePrediction, run_of_trace
from viz.payloads.binary_payload import unpack
from viz.payloads.layer_payload import MAX_WEIGHTS, layer_payload, weights_fit

GATES = {
    "LSTM": ["input_gate", "forget_gate", "candidate", "output_gate"],
    "GRU": ["reset_gate", "update_gate", "candidate"],
    "RNN": ["preactivation"],
}


def recorded(module: nn.Module, *given):
    with torch.no_grad(), capture(module) as trace:
        module(*given)
    return trace


def same(found: np.ndarray, expected: np.ndarray) -> None:
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.asarray(expected, dtype=np.float32))


def check(trace, name: str, row: int = 0, unit: int | None = None):
    """Compare the payload of one layer with its trace; return its header and arrays."""
    reading = run_of_trace(trace, row)
    header, arrays = unpack(layer_payload("step", reading, name, unit))
    layer = trace.layers[name]
    steps = int(layer.lengths[row])
    assert (header["layer"], header["kind"], header["gates"]) == (name, layer.kind, GATES[layer.kind])
    assert len(header["tokens"]) == steps
    for quantity in [*layer.quantities, "input"]:
        values = layer[quantity] if quantity in layer.quantities else layer.input
        same(arrays[quantity], values[row, :steps])
    for state in ["hidden"] + ["cell"] * (layer.kind == "LSTM"):
        same(started(arrays, state, layer.reverse), getattr(layer, f"{state}_prev")[row, :steps])
    return header, arrays


def started(arrays, state: str, reverse: bool) -> np.ndarray:
    """The browser's previous states are those of the step before, except at the edge of an excerpt."""
    if f"{state}_prev" in arrays:
        return arrays[f"{state}_prev"]
    edge, now = arrays[f"{state}_before"][None], arrays[state]
    return np.concatenate([now[1:], edge] if reverse else [edge, now[:-1]])


def rows_of(weights, name: str, gates: int, unit: int) -> np.ndarray:
    """The rows of one unit, taken gate by gate out of PyTorch's own matrix."""
    matrix = getattr(weights, name)
    return np.stack([matrix[gate * weights.hidden_size + unit] for gate in range(gates)])


@pytest.mark.parametrize("name", ["python-lm", "recall-rnn", "recall-lstm", "recall-gru", "counter", "wave"])
def test_every_layer_of_every_bundled_network(name):
    net = load_network(name)
    trace = run_network(net, net.card.default.text).trace
    for layer in trace.layers:
        check(trace, layer)


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_weight_rows_are_those_of_each_unit(kind):
    torch.manual_seed(1)
    module = kind(3, 5, num_layers=2, bidirectional=True)
    trace = recorded(module, torch.randn(6, 2, 3))
    for name, layer in trace.layers.items():
        header, arrays = check(trace, name, row=1)
        gates = len(header["gates"])
        assert header["rows"] == "all" and header["options"]["reverse"] is name.endswith("_reverse")
        for key in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            for unit in range(5):
                same(arrays[key][unit], rows_of(layer.weights, key, gates, unit))


def test_a_gate_is_what_its_weights_make_of_its_inputs():
    torch.manual_seed(2)
    trace = recorded(nn.LSTM(3, 5), torch.randn(6, 1, 3))
    header, arrays = check(trace, "l0" if "l0" in trace.layers else next(iter(trace.layers)))
    for g, gate in enumerate(header["gates"]):
        total = (
            arrays["input"] @ arrays["weight_ih"][:, g].T
            + started(arrays, "hidden", False) @ arrays["weight_hh"][:, g].T
        )
        total += arrays["bias_ih"][:, g] + arrays["bias_hh"][:, g]
        expected = np.tanh(total) if gate == "candidate" else 1 / (1 + np.exp(-total))
        np.testing.assert_allclose(arrays[gate], expected, rtol=0, atol=1e-6)


def test_no_bias_is_no_array():
    trace = recorded(nn.GRU(2, 3, bias=False), torch.randn(4, 1, 2))
    _header, arrays = check(trace, next(iter(trace.layers)))
    assert "bias_ih" not in arrays and "bias_hh" not in arrays


def test_a_projected_lstm_hands_on_less_than_it_holds():
    trace = recorded(nn.LSTM(3, 6, proj_size=2, num_layers=2), torch.randn(4, 1, 3))
    for name in trace.layers:
        header, arrays = check(trace, name)
        assert arrays["hidden"].shape == (4, 2) and arrays["cell"].shape == (4, 6)
        assert arrays["weight_hh"].shape == (6, 4, 2) and "weight_hr" not in arrays
        assert header["options"]["projected"] is True


def test_a_shorter_sequence_of_a_batch_ends_where_it_ends():
    torch.manual_seed(3)
    module = nn.LSTM(3, 4, bidirectional=True)
    lengths = torch.tensor([5, 2, 4])
    packed = nn.utils.rnn.pack_padded_sequence(torch.randn(5, 3, 3), lengths, enforce_sorted=False)
    trace = recorded(module, packed)
    for name in trace.layers:
        for row, steps in enumerate(lengths.tolist()):
            _header, arrays = check(trace, name, row)
            assert arrays["hidden"].shape == (steps, 4)


def test_of_a_large_layer_only_the_chosen_units_rows_travel():
    torch.manual_seed(4)
    trace = recorded(nn.LSTM(64, 300), torch.randn(3, 1, 64))
    name = next(iter(trace.layers))
    layer = trace.layers[name]
    assert layer.weights.weight_ih.nbytes + layer.weights.weight_hh.nbytes > MAX_WEIGHTS and not weights_fit(layer)
    header, arrays = check(trace, name, unit=217)
    assert header["rows"] == [217] and arrays["weight_hh"].shape == (1, 4, 300)
    for key in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        same(arrays[key][0], rows_of(layer.weights, key, 4, 217))
    payload = layer_payload("step", run_of_trace(trace), name, 217)
    assert len(payload) < 3 * 300 * 4 * 8 + 4 * (300 + 64 + 2) * 4 + 4096


def test_small_layers_travel_whole():
    net = load_network("sentiment")
    assert all(weights_fit(layer) for layer in run_network(net, net.card.default.text).trace.layers.values())


def test_what_was_predicted_travels_beside():
    net = load_network("python-lm")
    reading = run_network(net, "for x in range(3):\n")
    for name in reading.trace.layers:
        header, arrays = unpack(layer_payload("step", reading, name, None))
        prediction = reading.prediction
        assert header["predicts"] == "symbols" and header["top"] == 8
        assert header["vocabulary"][arrays["next_token"][17]] == "⏎"
        np.testing.assert_array_equal(arrays["next_token"], prediction.target)
        np.testing.assert_array_equal(arrays["top_token"], prediction.top(8))
        same(arrays["top_probability"], np.take_along_axis(prediction.probability, prediction.top(8), axis=1))
        same(arrays["surprise"], prediction.surprisal)
        steps = np.arange(len(prediction.target) - 1)
        same(arrays["next_probability"][:-1], prediction.probability[steps, prediction.target[:-1]])
        assert np.isnan(arrays["next_probability"][-1])


def test_a_vocabulary_smaller_than_the_list_is_shown_whole():
    header, arrays = unpack(layer_payload("step", run_network(load_network("counter"), ".aabb"), "rnn.l0", None))
    assert header["top"] == 3 and arrays["top_token"].shape == (5, 3)
    assert header["input_names"] == header["vocabulary"]


def test_numbers_are_predicted_as_numbers():
    reading = run_network(load_network("wave"), "0.1 0.2 0.3")
    header, arrays = unpack(layer_payload("step", reading, "rnn.l0", None))
    assert header["predicts"] == "values" and header["vocabulary"] is None
    same(arrays["prediction"], reading.prediction.value)
    same(arrays["truth"], reading.prediction.target)
    outputs = replace(reading, prediction=ValuePrediction(reading.prediction.value, None))
    assert "truth" not in unpack(layer_payload("step", outputs, "rnn.l0", None))[1]


def test_an_opened_run_is_what_was_saved(tmp_path):
    torch.manual_seed(5)
    module = nn.LSTM(3, 4, num_layers=2, bidirectional=True, batch_first=True)
    trace = recorded(module, torch.randn(3, 7, 3))
    trace.save(tmp_path / "run.npz")
    opened = load_trace(tmp_path / "run.npz")
    for name in trace.layers:
        for row in range(3):
            header, arrays = check(opened, name, row)
            expected_header, expected = check(trace, name, row)
            assert header["id"] == expected_header["id"]
            for key in arrays:
                same(arrays[key], expected[key])
            assert header["predicts"] is None and "surprise" not in arrays


def test_a_relu_network_says_so():
    trace = recorded(nn.RNN(2, 3, nonlinearity="relu"), torch.randn(4, 1, 2))
    header, _arrays = check(trace, next(iter(trace.layers)))
    assert header["options"]["nonlinearity"] == "relu"


def test_other_activations_are_told():
    options = {"activation": "relu", "recurrent_activation": "hard_sigmoid"}
    trace = recorded(StepwiseLSTM(2, 3, **options), torch.randn(4, 1, 2))
    header, _arrays = check(trace, next(iter(trace.layers)))
    assert options.items() <= header["options"].items()
    assert header["options"]["zero_one_gates"] == ["input_gate", "forget_gate", "output_gate"]
    trace = recorded(StepwiseGRU(2, 3, recurrent_activation="relu", reset_after=False), torch.randn(4, 1, 2))
    header, _arrays = check(trace, next(iter(trace.layers)))
    assert header["options"]["zero_one_gates"] == [] and header["options"]["reset_after"] is False


def test_numbers_in_double_precision_arrive_as_float32():
    trace = recorded(nn.GRU(2, 3).double(), torch.randn(4, 1, 2, dtype=torch.float64))
    check(trace, next(iter(trace.layers)))
