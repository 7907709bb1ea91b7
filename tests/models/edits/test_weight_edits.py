"""Edits of weights, with torch beside them."""

import io
import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load
from torch import nn

from models import Problem, capture, load_network, run_network
from models.core.recorded_weights import RecordedWeights
from models.edits.edit import Edits, Place, WeightChange
from models.edits.edit_syntax import read_edits
from models.edits.edited_network import EditedNetwork, run_edited
from models.edits.matrix_csv import read_csv, write_csv
from models.edits.weight_edits import edited_layers, edited_module, parameters_of

KINDS = {"LSTM": nn.LSTM, "GRU": nn.GRU, "RNN": nn.RNN}


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """These networks are small: a second thread only waits, for long where the machine is busy."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Net(nn.Module):
    """A recurrent module and what reads it."""

    def __init__(self, kind="LSTM", units=4, layers=2, bidirectional=False, **options):
        super().__init__()
        self.rnn = KINDS[kind](3, units, num_layers=layers, bidirectional=bidirectional, batch_first=True, **options)
        self.head = nn.Linear((options.get("proj_size") or units) * (1 + bidirectional), 2)

    def forward(self, x):
        return self.head(self.rnn(x)[0])


def net(seed=0, **options):
    torch.manual_seed(seed)
    return Net(**options).eval()


def edited(module, text):
    return edited_module(module, read_edits(text).weights)


def state(module):
    return {name: values.clone() for name, values in module.state_dict().items()}


CHANGES = {
    "rnn.l0.weight_hh[forget_gate.1,2]=1": ("rnn.weight_hh_l0", lambda w: w[5, 2:3].fill_(1)),
    "rnn.l0.weight_hh[forget_gate.1]+=0.5": ("rnn.weight_hh_l0", lambda w: w[5].add_(0.5)),
    "rnn.l1.weight_ih[:,2]*=3": ("rnn.weight_ih_l1", lambda w: w[:, 2].mul_(3)),
    "rnn.l0.weight_hh[output_gate]=0": ("rnn.weight_hh_l0", lambda w: w[12:].zero_()),
    "rnn.l0.weight_hh[candidate,1]=2": ("rnn.weight_hh_l0", lambda w: w[8:12, 1].fill_(2)),
    "rnn.l0.weight_hh[3]=0": ("rnn.weight_hh_l0", lambda w: w[3::4].zero_()),
    "rnn.l0.weight_ih*=-1": ("rnn.weight_ih_l0", lambda w: w.neg_()),
    "rnn.l0.bias_hh[input_gate]=7": ("rnn.bias_hh_l0", lambda w: w[:4].fill_(7)),
    "head.weight[1,3]=7": ("head.weight", lambda w: w[1, 3:4].fill_(7)),
    "head.bias[1]+=7": ("head.bias", lambda w: w[1:].add_(7)),
    "rnn.l1_reverse.weight_hh[forget_gate.0,0]=9": ("rnn.weight_hh_l1_reverse", lambda w: w[4, :1].fill_(9)),
}


@pytest.mark.parametrize("text", CHANGES)
def test_what_is_changed_is_what_was_said_and_nothing_else(text):
    base = net(bidirectional=True)
    before = state(base)
    after = edited(base, text).state_dict()
    name, change = CHANGES[text]
    expected = dict(state(base))
    change(expected[name])
    assert all(torch.equal(after[key], expected[key]) for key in expected)
    assert all(torch.equal(before[key], values) for key, values in base.state_dict().items())
    assert not {values.data_ptr() for values in base.parameters()} & {each.data_ptr() for each in after.values()}


def smaller(base, unit, kind, units):
    """The module without a unit of one layer: rows and columns left out."""
    gates = len(base.rnn.weight_hh_l0) // units
    keep = [row for row in range(gates * units) if row % units != unit]
    others = [each for each in range(units) if each != unit]
    own = net(kind=kind, units=units - 1, layers=1)
    with torch.no_grad():
        own.rnn.weight_ih_l0.copy_(base.rnn.weight_ih_l0[keep])
        own.rnn.weight_hh_l0.copy_(base.rnn.weight_hh_l0[keep][:, others])
        own.rnn.bias_ih_l0.copy_(base.rnn.bias_ih_l0[keep])
        own.rnn.bias_hh_l0.copy_(base.rnn.bias_hh_l0[keep])
        own.head.weight.copy_(base.head.weight[:, others])
        own.head.bias.copy_(base.head.bias)
    return own


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("side", ["reads", "writes"])
@settings(max_examples=10)
@given(seed=st.integers(0, 1000), unit=st.integers(0, 3))
def test_zeroing_a_unit_is_removing_it(kind, side, seed, unit):
    base = net(seed, kind=kind, layers=1)
    x = torch.randn(2, 7, 3)
    zeroed = edited(base, f"rnn.l0.{side}[{unit}]=0")
    with torch.no_grad():
        torch.testing.assert_close(zeroed(x), smaller(base, unit, kind, 4)(x), rtol=1e-5, atol=1e-6)
    if side == "reads":
        with torch.no_grad(), capture(zeroed) as trace:
            zeroed(x)
        assert not trace.layers["rnn.l0"].hidden[..., unit].any()


def test_what_a_unit_writes_is_all_that_reads_it():
    base = net(bidirectional=True)
    after = edited(base, "rnn.l0_reverse.writes[2]=0").state_dict()
    touched = {name: before != after[name] for name, before in base.state_dict().items()}
    expected = {"rnn.weight_hh_l0_reverse": 2, "rnn.weight_ih_l1": 6, "rnn.weight_ih_l1_reverse": 6}
    for name, where in touched.items():
        assert where.any() == (name in expected)
        if name in expected:
            assert where[:, expected[name]].all() and where.sum() == len(where)
    top = edited(base, "rnn.l1_reverse.writes[2]=0").state_dict()
    assert not top["head.weight"][:, 6].any() and not top["rnn.weight_hh_l1_reverse"][:, 2].any()
    projected = net(proj_size=2)
    after = edited(projected, "rnn.l1.writes[3]=0").state_dict()
    assert not after["rnn.weight_hr_l1"][:, 3].any()
    assert torch.equal(after["head.weight"], projected.head.weight)


def test_the_forget_bias_is_one_bias():
    base = net()
    after = edited(base, "rnn.l1.forget_bias=1.5;rnn.l0.forget_bias[2]=3").state_dict()
    assert (after["rnn.bias_ih_l1"][4:8] == 1.5).all() and not after["rnn.bias_hh_l1"][4:8].any()
    assert after["rnn.bias_ih_l0"][6] == 3 and after["rnn.bias_hh_l0"][6] == 0
    assert torch.equal(after["rnn.bias_ih_l0"][:6], base.rnn.bias_ih_l0[:6])


@given(st.floats(0, 4, width=32), st.sampled_from(sorted(KINDS)), st.integers(0, 99))
def test_the_spectral_radius_is_that_of_numpy(radius, kind, seed):
    after = edited(net(seed, kind=kind), f"rnn.l0.weight_hh.radius={radius}").rnn.weight_hh_l0.detach().numpy()
    for block in after.reshape(-1, 4, 4):
        assert np.abs(np.linalg.eigvals(block)).max() == pytest.approx(radius, rel=1e-4, abs=1e-6)


def test_a_spectral_radius_of_one_block_leaves_the_others():
    base = net()
    after = edited(base, "rnn.l0.weight_hh[candidate].radius=2").rnn.weight_hh_l0
    same = (after == base.rnn.weight_hh_l0).all(dim=1)
    assert same.tolist() == [True] * 8 + [False] * 4 + [True] * 4


@given(st.integers(2, 12), st.integers(0, 99))
def test_rounded_weights_lie_on_the_levels_and_are_the_nearest(bits, seed):
    base = net(seed)
    after = edited(base, f"rnn.l0.weight_hh.bits={bits}").rnn.weight_hh_l0.detach().double()
    before = base.rnn.weight_hh_l0.detach().double()
    step = before.abs().max() / (2 ** (bits - 1) - 1)
    levels = after / step
    torch.testing.assert_close(levels, levels.round(), rtol=0, atol=1e-3)
    assert (after - before).abs().max() <= step / 2 * (1 + 1e-5)
    assert len(levels.round().unique()) <= 2**bits - 1


def test_noise_is_normal_and_the_same_for_a_seed():
    base = net(units=64)
    first, again, other = (
        edited(base, f"rnn.l0.weight_hh.noise=0.5/{seed}").rnn.weight_hh_l0 - base.rnn.weight_hh_l0
        for seed in (1, 1, 2)
    )
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert first.std().item() == pytest.approx(0.5, rel=0.05) and abs(first.mean()) < 0.02
    everywhere = edited(base, "rnn.l0.reads[3].noise=0.5/1").rnn
    assert not torch.equal(everywhere.weight_ih_l0[3], base.rnn.weight_ih_l0[3])


@given(st.integers(0, 99))
def test_a_matrix_goes_through_csv_exactly(seed):
    base = net(seed)
    edit = read_csv(write_csv(base.rnn.weight_hh_l0.detach().numpy()), "rnn.l1.weight_hh", (16, 4))
    bias = read_csv(write_csv(base.rnn.bias_hh_l0.detach().numpy()), "rnn.l1.bias_hh", (16,))
    after = edited_module(base, [edit, bias])
    assert torch.equal(after.rnn.weight_hh_l1, base.rnn.weight_hh_l0)
    assert torch.equal(after.rnn.bias_hh_l1, base.rnn.bias_hh_l0)


def test_csv_as_spreadsheets_write_it():
    for text in ("\ufeff1;2\r\n3;4\r\n", "1,2\n\n3, 4\n", "1\t2\n3\t4"):
        assert read_csv(text, "x", (2, 2)).values.tolist() == [[1, 2], [3, 4]]


def test_order_is_kept():
    base = net()
    first = edited(base, "rnn.l0.weight_hh+=1;rnn.l0.weight_hh*=2").rnn.weight_hh_l0
    second = edited(base, "rnn.l0.weight_hh*=2;rnn.l0.weight_hh+=1").rnn.weight_hh_l0
    assert torch.equal(first, (base.rnn.weight_hh_l0 + 1) * 2)
    assert torch.equal(second, base.rnn.weight_hh_l0 * 2 + 1)


def test_layers_are_edited_as_values():
    layers = {"rnn.l0": RecordedWeights.of("RNN", {"weight_ih": torch.ones(2, 1), "weight_hh": torch.eye(2)})}
    layers["rnn.l1"] = layers["rnn.l0"]
    after = edited_layers(layers, read_edits("rnn.l0.weight_hh.radius=3").weights)
    assert after["rnn.l0"].weight_hh.tolist() == [[3, 0], [0, 3]]
    assert after["rnn.l1"] is layers["rnn.l1"] and layers["rnn.l0"].weight_hh.tolist() == [[1, 0], [0, 1]]
    with pytest.raises(ValueError):
        after["rnn.l0"].weight_hh[0, 0] = 1


@pytest.mark.parametrize("name", ["python-lm", "recall-gru", "recall-rnn", "wave", "sentiment"])
def test_the_edited_trace_is_bit_for_bit_that_of_a_torch_module_with_those_weights(name):
    base = load_network(name)
    text = base.card.default.text
    edits = read_edits("rnn.l0.weight_hh[2]*=1.5;rnn.l0.weight_ih.noise=0.1/3;head.bias+=0.25")
    run = run_edited(base, text, edits)
    module = load_network(name).module
    with torch.no_grad():
        module.load_state_dict(load(EditedNetwork(base, edits).save()))
    with torch.no_grad(), capture(module) as trace:
        output = module(base.encode(text))[0]
    for layer in trace.layers:
        for quantity in trace.layers[layer]:
            assert np.array_equal(trace.layers[layer][quantity], run.trace.layers[layer][quantity])
    told = run.prediction.value if name == "wave" else run.prediction.probability
    assert np.array_equal(told, output.numpy() if name == "wave" else output.softmax(-1).numpy())
    # and undone, bit for bit what it was
    for undone in (Edits(), edits.switch(0, False).switch(1, False).switch(2, False)):
        back, first = run_edited(base, text, undone), run_network(base, text)
        for layer in first.trace.layers:
            for quantity in first.trace.layers[layer]:
                assert np.array_equal(first.trace.layers[layer][quantity], back.trace.layers[layer][quantity])


BAD = {
    "rnn.l9.weight_hh=1": "Unknown weights “rnn.l9.weight_hh”",
    "rnn.l9.reads[0]=1": "Unknown layer “rnn.l9”. Choose one of these: rnn.l0, rnn.l1.",
    "rnn.l0.weight_hh[reset_gate]=1": "has no reset_gate. Choose one of these: input_gate, forget_gate, candidate",
    "head.weight[forget_gate]=1": "head.weight has no forget_gate",
    "rnn.l0.weight_hh[forget_gate.4]=1": "rnn.l0 has no unit 4. Choose one from 0 to 3.",
    "rnn.l0.weight_hh[4]=1": "rnn.l0 has no unit 4",
    "rnn.l0.writes[4]=0": "rnn.l0 has no unit 4",
    "rnn.l0.reads=0": "rnn.l0 has no unit",
    "rnn.l0.weight_hh[:,4]=1": "rnn.l0.weight_hh has no column 4. Choose one from 0 to 3.",
    "rnn.l0.bias_hh[:,1]=1": "rnn.l0.bias_hh has no column 1",
    "head.weight[2]=1": "head.weight has no row 2. Choose one from 0 to 1.",
    "rnn.l0.weight_hh=0;rnn.l0.weight_hh.radius=1": "radius of rnn.l0.weight_hh is 0, so scaling cannot change it.",
    "rnn.l0.weight_hh.radius=-1": "The spectral radius must be 0 or more, not -1.",
    "rnn.l0.weight_ih.radius=1": "rnn.l0.weight_ih is not square",
    "rnn.l0.bias_ih.radius=1": "rnn.l0.bias_ih is not square",
    "rnn.l0.weight_hh[2].radius=1": "rnn.l0.weight_hh is not square",
    "rnn.l0.weight_hh.bits=1": "Weights can be rounded to between 2 and 24 bits, not to 1.",
    "rnn.l0.weight_hh.noise=-1/0": "The standard deviation of the noise must be 0 or more, not -1.",
    "rnn.l0.weight_hh=1e38;rnn.l0.weight_hh*=1e38": "With this change, values of rnn.l0.weight_hh overflow float32.",
}


@pytest.mark.parametrize("text", BAD)
def test_what_does_not_fit_is_told_in_one_sentence(text):
    base = net()
    before = state(base)
    with pytest.raises(Problem, match=re.escape(BAD[text])) as problem:
        edited(base, text)
    assert str(problem.value).endswith(".")
    assert all(torch.equal(before[key], values) for key, values in base.state_dict().items())


def test_a_nilpotent_matrix_has_radius_zero():
    base = net(kind="RNN")
    with torch.no_grad():
        base.rnn.weight_hh_l0.copy_(torch.triu(torch.ones(4, 4), 1))
    with pytest.raises(Problem, match="The spectral radius of"):
        edited(base, "rnn.l0.weight_hh.radius=1")


def test_other_cells_and_layers_without_biases():
    with pytest.raises(Problem, match=r"has no forget_gate\. Choose one of these: reset_gate"):
        edited(net(kind="GRU"), "rnn.l0.forget_bias=1")
    with pytest.raises(Problem, match="has no biases"):
        edited(net(bias=False), "rnn.l0.forget_bias=1")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("1,2\n3", "The number of values is 1 in row 2 of the CSV, but 2 in the first row."),
        ("1,2,3\n4,5,6", "The values have shape 2 × 3, but rnn.l0.weight_hh has shape 2 × 2."),
        ("", "The values have shape 0, but rnn.l0.weight_hh has shape 2 × 2."),
        ("1,x\n3,4", "“x” is not a finite number"),
        ("1,\n3,4", "row 1, column 2 of the CSV is missing"),
    ],
)
def test_a_csv_that_does_not_fit_is_told_in_one_sentence(text, sentence):
    with pytest.raises(Problem, match=sentence):
        read_csv(text, "rnn.l0.weight_hh", (2, 2))


def test_the_saved_file_has_the_names_of_pytorch():
    base = load_network("counter")
    edits = Edits().add(WeightChange(Place("rnn.l0.weight_hh", "forget_gate", 1, 0), "=", 5.0))
    tensors = load(EditedNetwork(base, edits).save())
    assert list(tensors) and set(tensors) == set(base.module.state_dict())
    assert tensors["rnn.weight_hh_l0"][3, 0] == 5
    assert b"rnn.l0.weight_hh[forget_gate.1,0]=5" in io.BytesIO(EditedNetwork(base, edits).save()).read(2000)


def test_cells_are_edited_too():
    cell = nn.LSTMCell(3, 4)
    after = edited(cell, "l0.weight_hh[forget_gate.1,2]=1")
    assert after.weight_hh[5, 2] == 1 and set(parameters_of(cell).own_names.values()) == set(cell.state_dict())
