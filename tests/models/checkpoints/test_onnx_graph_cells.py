"""Recurrent cells that an ONNX graph writes out: found by its edges, run by a module that capture records, and right."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from torch import nn

from models import capture
from models.checkpoints import load_checkpoint
from tests.support.onnx_models import built, compare, model_of

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper  # noqa: E402

CELLS = {"RNN": nn.RNNCell, "LSTM": nn.LSTMCell, "GRU": nn.GRUCell}
B, T = 2, 4
made = np.random.default_rng(0)


def f(*shape):
    return made.normal(0, 0.6, shape).astype(np.float32)


class Unrolled(nn.Module):
    """A cell in a Python loop, which exporters write out step by step."""

    def __init__(self, kind, inputs, units):
        super().__init__()
        torch.manual_seed(0)
        self.cell, self.head, self.units = CELLS[kind](inputs, units), nn.Linear(units, 2), units

    def forward(self, x):
        hidden = cell = x.new_zeros(x.shape[0], self.units)
        outputs = []
        for step in range(T):
            if isinstance(self.cell, nn.LSTMCell):
                hidden, cell = self.cell(x[:, step], (hidden, cell))
            else:
                hidden = self.cell(x[:, step], hidden)
            outputs.append(hidden)
        return torch.stack(outputs, 1), self.head(hidden)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", CELLS)
@pytest.mark.parametrize(("inputs", "units"), [(3, 4), (4, 4)])
def test_an_unrolled_cell(kind, inputs, units):
    net = Unrolled(kind, inputs, units).eval()
    file, x = io.BytesIO(), f(B, T, inputs)
    torch.onnx.export(net, (torch.tensor(x),), file, dynamo=False, input_names=["x"], dynamic_axes={"x": {0: "batch"}})
    data = file.getvalue()
    module = compare(data, {"x": x})
    assert module.recurrent_layers == ("cell.l0",)
    with torch.no_grad(), capture(module) as trace, capture(net) as wanted:
        module(torch.tensor(x))
        states, _ = net(torch.tensor(x))
    np.testing.assert_allclose(trace.layers["cell.l0"].hidden, states, rtol=0, atol=1e-6)
    for name in wanted.layers["cell.l0"].quantities:
        np.testing.assert_allclose(trace.layers["cell.l0"][name], wanted.layers["cell.l0"][name], rtol=0, atol=1e-5)
    layer = load_checkpoint(data).layers["cell.l0"]
    for name, values in net.cell.named_parameters():
        torch.testing.assert_close(layer.tensors[name], values.detach(), rtol=0, atol=0)


def lstm_step(x, h, c, prefix="", forget_bias=None, outputs=("h_next", "c_next"), transposed=True, order="ijfo"):
    """TensorFlow's cell: one product of the input and the state together, and a constant for the forget gate."""
    own = {
        name: f"{prefix}{name}"
        for name in ("both", "sum", "z", "i", "j", "f", "o", "ff", "ii", "jj", "oo", "fc", "ij", "t")
    }
    parts = [own[name] for name in order]
    nodes = [
        helper.make_node("Concat", [x, h], [own["both"]], axis=1),
        helper.make_node("MatMul", [own["both"], "kernel"], [own["z"]]),
        helper.make_node("Add", [own["z"], "bias"], [own["sum"]]),
        helper.make_node("Split", [own["sum"]], parts, axis=1, num_outputs=4),
    ]
    forget = own["f"]
    if forget_bias is not None:
        nodes.append(helper.make_node("Add", [own["f"], "one"], [f"{prefix}fb"]))
        forget = f"{prefix}fb"
    nodes += [
        helper.make_node("Sigmoid", [forget], [own["ff"]]),
        helper.make_node("Sigmoid", [own["i"]], [own["ii"]]),
        helper.make_node("Tanh", [own["j"]], [own["jj"]]),
        helper.make_node("Sigmoid", [own["o"]], [own["oo"]]),
        helper.make_node("Mul", [c, own["ff"]], [own["fc"]]),
        helper.make_node("Mul", [own["ii"], own["jj"]], [own["ij"]]),
        helper.make_node("Add", [own["ij"], own["fc"]], [outputs[1]]),
        helper.make_node("Tanh", [outputs[1]], [own["t"]]),
        helper.make_node("Mul", [own["t"], own["oo"]], [outputs[0]]),
    ]
    return nodes


def tensorflow_loop(inputs, units, op):
    """The cell in the body of a Loop or Scan."""
    constants = {"kernel": f(inputs + units, 4 * units), "bias": f(4 * units), "one": np.ones((), np.float32)}
    x, h, c = f(T, B, inputs), f(B, units), f(B, units)
    nodes = lstm_step("row", "h", "c", forget_bias=1.0)
    state = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [B, units]) for name in ("h", "c")]
    after = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [B, units]) for name in ("h_next", "c_next", "kept")
    ]
    nodes.append(helper.make_node("Identity", ["h_next"], ["kept"]))
    if op == "Scan":
        row = helper.make_tensor_value_info("row", TensorProto.FLOAT, [B, inputs])
        body = helper.make_graph(nodes, "body", [*state, row], after)
        node = helper.make_node("Scan", ["h0", "c0", "x"], ["hT", "cT", "all"], body=body, num_scan_inputs=1)
    else:
        counter = helper.make_tensor_value_info("step", TensorProto.INT64, [])
        flags = [helper.make_tensor_value_info(name, TensorProto.BOOL, []) for name in ("on", "still")]
        nodes = [
            helper.make_node("Gather", ["x", "step"], ["row"]),
            helper.make_node("Identity", ["on"], ["still"]),
            *nodes,
        ]
        body = helper.make_graph(nodes, "body", [counter, flags[0], *state], [flags[1], *after])
        node = helper.make_node("Loop", ["steps", "", "h0", "c0"], ["hT", "cT", "all"], body=body)
        constants["steps"] = np.array(T)
    feed = {"x": x, "h0": h, "c0": c}
    return model_of([node], feed, ["hT", "cT", "all"], constants), feed, constants


@pytest.mark.parametrize("op", ["Scan", "Loop"])
@pytest.mark.parametrize("units", [3, 4])
def test_a_cell_in_a_loop(op, units):
    data, feed, constants = tensorflow_loop(3, units, op)
    module = compare(data, feed)
    assert module.recurrent_layers == ("lstm.l0",)
    with torch.no_grad(), capture(module) as trace:
        states = module(*(torch.tensor(feed[each.name]) for each in module.inputs))[2]
    np.testing.assert_allclose(trace.layers["lstm.l0"].hidden.swapaxes(0, 1), states, rtol=0, atol=1e-6)
    layer = load_checkpoint(data).layers["lstm.l0"]
    place = {"input_gate": 0, "candidate": 1, "forget_gate": 2, "output_gate": 3}
    for gate, index in place.items():
        columns = slice(index * units, (index + 1) * units)
        assert np.array_equal(layer.rows("weight_ih", gate), constants["kernel"][:3, columns].T)
        assert np.array_equal(layer.rows("weight_hh", gate), constants["kernel"][3:, columns].T)
        wanted = constants["bias"][columns] + (gate == "forget_gate")
        np.testing.assert_allclose(layer.rows("bias_ih", gate) + layer.rows("bias_hh", gate), wanted, atol=1e-7)


def step_model(inputs, units, source="state", extra=()):
    """One step, as a file for streaming has it; both states come from one input, or each from its own."""
    constants = {"kernel": f(inputs + units, 4 * units), "bias": f(4 * units), "zero": np.array(0), "one_": np.array(1)}
    feed = {"x": f(B, inputs)}
    nodes = []
    if source == "state":
        feed["state"] = f(2, B, units)
        nodes = [helper.make_node("Gather", ["state", name], [out]) for name, out in (("zero", "h"), ("one_", "c"))]
    else:
        feed |= {"h": f(B, units), "c": f(B, units)}
    nodes += lstm_step("x", "h", "c")
    return model_of([*nodes, *extra], feed, ["h_next", "c_next", *(node.output[0] for node in extra)], constants), feed


def test_a_single_step():
    data, feed = step_model(4, 4)
    assert compare(data, feed).recurrent_layers == ("lstm.l0",)


def test_a_step_whose_hidden_state_is_not_proved_is_no_cell():
    """Input and state are as wide and come from inputs of their own: the plain operators run, and nothing is claimed."""
    data, feed = step_model(4, 4, "own")
    module = compare(data, feed)
    assert module.recurrent_layers == () and not load_checkpoint(data).layers


def test_gates_that_are_used_elsewhere_are_computed_too():
    extra = [
        helper.make_node("ReduceMean", ["ff"], ["mean"], keepdims=0),
        helper.make_node("Neg", ["sum"], ["negative"]),
    ]
    data, feed = step_model(4, 4, extra=extra)
    assert compare(data, feed).recurrent_layers == ("lstm.l0",)


def gru_step(reset_after, form, activation="Tanh"):
    """One step of a GRU with a matrix for each gate; the state is fed back by a Scan."""
    constants = {}
    nodes = []

    def affine(value, name, width):
        constants[f"{name}_w"], constants[f"{name}_b"] = f(4, width), f(4)
        nodes.append(helper.make_node("Gemm", [value, f"{name}_w", f"{name}_b"], [name], transB=1))
        return name

    for gate in "rz":
        both = [affine("row", f"x{gate}", 4), affine("h", f"h{gate}", 4)]
        nodes.append(helper.make_node("Add", both, [f"a{gate}"]))
        nodes.append(helper.make_node("Sigmoid", [f"a{gate}"], [gate]))
    if reset_after:
        nodes.append(helper.make_node("Mul", ["r", affine("h", "hn", 4)], ["gated"]))
    else:
        nodes.append(helper.make_node("Mul", ["r", "h"], ["rh"]))
        affine("rh", "gated", 4)
    nodes.append(helper.make_node("Add", [affine("row", "xn", 4), "gated"], ["an"]))
    nodes.append(helper.make_node(activation, ["an"], ["n"]))
    if form == "difference":
        steps = [("Sub", ["h", "n"], "d"), ("Mul", ["z", "d"], "zd"), ("Add", ["n", "zd"], "next")]
    else:
        steps = [
            ("Sub", ["ones", "z"], "left"),
            ("Mul", ["left", "n"], "new"),
            ("Mul", ["z", "h"], "old"),
            ("Add", ["old", "new"], "next"),
        ]
        constants["ones"] = np.ones((), np.float32)
    nodes += [helper.make_node(op, given, [out]) for op, given, out in steps]
    nodes.append(helper.make_node("Identity", ["next"], ["kept"]))
    infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [B, 4]) for name in ("h", "row", "next", "kept")]
    body = helper.make_graph(nodes, "body", infos[:2], infos[2:])
    node = helper.make_node("Scan", ["h0", "x"], ["hT", "all"], body=body, num_scan_inputs=1)
    feed = {"x": f(T, B, 4), "h0": f(B, 4)}
    return model_of([node], feed, ["hT", "all"], constants), feed


@pytest.mark.parametrize("reset_after", [True, False])
@pytest.mark.parametrize("form", ["difference", "sum"])
@pytest.mark.parametrize("activation", ["Tanh", "Relu"])
def test_forms_of_a_gru(reset_after, form, activation):
    data, feed = gru_step(reset_after, form, activation)
    module = compare(data, feed)
    assert module.recurrent_layers == ("gru.l0",)
    layer = load_checkpoint(data).layers["gru.l0"]
    assert layer.reset_after is reset_after and layer.activation == activation.lower()
    with torch.no_grad(), capture(module) as trace:
        states = module(*(torch.tensor(feed[each.name]) for each in module.inputs))[1]
    np.testing.assert_allclose(trace.layers["gru.l0"].hidden.swapaxes(0, 1), states, rtol=0, atol=1e-6)


def test_dense_layers_that_look_like_cells_are_none():
    """A highway layer, gated as a GRU, and two dense layers added and squashed, as an RNN: neither has a state."""
    constants = {name: f(4, 4) for name in ("a", "b", "c", "d")} | {"ones": np.ones((), np.float32)}
    nodes = [
        helper.make_node("MatMul", ["x", "a"], ["xa"]),
        helper.make_node("Sigmoid", ["xa"], ["z"]),
        helper.make_node("MatMul", ["x", "b"], ["xb"]),
        helper.make_node("Tanh", ["xb"], ["n"]),
        helper.make_node("Sub", ["ones", "z"], ["left"]),
        helper.make_node("Mul", ["left", "n"], ["new"]),
        helper.make_node("Mul", ["z", "x"], ["old"]),
        helper.make_node("Add", ["old", "new"], ["mixed"]),
        helper.make_node("MatMul", ["mixed", "c"], ["mc"]),
        helper.make_node("MatMul", ["x", "d"], ["xd"]),
        helper.make_node("Add", ["mc", "xd"], ["added"]),
        helper.make_node("Tanh", ["added"], ["y"]),
    ]
    data = model_of(nodes, {"x": f(B, 4)}, ["y"], constants)
    assert compare(data, {"x": f(B, 4)}).recurrent_layers == ()
    assert not load_checkpoint(data).layers


def test_states_along_another_axis_are_refused_where_they_run():
    """Split along axis 1 is along the last axis only of a value with two axes."""
    data, _ = step_model(4, 4)
    module = built(data)
    with pytest.raises(Exception, match="cannot be computed from these inputs"):
        module(torch.zeros(B, 4, 4), torch.zeros(2, B, 4))
