"""Clamped gates, ablated units, patched and initial states, with a manual loop as the reference."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from models import Problem, capture, load_network, run_network
from models.edits.edit_syntax import read_edits
from models.edits.edited_network import EditedNetwork, run_edited
from models.edits.interventions import build_clamp_schedules, intervene
from models.edits.weight_edits import parameters_of
from models.gradients.losses import Loss
from tests.models.edits.test_weight_edits import Net, net, one_thread
from tests.support import oracle

__all__ = ["one_thread"]

TOLERANCE = {"rtol": 2e-6, "atol": 1e-5}
NAMES = ("counter", "recall-lstm", "recall-gru", "recall-rnn", "wave", "sentiment")


@pytest.fixture(scope="module")
def networks():
    return {name: load_network(name) for name in NAMES}


def run(module, x, text, other=None):
    """A module's output and layers with dynamics edits."""

    def plain(given):
        with torch.no_grad(), capture(module) as trace:
            module(given)
        return trace

    made = build_clamp_schedules(
        read_edits(text).interventions, parameters_of(module), x.shape[1], lambda: plain(x), lambda _: plain(other)
    )
    with intervene(module, made) as here:
        output = module(x)
    return output, here.trace.layers, here


def steps(module, x, hold=lambda quantity, t, values: values, start=None):
    """One LSTM, GRU or RNN layer forwards by the oracle's step; ``hold(quantity, t, values)`` may change a quantity.

    The following computation uses the clamped values: the step is repeated with them instead of its own gates.
    """
    rnn, w = module.rnn, oracle.weights_of(module.rnn, "_l0")
    kind = "RNN" if rnn.mode.startswith("RNN") else rnn.mode
    zeros = torch.zeros(rnn.hidden_size)
    h, c = start or (zeros, zeros)
    rows = []
    for t, x_t in enumerate(x):
        now = oracle.step(kind, w, x_t, (h, c))
        for gate in [name for name in now if name not in ("cell", "hidden")]:
            now[gate] = hold(gate, t, now[gate].clone())
            if kind == "GRU" and gate == "reset_gate":
                size = rnn.hidden_size
                read = (x_t @ w["weight_ih"].T + w["bias_ih"])[2 * size :]
                back = (h @ w["weight_hh"].T + w["bias_hh"])[2 * size :]
                now["candidate"] = torch.tanh(read + now["reset_gate"] * back)
        if kind == "LSTM":
            c = now["cell"] = hold("cell", t, now["forget_gate"] * c + now["input_gate"] * now["candidate"])
            h = now["output_gate"] * torch.tanh(c)
        elif kind == "GRU":
            h = (1 - now["update_gate"]) * now["candidate"] + now["update_gate"] * h
        else:
            h = torch.tanh(now["preactivation"])
        h = now["hidden"] = hold("hidden", t, h.clone())
        rows.append(now)
    return {name: torch.stack([row[name] for row in rows]).detach() for name in rows[0]}


def holding(quantity, unit, first, last, value):
    def hold(name, t, values):
        if name == quantity and first <= t <= last:
            values[slice(None) if unit is None else unit] = value
        return values

    return hold


def same(layer, expected):
    for name, values in expected.items():
        np.testing.assert_allclose(layer[name][0], values, **TOLERANCE)


GATES = {
    "LSTM": ("input_gate", "forget_gate", "candidate", "output_gate", "cell", "hidden"),
    "GRU": ("reset_gate", "update_gate", "candidate", "hidden"),
    "RNN": ("preactivation", "hidden"),
}


@settings(max_examples=60)
@given(st.data())
def test_a_held_quantity_is_that_of_a_manual_loop(data):
    kind = data.draw(st.sampled_from(sorted(GATES)))
    quantity = data.draw(st.sampled_from(GATES[kind]))
    unit = data.draw(st.none() | st.integers(0, 3))
    first = data.draw(st.integers(0, 6))
    last = data.draw(st.integers(first, 6))
    value = data.draw(st.floats(-2, 2, width=32))
    module = net(data.draw(st.integers(0, 50)), kind=kind, layers=1)
    x = torch.randn(1, 7, 3)
    at = "" if unit is None else f"[{unit}]"
    output, layers, _ = run(module, x, f"rnn.l0.{quantity}{at}@{first}-{last}={value!r}")
    expected = steps(module, x[0], holding(quantity, unit, first, last, value))
    same(layers["rnn.l0"], expected)
    np.testing.assert_allclose(output[0].detach(), module.head(expected["hidden"]).detach(), **TOLERANCE)


@settings(max_examples=30)
@given(st.data())
def test_a_patched_run_is_that_of_a_manual_loop(data):
    kind = data.draw(st.sampled_from(sorted(GATES)))
    quantity = data.draw(st.sampled_from(GATES[kind]))
    unit = data.draw(st.none() | st.integers(0, 3))
    step, source = data.draw(st.integers(0, 6)), data.draw(st.integers(0, 4))
    module = net(data.draw(st.integers(0, 50)), kind=kind, layers=1)
    x, other = torch.randn(1, 7, 3), torch.randn(1, 5, 3)
    at = "" if unit is None else f"[{unit}]"
    _, layers, _ = run(module, x, f"rnn.l0.{quantity}{at}@{step}<{source}:x", other)
    value = steps(module, other[0])[quantity][source]
    same(
        layers["rnn.l0"],
        steps(module, x[0], holding(quantity, unit, step, step, value if unit is None else value[unit])),
    )


@pytest.mark.parametrize("kind", GATES)
def test_ablated_units_and_initial_states_are_those_of_a_manual_loop(kind):
    module, x = net(kind=kind, layers=1), torch.randn(1, 7, 3)
    plain = steps(module, x[0])
    for text, value, first in (("zero", 0.0, 0), ("mean", plain["hidden"][:, 2].mean(), 0), ("zero", 0.0, 3)):
        _, layers, _ = run(module, x, f"rnn.l0.ablate[2]@{first}-={text}")
        same(layers["rnn.l0"], steps(module, x[0], holding("hidden", 2, first, 9, value)))
    zeros, begin = torch.zeros(4), torch.tensor([0.5, 0.5, -1.0, 0.5])
    _, layers, _ = run(module, x, "rnn.l0.h0=0.5;rnn.l0.h0[2]=-1")
    same(layers["rnn.l0"], steps(module, x[0], start=(begin, zeros)))
    np.testing.assert_array_equal(layers["rnn.l0"].initial_hidden[0], begin)
    if kind == "LSTM":
        _, layers, _ = run(module, x, "rnn.l0.c0[1]=2")
        same(layers["rnn.l0"], steps(module, x[0], start=(zeros, torch.tensor([0.0, 2, 0, 0]))))
        np.testing.assert_array_equal(layers["rnn.l0"].initial_cell[0], [0, 2, 0, 0])


@given(st.integers(0, 100), st.integers(0, 3))
@settings(max_examples=20)
def test_an_open_forget_gate_and_a_shut_input_gate_keep_the_cell(seed, unit):
    module, x = net(seed, layers=1), torch.randn(1, 9, 3)
    text = f"rnn.l0.forget_gate[{unit}]@4-7=1;rnn.l0.input_gate[{unit}]@4-7=0"
    cell = run(module, x, text)[1]["rnn.l0"].cell[0, :, unit]
    assert (cell[4:8] == cell[3]).all()
    assert cell[8] != cell[3]


def test_of_two_edits_of_one_value_the_later_counts():
    module, x = net(layers=1), torch.randn(1, 5, 3)
    gate = run(module, x, "rnn.l0.forget_gate=1;rnn.l0.forget_gate[2]@1-3=0.5")[1]["rnn.l0"].forget_gate[0]
    assert gate[:, 2].tolist() == [1, 0.5, 0.5, 0.5, 1] and (np.delete(gate, 2, 1) == 1).all()
    assert (run(module, x, "rnn.l0.forget_gate[2]@1-3=0.5;rnn.l0.forget_gate=1")[1]["rnn.l0"].forget_gate == 1).all()


@pytest.mark.parametrize("name", NAMES)
def test_the_loop_alone_is_the_kernel(networks, name):
    base = networks[name]
    text = base.card.default.text
    layer = next(iter(run_network(base, text).trace.layers))
    before, after = run_network(base, text), run_edited(base, text, read_edits(f"{layer}.h0=0"))
    for layer in before.trace.layers:
        for quantity in before.trace.layers[layer]:
            np.testing.assert_allclose(
                after.trace.layers[layer][quantity], before.trace.layers[layer][quantity], **TOLERANCE
            )
    told = "value" if name == "wave" else "probability"
    np.testing.assert_allclose(getattr(after.prediction, told), getattr(before.prediction, told), **TOLERANCE)


@pytest.mark.parametrize(
    "options",
    [
        {"bidirectional": True}, {"proj_size": 2}, {"bias": False}, {"kind": "GRU", "bidirectional": True},
        {"kind": "RNN", "nonlinearity": "relu"}, {"kind": "GRU", "bias": False},
    ],
    ids=str,
)  # fmt: skip
def test_stacks_of_all_kinds_run_as_their_kernels(options):
    module, x = net(**options), torch.randn(1, 6, 3)
    with torch.no_grad(), capture(module) as plain:
        expected = module(x)
    for layer in plain.layers:
        with torch.no_grad():  # as above: torch has other kernels where gradients are wanted
            output, layers, _ = run(module, x, f"{layer}.h0=0")
        np.testing.assert_allclose(output.detach(), expected.detach(), **TOLERANCE)
        for name, each in plain.layers.items():
            same(layers[name], {quantity: each[quantity][0] for quantity in each})
            below = name < layer and name[4:6] < layer[4:6]
            assert not below or all(np.array_equal(layers[name][quantity], each[quantity]) for quantity in each)
            np.testing.assert_allclose(layers[name].hidden_prev, each.hidden_prev, **TOLERANCE)
    assert not module.rnn._forward_hooks


def test_the_layer_above_reads_what_was_held():
    module, x = net(bidirectional=True), torch.randn(1, 6, 3)
    output, layers, _ = run(module, x, "rnn.l0_reverse.hidden[1]@2=3")
    assert layers["rnn.l0_reverse"].hidden[0, 2, 1] == 3 and layers["rnn.l1"].input[0, 2, 5] == 3
    with torch.no_grad(), capture(module) as plain:
        module(x)
    reverse = plain.layers["rnn.l0_reverse"].hidden[0] != layers["rnn.l0_reverse"].hidden[0]
    assert not (np.abs(plain.layers["rnn.l0_reverse"].hidden - layers["rnn.l0_reverse"].hidden)[0, 3:] > 1e-6).any()
    assert reverse[:2].any()
    own = nn.LSTM(8, 4, bidirectional=True, batch_first=True)
    own.load_state_dict({name: getattr(module.rnn, name.replace("l0", "l1")) for name in own.state_dict()})
    fed = own(torch.tensor(layers["rnn.l1"].input))[0]
    np.testing.assert_allclose(module.head(fed).detach(), output.detach(), **TOLERANCE)


class Fed(nn.Module):
    """A recurrent module that is fed time first, without a batch, or with a state."""

    def __init__(self):
        super().__init__()
        self.rnn = nn.LSTM(3, 4)

    def forward(self, x, state=None):
        return self.rnn(x, state) if state is not None else self.rnn(x)


@pytest.mark.parametrize("shape", [(6, 3), (6, 1, 3)])
def test_modules_fed_in_other_ways_get_what_they_expect(shape):
    torch.manual_seed(0)
    module, x = Fed().eval(), torch.randn(shape)
    state = tuple(torch.randn(*((1, 1, 4) if len(shape) == 3 else (1, 4))) for _ in range(2))
    for fed in ((x,), (x, state)):
        expected = module(*fed)
        made = build_clamp_schedules(
            read_edits("rnn.l0.h0[0]=0.25").interventions, parameters_of(module), 6, None, None
        )
        with intervene(module, made | {"rnn.l0": replace(made["rnn.l0"], initial={})}):
            output = module(*fed)
        flat = [output[0], *output[1]], [expected[0], *expected[1]]
        for own, other in zip(*flat, strict=True):
            assert own.shape == other.shape
            torch.testing.assert_close(own, other)


def test_gradients_stop_at_held_values_and_are_those_of_autograd(networks):
    base = networks["recall-lstm"]
    text = base.card.default.text
    steps = len(base.tokens(text))
    edited = EditedNetwork(base, read_edits("rnn.l0.cell@3=0.5;rnn.l0.output_gate[2]@1=0.5;rnn.l0.hidden@3=0"))
    done = edited.differentiate(text, Loss("next", step=steps - 1, target=5))
    layer = done.trace.layers["rnn.l0"]
    # both states are clamped at step 3: no gradient passes it
    assert not layer.cell_grad[0, :3].any() and not layer.hidden_grad[0, :3].any()
    assert layer.hidden_grad[0, 4:].any(axis=1).all()
    # finite differences of the loss, by the states that the layer starts from
    module, given = edited.network.module.double(), base.encode(text)

    def loss(at, nudge):
        held_so = read_edits("rnn.l0.cell@3=0.5;rnn.l0.output_gate[2]@1=0.5;rnn.l0.hidden@3=0").interventions
        made = build_clamp_schedules(held_so, parameters_of(module), steps, None, None)
        script = made["rnn.l0"]
        value = layer.hidden[0, at, 7].item() + nudge
        script.clamp(at, "hidden", 7, value)
        with intervene(module, made), torch.no_grad():
            return -module(given)[0, -1].log_softmax(-1)[5].item()

    for at in (4, steps - 2, steps - 1):
        slope = (loss(at, 1e-4) - loss(at, -1e-4)) / 2e-4
        assert layer.hidden_grad[0, at, 7] == pytest.approx(slope, rel=1e-3, abs=1e-6)


def test_without_held_values_the_loop_has_the_gradients_of_the_kernel(networks):
    base = networks["recall-gru"]
    text = base.card.default.text
    loss = Loss("answer")
    kernel = EditedNetwork(base, read_edits("")).differentiate(text, loss)
    loop = EditedNetwork(base, read_edits("rnn.l0.h0=0")).differentiate(text, loss)
    np.testing.assert_allclose(
        loop.trace.layers["rnn.l0"].hidden_grad, kernel.trace.layers["rnn.l0"].hidden_grad, rtol=1e-4, atol=1e-6
    )
    for own, other in zip(kernel.module.parameters(), loop.module.parameters(), strict=True):
        torch.testing.assert_close(own.grad, other.grad, rtol=1e-4, atol=1e-6)
    assert all(parameter.grad is None for parameter in base.module.parameters())


BAD = {
    "rnn.l3.forget_gate=1": "Unknown layer “rnn.l3”. Choose one of these: rnn.l0.",
    "rnn.l0.reset_gate=1": "rnn.l0 has no reset_gate. Choose one of these: "
    "input_gate, forget_gate, candidate, output_gate, cell, hidden.",
    "rnn.l0.forget_gate[64]=1": "rnn.l0 has no unit 64. Choose one from 0 to 63.",
    "rnn.l0.ablate[64]=mean": "rnn.l0 has no unit 64",
    "rnn.l0.c0[64]=1": "rnn.l0 has no unit 64",
    "rnn.l0.forget_gate@900=1": "Time step 901 does not exist. The sequence ends at",
    "rnn.l0.forget_gate@1-900=1": "Time step 901 does not exist.",
    "rnn.l0.hidden@900<0:paris": "Time step 901 does not exist.",
    "rnn.l0.hidden@0<900:paris": "Time step 901 does not exist. The sequence ends at time step 1.",
    "rnn.l0.hidden@0<0:": "The input text is empty.",
    "token[900]=paris": "Time step 901 does not exist.",
    "token[900]-": "Time step 901 does not exist.",
    "token[900]+=paris": "Time step 901 does not exist.",
    "token[0]=in paris": "“in paris” consists of 2 tokens. Use exactly one token per edit.",
    "token[0]= ": "“ ” consists of 0 tokens. Use exactly one token per edit.",
}


@pytest.mark.parametrize("text", BAD)
def test_what_does_not_fit_is_told_in_one_sentence(networks, text):
    base = networks["recall-lstm"]
    with pytest.raises(Problem) as problem:
        run_edited(base, base.card.default.text, read_edits(text))
    assert str(problem.value).startswith(BAD[text]) and str(problem.value).endswith(".")


def test_a_state_that_a_cell_lacks(networks):
    with pytest.raises(Problem, match=r"has no cell\. Choose one of these: hidden"):
        run_edited(networks["recall-gru"], networks["recall-gru"].card.default.text, read_edits("rnn.l0.c0=1"))


def test_cells_and_packed_sequences_are_refused():
    class Loop(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell = nn.GRUCell(3, 4)

        def forward(self, x):
            return self.cell(x[:, 0])

    with pytest.raises(Problem, match="by the network's own code"):
        run(Loop(), torch.randn(1, 1, 3), "cell.l0.hidden=1")
    module = Net(layers=1).eval()
    made = build_clamp_schedules(read_edits("rnn.l0.hidden=1").interventions, parameters_of(module), 2, None, None)
    with pytest.raises(Problem, match="Values cannot be fixed in packed sequences"), intervene(module, made):
        module.rnn(nn.utils.rnn.pack_sequence([torch.randn(2, 3)]))
