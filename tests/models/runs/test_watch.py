"""Every recorded number against torch's own: a second copy of the network is trained by the same loop, unwatched."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from models import Problem, open_run, watch
from models.core.cells import cell_of
from models.runs.layer_statistics import _count
from tests.support.unrolled_loop import run_unrolled
from tests.support.watched_loop import (
    CLIP,
    EVERY,
    INPUTS,
    STEPS,
    UNITS,
    UPDATES,
    Net,
    batch_of,
    close,
    gates_of,
    state_gradients,
    train,
)

CASES = {
    "LSTM": ("LSTM", {"num_layers": 2}),
    "projected LSTM": ("LSTM", {"proj_size": 2}),
    "GRU": ("GRU", {}),
    "RNN": ("RNN", {"num_layers": 2}),
    "relu RNN": ("RNN", {"nonlinearity": "relu"}),
    "bidirectional GRU": ("GRU", {"bidirectional": True}),
    "packed LSTM": ("LSTM", {"packed": [9, 4, 1, 7]}),
}


@pytest.fixture(params=CASES, name="trained", scope="module")
def train_both(request, tmp_path_factory):
    """A run, the network before each update, and what torch computes there."""
    kind, options = CASES[request.param]
    torch.manual_seed(1)
    folder = tmp_path_factory.mktemp("watched") / "run"
    net = Net(kind, **options)
    plain = copy.deepcopy(net)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.5, momentum=0.5)
    with watch(net, folder, every=EVERY, settings={"task": "squares"}) as run:
        train(net, optimizer, step=lambda loss: run.step(loss=loss.item()))
    expected, before = [], {}

    def norms(gradients):
        return {name: float(torch.linalg.vector_norm(each)) for name, each in gradients.items()}

    def weights():
        return {name: each.detach().clone() for name, each in plain.named_parameters()}

    def note(loss):
        before.update(loss=loss.item(), raw=norms({name: each.grad for name, each in plain.named_parameters()}))

    def seen(update, x):
        if expected:
            expected[-1]["after"] = weights()
        clipped = norms({name: each.grad for name, each in plain.named_parameters()})
        expected.append(before | {"x": x, "net": copy.deepcopy(plain), "before": weights(), "clipped": clipped})

    train(plain, torch.optim.SGD(plain.parameters(), lr=0.5, momentum=0.5), step=note, seen=seen)
    expected[-1]["after"] = weights()
    return net, plain, open_run(folder), expected


def test_numbers_are_torchs_own(trained):
    net, plain, run, expected = trained
    for name, values in net.state_dict().items():
        assert torch.equal(values, plain.state_dict()[name])  # watching changed nothing
    kept = list(range(0, UPDATES, EVERY))
    rows = [expected[update] for update in kept]
    series = run.scalars(run.scalar_names)

    def scalar(name):
        steps, values = series[name]
        assert steps.tolist() == kept
        return values

    close(scalar("loss/train"), [row["loss"] for row in rows])
    for name in dict(net.named_parameters()):
        close(scalar(f"gradient_norm/{name}"), [row["raw"][name] for row in rows])
        close(scalar(f"gradient_norm_clipped/{name}"), [row["clipped"][name] for row in rows])
        change = [float((row["after"][name] - row["before"][name]).norm() / row["before"][name].norm()) for row in rows]
        close(scalar(f"update_ratio/{name}"), change)
    total = [float(np.linalg.norm(list(row["raw"].values()))) for row in rows]
    close(scalar("gradient_norm/total"), total)
    close(scalar("gradient_norm/total_clipped"), [min(1, CLIP / (norm + 1e-6)) * norm for norm in total])
    close(scalar("learning_rate"), [0.5] * len(rows))
    for layer in run.layers.values():
        suffix = layer.name.removeprefix("rnn.")
        matrices = [getattr(row["net"].rnn, f"weight_hh_{suffix}").detach() for row in rows]
        close(scalar(f"weight_norm/{layer.name}"), [float(each.norm()) for each in matrices])
        if layer.kind == "LSTM":
            biases = [
                getattr(row["net"].rnn, f"bias_ih_{suffix}") + getattr(row["net"].rnn, f"bias_hh_{suffix}")
                for row in rows
            ]
            close(scalar(f"forget_bias/{layer.name}"), [each[UNITS : 2 * UNITS].mean().item() for each in biases])
        steps, radius = series[f"spectral_radius/{layer.name}"]
        blocks = matrices[0].split(UNITS)
        if net.rnn.proj_size:
            blocks = [getattr(rows[0]["net"].rnn, f"weight_hr_{suffix}").detach() @ block for block in blocks]
        close(radius, [max(float(torch.linalg.eigvals(block).abs().max()) for block in blocks)])
        assert steps.tolist() == [0]


def test_maps_are_torchs_own(trained):
    net, _, run, expected = trained
    kept = list(range(0, UPDATES, EVERY))
    assert set(run.layers) == {f"rnn.l{level}{end}" for level in range(net.rnn.num_layers) for end in
                               ("", "_reverse")[: 2 if net.rnn.bidirectional else 1]}  # fmt: skip
    truth = [state_gradients(expected[update]["net"], expected[update]["x"]) for update in kept]
    for layer in run.layers.values():
        suffix = layer.name.removeprefix("rnn.")
        found = run.gradient_map(layer.name)
        assert (found.steps.tolist(), found.positions.tolist(), found.width) == (kept, list(range(STEPS)), 1)
        if net.lengths is None:
            close(found.values, [hidden[suffix] for hidden, _ in truth])
            if layer.kind == "LSTM":
                close(run.gradient_map(layer.name, "cell").values, [cell[suffix] for _, cell in truth])
        if layer.kind != "LSTM":
            with pytest.raises(Problem, match="has no map of gradient/cell"):
                run.gradient_map(layer.name, "cell")
    if net.rnn.bidirectional or net.lengths is not None:
        return
    for row, update in enumerate(kept):
        for name, gates in gates_of(expected[update]["net"], expected[update]["x"]).items():
            cell = cell_of(run.layers[name].kind)
            for gate in cell.gates:
                values = gates[gate].detach()
                close(run.gate_map(name, gate, "mean").values[row], values.mean((0, 2)))
                close(run.scalar(f"mean/{name}/{gate}")[1][row], values.mean())
                if gate == "preactivation" and net.rnn.nonlinearity == "relu":
                    shut = (values <= 0).double()
                else:
                    through = values.tanh() if gate == "preactivation" else values
                    low = 0.1 if gate.endswith("_gate") else -0.9
                    shut = ((through < low) | (through > 0.9)).double()
                close(run.gate_map(name, gate).values[row], shut.mean((0, 2)))
                close(run.scalar(f"saturation/{name}/{gate}")[1][row], shut.mean())


def test_packed_sequences_count_only_their_own_time_steps(tmp_path):
    torch.manual_seed(0)
    lengths = [2, 6, 4]
    net, x = Net("LSTM", packed=lengths), torch.randn(3, 6, INPUTS, dtype=torch.float64)
    with watch(net, tmp_path / "run") as run:
        net(x).pow(2).sum().backward()
        run.step()
    opened, gates = open_run(tmp_path / "run"), gates_of(net, x)["rnn.l0"]
    inside = torch.arange(6) < torch.tensor(lengths)[:, None]
    for gate in ("forget_gate", "candidate"):
        mean = [float(gates[gate][inside[:, t], t].mean()) for t in range(6)]
        close(opened.gate_map("rnn.l0", gate, "mean").values[0], mean)
        close(opened.scalar(f"mean/rnn.l0/{gate}")[1], [float(gates[gate][inside].mean())])
    # With a loss of the sum, each sequence alone has the gradients that it has in the batch.
    alone = []
    for row, length in enumerate(lengths):
        single = Net("LSTM")
        single.load_state_dict(net.state_dict())
        _, hidden, cells, _ = run_unrolled(single.rnn, x[row : row + 1, :length])
        for each in (*hidden["l0"], *cells["l0"]):
            each.retain_grad()
        single.out(torch.stack(hidden["l0"], 1)).pow(2).sum().backward()
        for states in (hidden["l0"], cells["l0"]):
            alone.append([float(each.grad.pow(2).sum()) for each in states] + [0.0] * (6 - length))
    close(opened.gradient_map("rnn.l0").values[0], np.sqrt(np.sum(alone[0::2], axis=0)))
    close(opened.gradient_map("rnn.l0", "cell").values[0], np.sqrt(np.sum(alone[1::2], axis=0)))


def test_float32_is_within_its_precision(tmp_path):
    torch.manual_seed(0)
    net, x = Net("LSTM").float(), batch_of(0).float()
    with watch(net, tmp_path / "run") as run:
        net(x).pow(2).mean().backward()
        run.step()
    hidden, cells = state_gradients(net, x)
    close(open_run(tmp_path / "run").gradient_map("rnn.l0").values[0], hidden["l0"], 2e-6)
    close(open_run(tmp_path / "run").gradient_map("rnn.l0", "cell").values[0], cells["l0"], 2e-6)


class Loop(nn.Module):
    """Cells in a loop."""

    def __init__(self):
        super().__init__()
        self.cell = nn.LSTMCell(INPUTS, UNITS).double()

    def forward(self, x):
        states, rows = None, []
        for t in range(x.shape[1]):
            states = self.cell(x[:, t], states)
            rows.append(states)
        return rows


def test_cells_in_a_loop(tmp_path):
    net, x = Loop(), batch_of(0)
    with watch(net, tmp_path / "run") as run:
        rows = net(x)
        for h, c in rows:
            h.retain_grad()
            c.retain_grad()
        sum(h.pow(2).sum() for h, _ in rows).backward()
        run.step()
    opened = open_run(tmp_path / "run")
    close(opened.gradient_map("cell.l0").values[0], [float(h.grad.norm()) for h, _ in rows])
    assert opened.notes == ()


def test_long_sequences_are_joined_into_bins(tmp_path):
    net = Net("RNN")
    x = torch.randn(2, 600, INPUTS, dtype=torch.float64)
    with watch(net, tmp_path / "run", every=1) as run:
        for part in (x, x[:, :100]):
            net(part).pow(2).sum().backward()
            run.step()
            net.zero_grad()
    found = open_run(tmp_path / "run").gradient_map("rnn.l0")
    assert (found.width, found.positions.tolist()) == (4, list(range(0, 600, 4)))
    for row, part in enumerate((x, x[:, :100])):
        norms = np.array(state_gradients(net, part, torch.sum)[0]["l0"])
        close(found.values[row, : len(norms) // 4], norms.reshape(-1, 4).mean(1))
    assert np.isnan(found.values[1, 25:]).all() and found.lengths.tolist() == [600, 100]


@given(batch=st.sampled_from([1, 3, 255, 256]), steps=st.integers(1, 3), units=st.sampled_from([1, 8, 24, 27]))
@settings(deadline=None, max_examples=20)
def test_counts_by_time_step(batch, steps, units):
    mask = np.random.default_rng(batch + units).random((batch, steps, units)) < 0.97
    np.testing.assert_array_equal(_count(mask), mask.sum((0, 2)))
