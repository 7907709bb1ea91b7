"""Modules whose cells torch has no kernel for, beside torch's own where it has one, and beside the documented equations."""

from __future__ import annotations

import copy
import io

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils.rnn import pad_packed_sequence

from models import LayerWeights, capture, load_trace
from models.core.activations import ACTIVATIONS
from models.core.stepwise_modules import StepwiseGRU, StepwiseLSTM, StepwiseModule, StepwiseRNN, recurrent_module
from models.edits.edit_syntax import read_edits
from models.edits.interventions import build_clamp_schedules, intervene
from models.edits.weight_edits import edited_module, parameters_of
from tests.models.capturing.test_capture import build, cases, flat
from tests.support import oracle

STEPWISE = {"RNN": StepwiseRNN, "LSTM": StepwiseLSTM, "GRU": StepwiseGRU}
TORCH = {"RNN": nn.RNN, "LSTM": nn.LSTM, "GRU": nn.GRU}


def own(module, **options):
    """The same weights in a module that runs step by step."""
    kind = module.mode.partition("_")[0]
    names = ("num_layers", "bias", "batch_first", "dropout", "bidirectional", *(["proj_size"] * (kind == "LSTM")))
    shape = {name: getattr(module, name) for name in names}
    made = STEPWISE[kind](module.input_size, module.hidden_size, dtype=module.weight_hh_l0.dtype, **shape, **options)
    made.load_state_dict(module.state_dict(), strict=not options.keys() & {"peepholes", "norm", "multiplicative"})
    return made.train(module.training)


@pytest.mark.slow
@settings(max_examples=150)
@given(cases())
def test_with_torchs_activations_it_is_torchs_module(case):
    """Every shape, packed too, in double precision: output, last states, dropout and gradients."""
    module, args, _, _ = build(case | {"dtype": torch.float64})
    options = {"nonlinearity": module.nonlinearity} if case["kind"] == "RNN" else {}
    twin = own(module, **options)
    outputs, grads = [], []
    for each in (module, twin):
        torch.manual_seed(1)
        outputs.append(flat(each(*args)))
        each.zero_grad()
        sum((part * part).sum() for part in outputs[-1] if part.is_floating_point()).backward()
        grads.append([parameter.grad for parameter in each.parameters()])
    for found, expected in zip(outputs[1] + grads[1], outputs[0] + grads[0], strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


NORMS = st.none() | st.fixed_dictionaries({"norm": st.sampled_from([1e-5, 1e-3]), "cell_norm": st.booleans()})
NAMES = st.sampled_from(sorted(ACTIVATIONS))


@pytest.mark.slow
@settings(max_examples=150)
@given(
    cases(),
    NAMES,
    NAMES,
    st.booleans(),
    st.booleans(),
    st.booleans(),
    NORMS,
    st.none() | st.floats(0.1, 2),
    st.booleans(),
)
def test_every_gate_and_state_of_any_cell(
    case, activation, recurrent_activation, reset_after, peepholes, coupled, norms, clip, multiplicative
):
    case = case | {"dtype": torch.float64, "train": False}
    module, args, sequences, states = build(case)
    options = {"activation": activation, "recurrent_activation": recurrent_activation}
    if case["kind"] == "RNN":
        options = {"nonlinearity": activation}
    elif case["kind"] == "GRU":
        options["reset_after"] = reset_after
    else:
        options |= {"coupled": True} if coupled else {}
        if multiplicative and not module.proj_size:
            options["multiplicative"] = True
        else:
            options |= ({"peepholes": True} if peepholes else {}) | (norms or {})
    options |= {} if clip is None else {"clip": clip}
    module = own(module, **options)
    plain = flat(module(*args))
    assume(all(bool((values.abs() < 1e6).all()) for values in plain))  # without a bound states may outgrow every float
    with capture(module) as trace:
        output = flat(module(*args))
    assert all(map(torch.equal, plain, output))
    ways = ("", "_reverse")[: 1 + module.bidirectional]
    assert list(trace.layers) == [f"l{level}{way}" for level in range(module.num_layers) for way in ways]
    for row, x in enumerate(sequences):
        for level in range(module.num_layers):
            hidden = []
            for way, suffix in enumerate(ways):
                seen = trace.layers[f"l{level}{suffix}"]
                assert seen.weights.options == options
                weights = oracle.weights_of(module, f"_l{level}{suffix}")
                start = tuple(state[level * len(ways) + way, row] for state in states)
                expected = oracle.layer(case["kind"], weights, x, start, way == 1, **options)
                hidden.append(expected["hidden"])
                assert set(expected) == set(seen.quantities)
                for name, values in expected.items():
                    # They may grow far beyond 1.
                    tolerance = 1e-9 * max(1.0, float(values.abs().max()))
                    torch.testing.assert_close(
                        torch.tensor(seen[name][row, : len(x)]), values, rtol=0, atol=tolerance, equal_nan=True
                    )
            x = torch.cat(hidden, -1)


@pytest.mark.parametrize("kind", TORCH)
def test_torch_runs_what_it_can(kind):
    usual = {
        "RNN": {"nonlinearity": "relu"},
        "LSTM": {"activation": "tanh", "recurrent_activation": "sigmoid"},
        "GRU": {"activation": "tanh", "recurrent_activation": "sigmoid", "reset_after": True},
    }[kind]
    assert type(recurrent_module(kind, 3, 4, usual, num_layers=2)) is TORCH[kind]
    for name in usual:
        other = False if name == "reset_after" else "hard_sigmoid"
        made = recurrent_module(kind, 3, 4, usual | {name: other}, num_layers=2)
        assert isinstance(made, StepwiseModule) and isinstance(made, TORCH[kind]) and made.num_layers == 2


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("RNN", {"nonlinearity": "softsign"}),
        ("LSTM", {"activation": "relu", "recurrent_activation": "hard_sigmoid"}),
        ("GRU", {"activation": "tanh", "recurrent_activation": "sigmoid", "reset_after": False}),
        ("LSTM", {"activation": "tanh", "recurrent_activation": "sigmoid", "clip": 0.5, "peepholes": True}),
        ("LSTM", {"activation": "tanh", "recurrent_activation": "sigmoid", "norm": 1e-5, "cell_norm": True}),
        ("LSTM", {"activation": "tanh", "recurrent_activation": "sigmoid", "coupled": True}),
        ("LSTM", {"activation": "tanh", "recurrent_activation": "sigmoid", "multiplicative": True}),
    ],
)
def test_weights_to_a_module_and_back(kind, options):
    torch.manual_seed(0)
    module = STEPWISE[kind](3, 4, batch_first=True, **options)
    x = torch.randn(2, 6, 3)
    with capture(module) as trace:
        output = module(x)[0]
    weights = trace.layers["l0"].weights
    assert isinstance(weights, LayerWeights) and weights.options == options
    again = weights.to_module()
    assert type(again) is type(module) and torch.equal(again(x)[0], output)
    assert torch.equal(copy.deepcopy(module)(x)[0], output)
    file = io.BytesIO()
    trace.save(file)
    file.seek(0)
    assert load_trace(file).layers["l0"].weights.options == options


def test_packed_sequences_come_back_packed():
    torch.manual_seed(0)
    module = StepwiseGRU(3, 4, batch_first=True, bidirectional=True, reset_after=False)
    sequences = [torch.randn(n, 3) for n in (2, 5, 3)]
    output, last = module(nn.utils.rnn.pack_sequence(sequences, enforce_sorted=False))
    padded, lengths = pad_packed_sequence(output, batch_first=True)
    assert lengths.tolist() == [2, 5, 3]
    for row, x in enumerate(sequences):
        alone, ends = module(x[None])
        torch.testing.assert_close(padded[row, : len(x)], alone[0])
        torch.testing.assert_close(last[:, row], ends[:, 0])


class Net(nn.Module):
    """Two levels of an unusual cell, and what reads them."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.rnn = StepwiseLSTM(3, 4, num_layers=2, batch_first=True, recurrent_activation="hard_sigmoid")
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.rnn(x)[0])


@pytest.mark.parametrize("layer", ["rnn.l0", "rnn.l1"])
def test_a_gate_can_be_held_and_a_weight_changed(layer):
    module, x = Net().eval(), torch.randn(1, 6, 3)
    edits = read_edits(f"{layer}.weight_hh[candidate.1,2]+=0.5;{layer}.forget_gate[1]@2-4=0")
    changed = edited_module(module, edits.weights)
    assert changed.rnn.kernel.options == module.rnn.kernel.options

    def plain():
        with torch.no_grad(), capture(changed) as trace:
            changed(x)
        return trace

    with intervene(
        changed, build_clamp_schedules(edits.interventions, parameters_of(changed), 6, plain, lambda _: plain())
    ) as run:
        output = changed(x)
    given = x[0]
    for name in ("rnn.l0", "rnn.l1"):
        weights = oracle.weights_of(module.rnn, f"_{name[4:]}")
        if name == layer:
            weights["weight_hh"][2 * 4 + 1, 2] += 0.5
        h = c = torch.zeros(4)
        states = []
        for t, vector in enumerate(given):
            now = oracle.step("LSTM", weights, vector, (h, c), recurrent_activation="hard_sigmoid")
            if name == layer and 2 <= t <= 4:
                now["forget_gate"][1] = 0
            c = now["forget_gate"] * c + now["input_gate"] * now["candidate"]
            h = now["output_gate"] * torch.tanh(c)
            states.append(h)
        given = torch.stack(states)
        np.testing.assert_allclose(run.trace.layers[name].hidden[0], given.detach(), rtol=0, atol=1e-6)
    torch.testing.assert_close(output[0], module.head(given))


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("kind", TORCH)
def test_a_layer_that_runs_backwards_alone(kind, packed):
    """Its states equal those of the backward direction of torch's bidirectional module, by position."""
    torch.manual_seed(0)
    both = TORCH[kind](3, 4, batch_first=True, bidirectional=True)
    usual = {"RNN": {"nonlinearity": "tanh"}}.get(kind, {"activation": "tanh", "recurrent_activation": "sigmoid"})
    module = recurrent_module(
        kind, 3, 4, usual | ({"reset_after": True} if kind == "GRU" else {}), reverse=True, batch_first=True
    )
    for name, values in both.named_parameters():
        if name.endswith("_reverse"):
            getattr(module, name.removesuffix("_reverse")).data.copy_(values.data)
    x = torch.randn(2, 5, 3, requires_grad=True)
    given = torch.nn.utils.rnn.pack_padded_sequence(x, torch.tensor([5, 3]), batch_first=True) if packed else x
    with capture(both) as expected, capture(module) as trace:
        (_, last), (output, own_last) = both(given), module(given)
        (output.data if packed else output).sum().backward()
    for one, other in zip(*(states if kind == "LSTM" else (states,) for states in (last, own_last)), strict=True):
        torch.testing.assert_close(other[0], one[1], rtol=0, atol=1e-6)
    wanted, seen = expected.layers["l0_reverse"], trace.layers["l0"]
    assert seen.reverse and list(trace.layers) == ["l0"]
    valid = torch.ones(2, 5, dtype=torch.bool) if not packed else torch.tensor([[1] * 5, [1, 1, 1, 0, 0]]).bool()
    for name in wanted.quantities:
        values = torch.tensor(wanted[name]), torch.tensor(seen[name])
        torch.testing.assert_close(values[1][valid], values[0][valid], rtol=0, atol=1e-6)
    assert torch.tensor(seen.hidden_grad)[valid].abs().min() > 0  # every step's gradient arrived
