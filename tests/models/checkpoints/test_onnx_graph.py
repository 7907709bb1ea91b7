"""Whole ONNX networks: the output of the network built from the graph equals onnxruntime's, or the first node is named."""

from __future__ import annotations

import random
from copy import deepcopy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models import capture
from models.checkpoints import CheckpointError, load_checkpoint
from models.checkpoints.graphs import graph_run, onnx_registry
from tests.models.checkpoints.test_checkpoint_fuzz import damaged
from tests.models.checkpoints.test_onnx_graph_control import counting_loop
from tests.support.onnx_models import built, compare, expected, model_of, run

onnx = pytest.importorskip("onnx")
from onnx import helper, numpy_helper  # noqa: E402

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
        coupled = {"input_forget": 1} if kind == "LSTM" and pick == 2 else {}
        y = self.node(kind, *inputs, hidden_size=units, direction=direction, **coupled)
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
    assert len(module.recurrent_layers) == sum(1 + (direction == "bidirectional") for _, _, direction, _ in recurrent)
    if recurrent:
        with torch.no_grad(), capture(module) as trace:
            module(torch.tensor(net.feed["x"]))
        assert tuple(trace.layers) == module.recurrent_layers


X = np.random.default_rng(0).normal(size=(2, 3)).astype(np.float32)


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


def test_many_values_at_once_are_bounded(monkeypatch):
    monkeypatch.setattr(graph_run, "MAX_LIVE", 100)
    nodes = [helper.make_node("Mul", ["x", "x"], [f"y{i}"], name=f"/copy{i}") for i in range(20)]
    nodes.append(helper.make_node("Concat", [f"y{i}" for i in range(20)], ["y"], axis=0))
    with pytest.raises(CheckpointError, match=r"/copy15 has an output of 6 values, but at most 4 are allowed"):
        built(model_of(nodes, {"x": X}, ["y"]))(torch.tensor(X))


@pytest.mark.filterwarnings("ignore")
def test_dense_layers_with_quantized_weights(tmp_path):
    """Products of integers equal onnxruntime's."""
    from onnxruntime.quantization import quantize_dynamic

    net = Drawing(0, False)
    for layer in range(2):
        net.layers = layer
        net.dense("MatMul")
        net.plain(1)
    (tmp_path / "plain.onnx").write_bytes(model_of(net.nodes, net.feed, [net.value], net.constants))
    quantize_dynamic(tmp_path / "plain.onnx", tmp_path / "small.onnx")
    data = (tmp_path / "small.onnx").read_bytes()
    assert any(node.op_type == "MatMulInteger" for node in onnx.load_from_string(data).graph.node)
    assert compare(data, net.feed).left_out == ()


@pytest.mark.parametrize("kind", sorted(GATES))
def test_half_precision(kind):
    """onnxruntime has no such kernel on the CPU; the same weights as 32 bits are the reference."""
    net = Drawing(1, False)
    net.recurrent(kind, "bidirectional", 1)
    net.layers = 1
    net.dense("MatMul")
    half = {name: each.astype(np.float16) if each.dtype == np.float32 else each for name, each in net.constants.items()}
    feed = {"x": net.feed["x"].astype(np.float16)}
    (got,) = run(built(model_of(net.nodes, feed, [net.value], half)), feed)
    wide = {name: each.astype(np.float32) if each.dtype == np.float16 else each for name, each in half.items()}
    plain = {"x": feed["x"].astype(np.float32)}
    (want,) = expected(model_of(net.nodes, plain, [net.value], wide), plain)
    assert got.dtype == np.float16
    np.testing.assert_allclose(got, want, rtol=0, atol=5e-3)


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


def test_damaged_files_are_refused_or_run():
    """Whatever is wrong with a file, it is one sentence, when it is opened, built or run."""
    net = Drawing(3, True)
    net.recurrent("GRU", "bidirectional", 1)
    net.convolution(2)
    net.dense("Gemm")
    net.readout("last")
    files = [(model_of(net.nodes, net.feed, [net.value], net.constants), net.feed), counting_loop(4, 9.0)]
    chance, refused = random.Random(5), 0
    for _ in range(200):
        data, feed = chance.choice(files)
        try:
            module = load_checkpoint(damaged(data, chance)).graph()
            run(module, {each.name: feed.get(each.name, np.zeros((), np.float32)) for each in module.inputs})
        except CheckpointError as error:
            refused += 1
            assert "\n" not in str(error)
    assert 100 < refused < 200
