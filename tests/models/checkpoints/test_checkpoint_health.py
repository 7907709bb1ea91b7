"""What is measured of weights, against numpy and torch, and what a verdict makes of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.torch import save
from torch import nn

from models import capture, load_network
from models.checkpoints import Limits, load_checkpoint
from models.checkpoints.health import (
    check_layer,
    check_run,
    check_units,
    check_units_in_run,
    distributions,
    find_anomalies,
    forget_biases,
    matching_initialization,
    recurrent_blocks,
    verdict,
    weight_spectra,
    weight_spectrum,
)
from models.core.messages import Problem
from models.core.weights import LayerWeights
from models.zoo import FOLDER, NETWORKS


def layer(kind="LSTM", inputs=5, units=8, seed=0, **options):
    """A layer that has been trained a little, to judge by its weights: none follows an initializer's rule."""
    random = np.random.default_rng(seed)
    gates = {"LSTM": 4, "GRU": 3, "RNN": 1}[kind]
    shapes = {"weight_ih": (gates * units, inputs), "weight_hh": (gates * units, units)}
    shapes |= {"bias_ih": (gates * units,), "bias_hh": (gates * units,)}
    return LayerWeights(
        kind, **{name: random.normal(size=shape, scale=0.4) for name, shape in shapes.items()}, **options
    )


def changed(weights, **arrays):
    options = {"nonlinearity": weights.nonlinearity, "reset_after": weights.reset_after}
    return LayerWeights(weights.kind, **(weights.arrays() | arrays), **options)


def test_distributions_by_gate():
    weights = layer()
    found = distributions(weights)
    for name, blocks in found.items():
        counts = sum(each.counts.sum() for each in blocks.values())
        assert counts == getattr(weights, name).size and list(blocks) == list(weights.cell.gates)
        for gate, each in blocks.items():
            rows = weights.rows(name, gate)
            assert (each.mean, each.deviation) == pytest.approx((rows.mean(), rows.std()), abs=1e-6)
            assert (each.smallest, each.largest) == (rows.min(), rows.max())
            assert each.edges[0] == -each.edges[-1] and each.counts[len(each.counts) // 2] == (
                (np.abs(rows) <= each.edges[-1] / len(each.counts)).sum()
            )
    projected = nn.LSTM(3, 4, proj_size=2)
    weights = load_checkpoint(save(projected.state_dict())).layers["l0"]
    assert distributions(weights)["weight_hr"]["hidden"].size == 8


def test_what_is_no_number_is_left_out_of_a_distribution():
    broken = layer().weight_hh.copy()
    broken[:8] = np.nan
    found = distributions(changed(layer(), weight_hh=broken))["weight_hh"]
    assert found["input_gate"].finite == 0 and found["forget_gate"].finite == 64


def test_forget_biases_are_the_sum_of_both():
    lstm = nn.LSTM(3, 4)
    weights = load_checkpoint(save(lstm.state_dict())).layers["l0"]
    np.testing.assert_allclose(forget_biases(weights), (lstm.bias_ih_l0 + lstm.bias_hh_l0)[4:8].detach(), atol=1e-7)
    gru = nn.GRU(3, 4)
    weights = load_checkpoint(save(gru.state_dict())).layers["l0"]
    np.testing.assert_allclose(forget_biases(weights), (gru.bias_ih_l0 + gru.bias_hh_l0)[4:8].detach(), atol=1e-7)
    assert forget_biases(layer("RNN")) is None


def test_spectra_are_linear_algebras():
    weights = layer("GRU", units=30)
    for gate, found in weight_spectra(weights).items():
        block = torch.tensor(weights.rows("weight_hh", gate)).double()
        assert found.radius == pytest.approx(float(torch.linalg.eigvals(block).abs().max()), rel=1e-9)
        assert found.norm == pytest.approx(float(torch.linalg.matrix_norm(block, 2)), rel=1e-9)
        apart = torch.linalg.matrix_norm(block.T @ block - torch.eye(30)) / 30**0.5
        assert found.from_orthogonal == pytest.approx(float(apart), rel=1e-9)
    orthogonal = torch.nn.init.orthogonal_(torch.empty(20, 20)).numpy()
    assert weight_spectrum(orthogonal).from_orthogonal < 1e-6 and weight_spectrum(np.zeros((3, 3))).from_orthogonal == 1


def test_a_projected_layer_reads_its_projection():
    lstm = nn.LSTM(3, 6, proj_size=2)
    weights = load_checkpoint(save(lstm.state_dict())).layers["l0"]
    block = recurrent_blocks(weights)["output_gate"]
    np.testing.assert_allclose(block, (lstm.weight_hr_l0 @ lstm.weight_hh_l0[18:]).detach(), atol=1e-6)


def test_the_outermost_of_a_large_block_are_near():
    matrix = np.random.default_rng(0).normal(size=(300, 300)) / 300**0.5
    matrix[0, 0] += 2
    near, all_of_them = weight_spectrum(matrix, exact=100), weight_spectrum(matrix)
    assert not near.exact and near.from_orthogonal is None
    assert near.radius == pytest.approx(all_of_them.radius, rel=1e-6)
    assert near.norm == pytest.approx(all_of_them.norm, rel=1e-6)


def test_no_spectrum_of_what_is_no_number():
    with pytest.raises(
        Problem, match="candidate contains values that are not finite, so its eigenvalues cannot be computed"
    ):
        weight_spectra(changed(layer(), weight_hh=np.where(np.arange(256).reshape(32, 8) == 150, np.nan, 0.1)))


@pytest.mark.parametrize("chunk", [7, 1 << 20])
def test_oddities(chunk, monkeypatch):
    monkeypatch.setattr("models.checkpoints.health.anomalies.CHUNK_SIZE", chunk)
    values = np.random.default_rng(0).normal(size=(9, 5)).astype(np.float32)
    values[2], values[4], values[6, :2], values[7, 0] = 0, 0.05, (np.nan, np.inf), 1e-40
    found = find_anomalies(values)
    assert (found.nan, found.inf, found.denormal, found.size) == (1, 1, 1, 45)
    assert (found.zero_rows, found.constant_rows) == ((2,), (4,))
    assert found.largest == np.abs(values[np.isfinite(values)]).max()
    assert find_anomalies(np.array([1e-6, 1.0], np.float32), "float16").denormal == 1
    assert find_anomalies(np.array(3)).size == 1 and find_anomalies(np.zeros((0, 4), np.float32)).zero_rows == ()


def test_dead_units_do_not_matter():
    """Dead units are dead: with any other values of theirs, nothing else changes."""
    weights = layer(units=8)
    read, back = weights.weight_ih.copy(), weights.weight_hh.copy()
    back[:, 3] = 0
    for gate in range(4):
        read[8 * gate + 5], back[8 * gate + 5] = 0, 0
    weights = changed(weights, weight_ih=read, weight_hh=back)
    decoder = np.random.default_rng(1).normal(size=(3, 8))
    assert check_units(weights, [decoder]).no_outgoing == () and check_units(weights).no_outgoing == ()
    decoder[:, 3] = 0
    said = check_units(weights, [decoder])
    assert (said.no_outgoing, said.no_incoming) == ((3,), (5,))
    x = torch.randn(1, 6, 5)
    out = weights.to_module().double()(x.double())[0]
    other = changed(weights, bias_ih=np.where(np.arange(32) % 8 == 3, 2.0, weights.bias_ih))
    different = other.to_module().double()(x.double())[0]
    assert not torch.equal(out[..., 3], different[..., 3])
    torch.testing.assert_close(out @ torch.tensor(decoder).T, different @ torch.tensor(decoder).T, rtol=0, atol=1e-12)
    constant = weights.to_module().double()(torch.randn(1, 6, 5).double())[0]
    torch.testing.assert_close(out[..., 5], constant[..., 5], rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_duplicates_compute_the_same(kind):
    weights = layer(kind)
    gates = len(weights.cell.gates)
    arrays = {name: values.copy() for name, values in weights.arrays().items()}
    for name, values in arrays.items():
        for gate in range(gates):
            values[8 * gate + 6] = values[8 * gate + 1]
            if name == "bias_ih" and kind != "GRU":
                values[8 * gate + 6] += 0.25
            if name == "bias_hh" and kind != "GRU":
                values[8 * gate + 6] -= 0.25
    weights = changed(weights, **arrays)
    assert check_units(weights).duplicates == ((1, 6),)
    (evidence,) = (each for found in check_layer("l0", weights) for each in found.evidence if each.pairs)
    assert (evidence.value, evidence.pairs, evidence.threshold) == (1, ((1, 6),), None)
    out = weights.to_module().double()(torch.randn(1, 9, 5).double())[0]
    torch.testing.assert_close(out[..., 1], out[..., 6], rtol=0, atol=1e-6)
    assert check_units(layer(kind)).duplicates == ()
    module = weights.to_module()
    with torch.no_grad(), capture(module) as trace:
        module.float()(torch.randn(1, 9, 5))
    assert check_units_in_run(next(iter(trace.layers.values()))).duplicates == ((1, 6),)
    (finding,) = [
        each
        for each in check_run(next(iter(trace.layers.values())), "l0")
        if "same hidden states at every time step of this run: 1." in str(each)
    ]
    assert finding.severity == "note" and finding.evidence[0].pairs == ((1, 6),)


def test_a_unit_of_infinite_weights_is_no_double():
    torch.manual_seed(0)
    module = nn.LSTM(3, 8)
    with torch.no_grad():
        module.weight_ih_l0[0, 0] = float("inf")
    (weights,) = load_checkpoint(save(module.state_dict())).layers.values()
    assert check_units(weights).duplicates == ()


def test_stuck_gates_stay():
    weights = layer(units=4)
    bias = weights.bias_ih.copy()
    bias[4:8] = (30, -30, 0, 0)
    weights = changed(weights, bias_ih=bias)
    assert check_units(weights).stuck == {"forget_gate": (0, 1)}
    module = weights.to_module().double()
    with capture(module) as trace:
        module(torch.rand(1, 50, 5).double() * 2 - 1)
    gate = trace.layers["l0"].forget_gate
    assert gate[..., 0].min() > 0.98 and gate[..., 1].max() < 0.02


def test_a_unit_without_output_is_dead_in_its_run():
    lstm = nn.LSTM(2, 5, batch_first=True)
    with torch.no_grad():
        lstm.bias_ih_l0[15 + 3] = -40.0  # the output gate of unit 3
    with torch.no_grad(), capture(lstm) as trace:
        output, _states = lstm(3 * torch.randn(1, 20, 2))
    largest = output[0].abs().amax(dim=0)
    found = check_units_in_run(trace.layers["l0"]).silent
    assert found == tuple(torch.nonzero(largest < 1e-3).flatten().tolist()) == (3,)


def test_units_in_a_run():
    rnn = nn.RNN(2, 4, nonlinearity="relu", batch_first=True)
    with torch.no_grad():
        rnn.bias_ih_l0.copy_(torch.tensor([-50.0, 1, 1, 1]))
    with capture(rnn) as trace:
        rnn(torch.randn(1, 20, 2))
    said = check_units_in_run(trace.layers["l0"])
    assert said.inactive == (0,) and 0 in said.constant and said.steps == 20
    (finding,) = check_run(trace.layers["l0"], "l0")
    assert str(finding) == (
        "In this run of 20 time steps, 1 of the 4 units of l0 were never above 0 (dead ReLU units for this sequence)."
    )
    assert finding.evidence[0].units == (0,)
    with torch.no_grad():
        rnn.weight_ih_l0.zero_(), rnn.weight_hh_l0.zero_()
    with capture(rnn) as trace:
        rnn(torch.randn(1, 20, 2))
    (silent, still) = sorted(check_run(trace.layers["l0"], "l0"), key=lambda each: each.values["count"])
    assert "never above 0" in str(silent) and "the hidden state hardly changed in 3 of the 4 units of l0" in str(still)


@pytest.mark.parametrize("cell", [nn.LSTM, nn.GRU, nn.RNN])
@pytest.mark.parametrize("units", [32, 200])
def test_what_was_never_trained_is_told(cell, units):
    torch.manual_seed(0)
    module = cell(20, units)
    assert matching_initialization(load_checkpoint(save(module.state_dict())).layers["l0"]).library == "PyTorch"
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-3)
    for _ in range(30):
        optimizer.zero_grad()
        module(torch.randn(5, 2, 20))[0].square().mean().backward()
        optimizer.step()
    assert matching_initialization(load_checkpoint(save(module.state_dict())).layers["l0"]) is None


@pytest.mark.parametrize("module", [nn.RNN, nn.LSTM, nn.GRU])
@pytest.mark.parametrize("units", [8, 32])
def test_all_untrained_layers_of_a_stack_are_named_or_none(module, units):
    torch.manual_seed(0)
    stack = module(3, units, num_layers=2, bidirectional=True)  # the first level has few input weights
    checkpoint = load_checkpoint(save({f"rnn.{name}": values for name, values in stack.state_dict().items()}))
    named = [matching_initialization(weights) for weights in checkpoint.layers.values()]
    assert len(named) == 4 and [each is not None for each in named] == 4 * [units == 32]
    with torch.no_grad():
        stack.weight_ih_l0 *= 1.5
    checkpoint = load_checkpoint(save({f"rnn.{name}": values for name, values in stack.state_dict().items()}))
    assert matching_initialization(checkpoint.layers["rnn.l0"]) is None


@pytest.mark.slow
def test_what_keras_never_trained_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras")
    keras.utils.set_random_seed(0)
    for made in (keras.layers.LSTM(32), keras.layers.GRU(32), keras.layers.SimpleRNN(32)):
        keras.Sequential([keras.Input((6, 16)), made]).save(tmp_path / "m.keras")
        (weights,) = load_checkpoint(tmp_path / "m.keras").layers.values()
        assert matching_initialization(weights).library == "Keras"
        assert any(
            "statistics of Keras's default initialization" in str(finding) for finding in check_layer("rnn", weights)
        )


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_the_bundled_networks_are_healthy(name):
    if not (FOLDER / f"{name}.safetensors").exists():
        pytest.skip("not trained here")
    checkpoint = load_checkpoint(FOLDER / f"{name}.safetensors")
    if not checkpoint.found:
        pytest.skip("no recurrent layer")
    network = load_network(name)
    with torch.inference_mode(), capture(network) as trace:
        network(network.encode(network.card.default.text))
    found = verdict(checkpoint, ran=trace.layers)
    assert {finding.severity for finding in found} <= {"healthy", "note"}
    assert "No serious problems found: all values are finite" in str(found[-1]) and found[-1].evidence


def state(**changes):
    torch.manual_seed(0)
    lstm = nn.ModuleDict({"rnn": nn.LSTM(5, 8), "embedding": nn.Embedding(20, 5), "head": nn.Linear(8, 20)})
    with torch.no_grad():
        for values in lstm.parameters():
            values += 0.05 * torch.randn(values.shape)
        for name, change in changes.items():
            change(lstm.get_parameter(name.replace("__", ".")))
    return load_checkpoint(save(lstm.state_dict()))


def put(value, where=slice(None)):
    def change(values):
        values[where] = value

    return change


SICK = {
    "NaN": ({"rnn__weight_hh_l0": put(float("nan"), (3, 2))}, "broken", "NaN or infinite values in rnn.l0: 1."),
    "inf elsewhere": ({"head__bias": put(float("inf"), 0)}, "broken", "NaN or infinite values in head.bias: 1."),
    "large": ({"rnn__weight_ih_l0": put(500.0, (0, 0))}, "warning", "rnn.l0 contains a weight of magnitude 500. An input"),
    "denormal": ({"rnn__weight_ih_l0": lambda values: values[:16].mul_(1e-41)}, "note", "Denormal values in rnn.l0: 80."),
    "rows": ({"rnn__weight_ih_l0": put(0.05, slice(3))}, "warning", "Constant rows in rnn.l0.weight_ih: 3."),
    "embedding": ({"embedding__weight": put(0.0, slice(4))}, "note", "Constant rows in embedding.weight: 4 of 20."),
    "closed": ({"rnn__bias_ih_l0": put(-3.0, slice(8, 16))}, "warning", "forget-gate biases of rnn.l0 are strongly negative"),
    "biases": (
        {f"rnn__bias_{side}_l0": put(0.0) for side in ("ih", "hh")}, "note", "The biases of rnn.l0 are all exactly 0 or 1"
    ),
    "unread": (
        {"rnn__weight_hh_l0": put(0.0, (slice(None), 2)), "head__weight": put(0.0, (slice(None), 2))},
        "warning", "Dead units in rnn.l0: 1 of 8.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("ill", SICK)
def test_every_illness_is_found(ill):
    changes, severity, sentence = SICK[ill]
    assert [finding.severity for finding in verdict(state())] == ["healthy"]
    found = verdict(state(**changes))
    (finding,) = [each for each in found if sentence in str(each)]
    assert finding.severity == severity and finding.evidence
    assert (found[-1].severity == "healthy") == (severity == "note")
    for evidence in finding.evidence:
        assert np.isfinite(evidence.value) and str(evidence.measure)


@pytest.mark.parametrize(
    ("nonlinearity", "radius", "severity", "sentence"),
    [
        (
            "tanh",
            0.5,
            "warning",
            "leaves at most 0.5 × the gradient norm, ten time steps at most 0.001 ×.",
        ),
        (
            "tanh",
            2.0,
            "note",
            "rnn can explode: while no unit is saturated, W_hh scales its dominant eigendirection by 2 ×",
        ),
        ("relu", 2.0, "warning", "RNN rnn can explode: W_hh scales its dominant eigendirection by 2 × per"),
    ],
)
def test_a_simple_rnns_gradients(nonlinearity, radius, severity, sentence):
    weights = layer("RNN", units=12, nonlinearity=nonlinearity)
    matrix = radius * torch.nn.init.orthogonal_(torch.empty(12, 12)).numpy()
    (found,) = check_layer("rnn", changed(weights, weight_hh=matrix))
    assert found.severity == severity and sentence in str(found)
    assert found.evidence[0].source == "Pascanu, Mikolov and Bengio 2013"


def test_a_file_without_layers_has_nothing_to_judge():
    found = verdict(load_checkpoint(save({"weight": torch.randn(3, 4)})))
    assert "contains no recurrent layer" in str(found[-1])


def test_only_the_layers_looked_at_are_read():
    reads = []
    checkpoint = load_checkpoint(save(nn.LSTM(5, 8, num_layers=3).state_dict()), limits=Limits())
    for name, found in checkpoint.found.items():
        for stored in found.parts.values():
            read = stored.read
            object.__setattr__(stored, "read", lambda name=name, read=read: reads.append(name) or read())
    verdict(checkpoint, layers=["l2"], others=False)
    assert set(reads) == {"l2"}
