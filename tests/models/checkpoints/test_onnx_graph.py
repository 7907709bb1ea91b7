"""Whole ONNX networks: the output of the network built from the graph equals onnxruntime's, or the first node is named."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models import capture
from models.checkpoints import CheckpointError, load_checkpoint
from models.checkpoints.graphs import onnx_control, onnx_program, onnx_registry
from tests.support.onnx_models import built, compare, model_of, run

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

GATES = {"RNN": 1, "LSTM": 4, "GRU": 3}
B, T, V = 2, 6, 9


class Drawing:
    """Nodes of a network that is drawn layer by layer; the value at hand is (B, T, width)."""

    def __init__(self, seed, ids):
        self.made = np.random.default_rng(seed)
        self.nodes, self.constants, self.layers = [], {}, 0
        self.width = 4
        if ids:
            self.feed = {"x": self.made.integers(0, V, (B, T))}
            self.value = self.node("Gather", self.constant(V, self.width), "x")
        else:
            self.feed = {"x": self.floats(B, T, self.width)}
            self.value = "x"
        self.earlier = [(self.value, self.width)]

    def floats(self, *shape):
        return self.made.normal(0, 0.6, shape).astype(np.float32)

    def keep(self, values):
        name = f"c{len(self.constants)}"
        self.constants[name] = np.asarray(values)
        return name

    def constant(self, *shape):
        return self.keep(self.floats(*shape))

    def node(self, op, *inputs, outputs=1, **options):
        names = [f"v{len(self.nodes)}_{index}" for index in range(outputs)]
        self.nodes.append(
            helper.make_node(op, inputs, names, name=f"/layer{self.layers}/{op}_{len(self.nodes)}", **options)
        )
        return names[0]

    def recurrent(self, kind, direction, pick):
        count = 2 if direction == "bidirectional" else 1
        units = 3 + pick
        rows = GATES[kind] * units
        matrices = self.constant(count, rows, self.width), self.constant(count, rows, units)
        inputs = [self.node("Transpose", self.value, perm=[1, 0, 2]), *matrices, self.constant(count, 2 * rows)]
        y = self.node(kind, *inputs, hidden_size=units, direction=direction)
        y = self.node("Transpose", y, perm=[2, 0, 1, 3])
        self.width = count * units
        self.value = self.node("Reshape", y, self.keep(np.array([0, 0, self.width])))

    def dense(self, op):
        width = self.made.integers(2, 6)
        if op == "Gemm":
            rows = self.node("Reshape", self.value, self.keep(np.array([-1, self.width])))
            rows = self.node("Gemm", rows, self.constant(width, self.width), self.constant(width), transB=1)
            self.value = self.node("Reshape", rows, self.keep(np.array([-1, T, width])))
        else:
            product = self.node("MatMul", self.value, self.constant(self.width, width))
            self.value = self.node("Add", product, self.constant(width))
        self.width = int(width)

    def convolution(self, pick):
        width = 2 + pick
        x = self.node("Transpose", self.value, perm=[0, 2, 1])
        x = self.node("Conv", x, self.constant(width, self.width, 3), self.constant(width), pads=[1, 1])
        if pick == 1:
            x = self.node(
                "BatchNormalization", x, *(self.constant(width) for _ in range(3)), self.keep(np.ones(width, "f4"))
            )
        if pick == 2:
            x = self.node("MaxPool", x, kernel_shape=[3], pads=[1, 1])
        self.value, self.width = self.node("Transpose", x, perm=[0, 2, 1]), width

    def plain(self, pick):
        x = self.value
        match pick:
            case 0:
                self.value = self.node("LayerNormalization", x, self.constant(self.width), self.constant(self.width))
            case 1:
                self.value = self.node("Tanh", x)
            case 2:
                self.value = self.node("Mul", x, self.node("Sigmoid", x))
            case 3:
                self.value = self.node("Dropout", x)
            case 4:  # attention over the steps
                scores = self.node("MatMul", x, self.node("Transpose", x, perm=[0, 2, 1]))
                self.value = self.node("MatMul", self.node("Softmax", scores), x)
            case 5:  # the first half of the values, padded again
                half = self.node("Slice", x, *(self.keep(np.array([each])) for each in (0, T // 2, 1)))
                self.value = self.node("Pad", half, self.keep(np.array([0, 0, 0, 0, T - T // 2, 0])), mode="edge")

    def branch(self):
        """Add or join what an earlier layer returned."""
        other, width = self.earlier[self.made.integers(len(self.earlier))]
        if width == self.width:
            self.value = self.node("Add", self.value, other)
        else:
            self.value, self.width = self.node("Concat", self.value, other, axis=-1), self.width + width

    def readout(self, how):
        if how == "last":
            self.value = self.node("Gather", self.value, self.keep(np.array(-1)), axis=1)
        elif how != "all":
            self.value = self.node(how, self.value, self.keep(np.array([1])), keepdims=0)


LAYERS = st.one_of(
    st.tuples(
        st.just("recurrent"), st.sampled_from(sorted(GATES)), st.sampled_from(["forward", "reverse", "bidirectional"]),
        st.integers(0, 2),
    ),
    st.tuples(st.just("dense"), st.sampled_from(["Gemm", "MatMul"])),
    st.tuples(st.just("convolution"), st.integers(0, 2)),
    st.tuples(st.just("plain"), st.integers(0, 5)),
    st.tuples(st.just("branch")),
)  # fmt: skip


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 1000),
    ids=st.booleans(),
    layers=st.lists(LAYERS, min_size=1, max_size=6),
    how=st.sampled_from(["all", "last", "ReduceMean", "ReduceMax"]),
    unknown=st.none() | st.none() | st.integers(0, 5),
)
def test_a_network_of_any_layers(seed, ids, layers, how, unknown):
    net = Drawing(seed, ids)
    for index, (name, *arguments) in enumerate(layers):
        net.layers = index
        if unknown == index:
            net.value = net.node("Bernoulli", net.value)
        getattr(net, name)(*arguments)
        net.earlier.append((net.value, net.width))
    net.readout(how)
    data = model_of(net.nodes, net.feed, [net.value], net.constants)
    if unknown is not None and unknown < len(layers):
        with pytest.raises(
            CheckpointError, match=rf"/layer{unknown}/Bernoulli_\d+ has the type Bernoulli, which cannot be run"
        ):
            load_checkpoint(data).graph()
        return
    module = compare(data, net.feed)
    assert module.left_out == () and module.inputs[0].kind == ("ids" if ids else "values")
    assert module.inputs[0].vocabulary == (V if ids else None)
    recurrent = [layer for layer in layers if layer[0] == "recurrent"]
    assert len(module.layers) == sum(1 + (direction == "bidirectional") for _, _, direction, _ in recurrent)
    if recurrent:
        with torch.no_grad(), capture(module) as trace:
            module(torch.tensor(net.feed["x"]))
        assert tuple(trace.layers) == module.layers


X = np.random.default_rng(0).normal(size=(2, 3)).astype(np.float32)


def branch(name, nodes, output):
    """A graph without inputs of its own."""
    return helper.make_graph(nodes, name, [], [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)])


def choice(then, otherwise, condition="flag"):
    return helper.make_node(
        "If",
        [condition],
        ["y"],
        name="/if",
        then_branch=branch("then", then, "a"),
        else_branch=branch("else", otherwise, "b"),
    )


@pytest.mark.parametrize("flag", [True, False])
def test_of_two_branches_the_one_taken_runs(flag):
    """The other one could not even be computed from this input."""
    fails = helper.make_node("Reshape", ["x", "shape"], ["b"])
    node = choice([helper.make_node("Tanh", ["x"], ["a"])], [fails if flag else helper.make_node("Relu", ["x"], ["b"])])
    feed = {"x": X, "flag": np.array(flag)}
    compare(model_of([node], feed, ["y"], {"shape": np.array([7])}), feed)


def test_a_branch_that_is_never_taken_need_not_be_known():
    node = choice(
        [helper.make_node("Tanh", ["x"], ["a"])], [helper.make_node("Bernoulli", ["x"], ["b"], name="/other")]
    )
    compare(model_of([node], {"x": X}, ["y"], {"flag": np.array(True)}), {"x": X})
    with pytest.raises(CheckpointError, match="/other has the type Bernoulli"):
        built(model_of([node], {"x": X, "flag": np.array(True)}, ["y"]))


def value(name, kind=TensorProto.FLOAT, shape=None):
    return helper.make_tensor_value_info(name, kind, shape)


def counting_loop(most, limit):
    """Add x to a sum, keep each sum, until the sum's maximum passes ``limit``."""
    nodes = [
        helper.make_node("Add", ["sum", "x"], ["next"]),
        helper.make_node("ReduceMax", ["next"], ["highest"], keepdims=0),
        helper.make_node("Less", ["highest", "limit"], ["going_on"]),
        helper.make_node("Identity", ["next"], ["kept"]),
    ]
    body = helper.make_graph(
        nodes, "body", [value("i", TensorProto.INT64, []), value("going", TensorProto.BOOL, []), value("sum")],
        [value("going_on", TensorProto.BOOL, []), value("next"), value("kept")],
    )  # fmt: skip
    node = helper.make_node("Loop", ["most", "", "x"], ["total", "all"], name="/loop", body=body)
    feed = {"x": np.abs(X) + 0.1, "most": np.array(most)}
    return model_of([node], feed, ["total", "all"], {"limit": np.array(limit, np.float32)}), feed


@pytest.mark.parametrize(("most", "limit"), [(4, 1e6), (50, 3.0), (0, 1e6)])
def test_loops(most, limit):
    data, feed = counting_loop(most, limit)
    if most:
        compare(data, feed)
    else:
        assert np.array_equal(run(built(data), feed)[0], feed["x"])


def test_loops_are_bounded(monkeypatch):
    data, feed = counting_loop(1 << 40, 1e9)
    monkeypatch.setattr(onnx_control, "MAX_ITERATIONS", 20)
    with pytest.raises(CheckpointError, match="/loop is run too often in a loop"):
        run(built(data), feed)
    monkeypatch.setattr(onnx_control, "MAX_ITERATIONS", 1 << 30)
    monkeypatch.setattr(onnx_program, "MAX_STEPS", 50)
    with pytest.raises(CheckpointError, match="is run too often in a loop"):
        run(built(data), feed)


@pytest.mark.parametrize("backwards", [0, 1])
def test_scan(backwards):
    nodes = [
        helper.make_node("Add", ["state", "row"], ["next"]),
        helper.make_node("Mul", ["next", "row"], ["out"]),
    ]
    body = helper.make_graph(
        nodes, "body", [value("state", shape=[2]), value("row", shape=[2])],
        [value("next", shape=[2]), value("out", shape=[2])],
    )  # fmt: skip
    node = helper.make_node(
        "Scan", ["first", "x"], ["last", "all"], body=body, num_scan_inputs=1, scan_input_axes=[1],
        scan_input_directions=[backwards], scan_output_axes=[1], scan_output_directions=[backwards],
    )  # fmt: skip
    feed = {"x": X, "first": X[:, 0].copy()}
    compare(model_of([node], feed, ["last", "all"]), feed)


def test_functions_of_the_model():
    """A function with an attribute, called twice, in a branch too; another one calls it."""
    body = [
        helper.make_node("Elu", ["p"], ["q"]),
        helper.make_node("Add", ["q", "p"], ["r"]),
    ]
    body[0].attribute.append(onnx.AttributeProto(name="alpha", ref_attr_name="alpha", type=onnx.AttributeProto.FLOAT))
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("own", 1)]
    inner = helper.make_function("own", "Inner", ["p"], ["r"], body, opsets, ["alpha"])
    calls = [
        helper.make_node("Inner", ["p"], ["m"], domain="own", alpha=0.3),
        helper.make_node("Inner", ["m"], ["r"], domain="own"),
    ]
    outer = helper.make_function("own", "Outer", ["p"], ["r"], calls, opsets)
    node = choice(
        [helper.make_node("Outer", ["x"], ["a"], domain="own")],
        [helper.make_node("Inner", ["x"], ["b"], domain="own", alpha=0.5)],
    )
    for flag in (True, False):
        feed = {"x": X, "flag": np.array(flag)}
        compare(model_of([node], feed, ["y"], functions=[inner, outer], domains=["own"]), feed)


def test_inputs_are_checked_and_converted():
    data = model_of(
        [helper.make_node("MatMul", ["x", "w"], ["y"], name="/product")], {"x": X}, ["y"], {"w": X.T.copy()}
    )
    module = built(data)
    assert module(torch.tensor(X, dtype=torch.float64)).dtype == torch.float32
    with pytest.raises(TypeError, match="1 inputs, not 2"):
        module(torch.tensor(X), torch.tensor(X))
    with pytest.raises(CheckpointError, match=r"/product cannot be computed from these inputs \(.*\)\."):
        module(torch.zeros(2, 5))


def test_a_value_that_doubles_is_bounded(monkeypatch):
    monkeypatch.setattr(onnx_registry, "MAX_ELEMENTS", 1000)
    nodes = [
        helper.make_node("Concat", [f"x{i}", f"x{i}"], [f"x{i + 1}"], axis=0, name=f"/twice{i}") for i in range(40)
    ]
    module = built(model_of(nodes, {"x0": X}, ["x40"]))
    with pytest.raises(CheckpointError, match=r"/twice\d+ has an output of"):
        module(torch.tensor(X))


def test_nodes_that_wait_for_each_other():
    nodes = [helper.make_node("Add", ["x", "b"], ["a"]), helper.make_node("Relu", ["a"], ["b"])]
    with pytest.raises(CheckpointError, match="damaged"):
        built(model_of(nodes, {"x": X}, ["b"]))


def test_constants_that_take_too_much_are_not_computed():
    nodes = [
        helper.make_node("ConstantOfShape", ["size"], ["big"], name="/big"),
        helper.make_node("Add", ["big", "x"], ["y"], name="/sum"),
    ]
    data = model_of(nodes, {"x": X[:1, :1]}, ["y"], {"size": np.array([1 << 40])})
    with pytest.raises(CheckpointError, match="/big has an output of"):
        built(data)(torch.tensor(X[:1, :1]))


def test_a_copy_is_another_network():
    net = Drawing(0, True)
    net.layers = 1
    net.recurrent("LSTM", "forward", 0)
    net.layers = 2
    net.dense("MatMul")
    data = model_of(net.nodes, net.feed, [net.value], net.constants)
    module = compare(data, net.feed)
    twin = deepcopy(module)
    ids = torch.tensor(net.feed["x"])
    with torch.no_grad():
        before = module(ids)
        for values in twin.parameters():
            values.zero_()
        assert torch.equal(module(ids), before) and not twin(ids).any()
    assert [name for name, part in module.named_modules() if isinstance(part, torch.nn.Linear)] == ["layer2"]
    module(ids).sum().backward()
    assert all(values.grad is not None for values in module.parameters())


def test_external_and_sparse_constants_are_refused():
    model = onnx.load_from_string(model_of([helper.make_node("Add", ["x", "w"], ["y"])], {"x": X}, ["y"]))
    values = numpy_helper.from_array(np.ones(1, np.float32), "w")
    sparse = helper.make_sparse_tensor(values, numpy_helper.from_array(np.array([0])), [2, 3])
    model.graph.sparse_initializer.append(sparse)
    with pytest.raises(CheckpointError, match="w has values = sparse"):
        load_checkpoint(model.SerializeToString()).graph()
