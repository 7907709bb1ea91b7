"""ONNX: every opened node computes what onnxruntime computes."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from models.checkpoints import CheckpointError, load_checkpoint
from tests.support.oracle import layer as computed

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

GATES = {"RNN": 1, "LSTM": 4, "GRU": 3}
D, H, T = 3, 4, 5


def node_of(kind, directions=1, bias=True, seed=0, constant=False, dtype=np.float32, inputs=(), **options):
    """A node and its weights, as initializers or as constants."""
    made = np.random.default_rng(seed)
    shapes = {"W": (directions, GATES[kind] * H, D), "R": (directions, GATES[kind] * H, H)}
    if bias:
        shapes["B"] = (directions, 2 * GATES[kind] * H)
    arrays = {name: made.normal(size=shape).astype(dtype) * 0.5 for name, shape in shapes.items()}
    names = ["X", "W", "R", *(["B"] if bias else []), *inputs]
    node = helper.make_node(kind, names, ["Y"], name="/rnn/" + kind, hidden_size=H, **options)
    tensors = [numpy_helper.from_array(values, name) for name, values in arrays.items()]
    if not constant:
        return [node], tensors
    constants = [helper.make_node("Constant", [], [tensor.name], value=tensor) for tensor in tensors]
    return [*constants, node], []


def model_of(nodes, tensors, directions=1, batch_first=False):
    x = [2, T, D] if batch_first else [T, 2, D]
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, x)],
        [helper.make_tensor_value_info("Y", TensorProto.FLOAT, None)],
        tensors,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)


def same(model, prefix="rnn."):
    """Opened layers against onnxruntime's Y, (T, directions, B, H)."""
    data = model.SerializeToString()
    x = np.random.default_rng(1).normal(size=(2, T, D)).astype(np.float32)
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    session = runtime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    expected = session.run(None, {"X": x.transpose(1, 0, 2)})[0]
    checkpoint = load_checkpoint(data)
    zeros = torch.zeros(H)
    for index, (name, weights) in enumerate(checkpoint.layers.items()):
        assert name.startswith(prefix)
        for row in range(2):
            states = computed(
                weights.kind, weights.tensors, torch.tensor(x[row]), (zeros, zeros), name.endswith("_reverse"),
                **weights.options,
            )  # fmt: skip
            tolerance = 1e-5 * max(1, np.abs(expected).max())  # without a bound states may grow far beyond 1
            np.testing.assert_allclose(states["hidden"].numpy(), expected[:, index, row], rtol=0, atol=tolerance)
    assert len(checkpoint.layers) == expected.shape[1]
    return checkpoint


@pytest.mark.parametrize("kind", GATES)
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("constant", [True, False])
def test_every_node(kind, direction, bias, constant):
    directions = 2 if direction == "bidirectional" else 1
    checkpoint = same(model_of(*node_of(kind, directions, bias, constant=constant, direction=direction)))
    assert not checkpoint.tensors and checkpoint.format == "ONNX"


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_batches_first(kind):
    """The layout of sequences, which onnxruntime does not run, is compared with ONNX's own reference."""
    reference = pytest.importorskip("onnx.reference")
    model = model_of(*node_of(kind, layout=1), batch_first=True)
    x = np.random.default_rng(1).normal(size=(2, T, D)).astype(np.float32)
    expected = reference.ReferenceEvaluator(model).run(None, {"X": x})[0].reshape(2, T, H)
    (weights,) = load_checkpoint(model.SerializeToString()).layers.values()
    for row in range(2):
        zeros = torch.zeros(H)
        states = computed(kind, weights.tensors, torch.tensor(x[row]), (zeros, zeros), False, **weights.options)
        np.testing.assert_allclose(states["hidden"].numpy(), expected[row], rtol=0, atol=1e-5)


@pytest.mark.parametrize("before", [0, 1])
def test_both_orders_of_the_reset(before):
    checkpoint = same(model_of(*node_of("GRU", linear_before_reset=before)))
    assert checkpoint.layers["rnn.l0"].reset_after is bool(before)


def test_activations_as_given():
    checkpoint = same(model_of(*node_of("RNN", 2, direction="bidirectional", activations=["Relu", "Tanh"])))
    assert [layer.nonlinearity for layer in checkpoint.layers.values()] == ["relu", "tanh"]
    same(model_of(*node_of("LSTM", activations=["Sigmoid", "Tanh", "Tanh"])))


ACTIVATIONS = {
    "tanh": ("Tanh", [], []),
    "sigmoid": ("Sigmoid", [], []),
    "relu": ("Relu", [], []),
    "softsign": ("Softsign", [], []),
    "linear": ("Affine", [1.0], [0.0]),
    "elu": ("Elu", [1.0], []),
    "hard_sigmoid": ("HardSigmoid", [0.2], [0.5]),
    "hard_sigmoid_3": ("HardSigmoid", [1 / 6], [0.5]),
}


@settings(max_examples=80, deadline=None)
@given(
    kind=st.sampled_from(sorted(GATES)),
    names=st.tuples(*[st.sampled_from(sorted(ACTIVATIONS))] * 4),
    direction=st.sampled_from(["forward", "reverse", "bidirectional"]),
    before=st.integers(0, 1),
)
def test_any_activations(kind, names, direction, before):
    """Parameters are given out in turn to the activations that have some; each direction has its own."""
    directions = 2 if direction == "bidirectional" else 1
    pairs = [names[:2], names[2:]][:directions]
    told = [name for gate, own in pairs for name in {"RNN": [own], "LSTM": [gate, own, own], "GRU": [gate, own]}[kind]]
    options = {"activations": [ACTIVATIONS[name][0] for name in told], "direction": direction}
    for key, place in (("activation_alpha", 1), ("activation_beta", 2)):
        if values := [value for name in told for value in ACTIVATIONS[name][place]]:
            options[key] = values
    if kind == "GRU":
        options["linear_before_reset"] = before
    checkpoint = same(model_of(*node_of(kind, directions, **options)))
    for (gate, own), layer in zip(pairs, checkpoint.layers.values(), strict=True):
        if kind == "RNN":
            assert layer.nonlinearity == own
        else:
            assert (layer.recurrent_activation, layer.activation) == (gate, own)


def test_parameters_that_a_node_does_not_say():
    checkpoint = same(model_of(*node_of("LSTM", activations=["HardSigmoid", "Elu", "Elu"])))
    assert checkpoint.layers["rnn.l0"].options == {"activation": "elu", "recurrent_activation": "hard_sigmoid"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"inputs": ("", "", "", "B"), "kind": "LSTM"}, "The weights of /rnn/LSTM do not fit together"),
        (
            {"kind": "GRU", "activations": ["HardSigmoid", "Softplus"]},
            "The activation function softplus of /rnn/GRU is not supported",
        ),
        (
            {"kind": "GRU", "activations": ["HardSigmoid", "Tanh"], "activation_alpha": [0.25]},
            r"The activation function HardSigmoid\(0.25, 0.5\) of /rnn/GRU is not supported\. Supported functions: tanh, ",
        ),
        ({"kind": "RNN", "activations": ["LeakyRelu"]}, r"The activation function LeakyRelu\(0.01\) of /rnn/RNN"),
        (
            {"kind": "LSTM", "activations": ["Sigmoid", "Tanh", "Relu"]},
            "uses tanh for its candidate but relu for its cell state",
        ),
    ],
)
def test_what_is_not_supported_is_named(options, words):
    with pytest.raises(CheckpointError, match=words) as caught:
        load_checkpoint(model_of(*node_of(**options)).SerializeToString())
    assert "/rnn/" in str(caught.value)


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_other_floats(dtype):
    model = model_of(*node_of("LSTM", dtype=dtype))
    held = numpy_helper.to_array(model.graph.initializer[1])[0]
    layer = load_checkpoint(model.SerializeToString()).layers["rnn.l0"]
    assert np.array_equal(layer.rows("weight_hh", "output_gate"), held[H : 2 * H].astype(layer.weight_hh.dtype))


def test_numbers_that_are_not_raw():
    nodes, tensors = node_of("GRU")
    lists = [
        helper.make_tensor(tensor.name, tensor.data_type, tensor.dims, numpy_helper.to_array(tensor).ravel())
        for tensor in tensors
    ]
    assert not lists[0].raw_data
    same(model_of(nodes, lists))


def test_a_node_in_a_subgraph_sees_the_weights_outside():
    nodes, tensors = node_of("LSTM")
    nodes[0].output[0] = "inner"
    zero = helper.make_node("Constant", [], ["other"], value=numpy_helper.from_array(np.zeros((T, 1, 2, H), "f4"), "z"))
    branches = [
        helper.make_graph([node], name, [], [helper.make_tensor_value_info(name, TensorProto.FLOAT, None)])
        for node, name in ((nodes[0], "inner"), (zero, "other"))
    ]
    yes = helper.make_node("Constant", [], ["yes"], value=numpy_helper.from_array(np.array(True), "yes"))
    chosen = helper.make_node("If", ["yes"], ["Y"], then_branch=branches[0], else_branch=branches[1])
    same(model_of([yes, chosen], tensors))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("fold", [True, False])
@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
def test_what_torch_exports(kind, fold):
    torch.manual_seed(0)
    rnn = kind(D, H, num_layers=2, bidirectional=True, batch_first=True).eval()
    file = io.BytesIO()
    torch.onnx.export(rnn, (torch.zeros(1, T, D),), file, dynamo=False, do_constant_folding=fold)
    checkpoint = load_checkpoint(file.getvalue())
    assert list(checkpoint.layers) == ["l0", "l0_reverse", "l1", "l1_reverse"]
    for name, layer in checkpoint.layers.items():
        for part, values in layer.tensors.items():
            torch.testing.assert_close(values, getattr(rnn, f"{part}_{name}").detach(), rtol=0, atol=0)


def test_no_other_file_is_opened(tmp_path):
    nodes, tensors = node_of("GRU")
    outside = tmp_path / "weights.bin"
    outside.write_bytes(tensors[0].raw_data)
    tensors[0].ClearField("raw_data")
    tensors[0].data_location = TensorProto.EXTERNAL
    for key, value in {"location": str(outside), "length": "10"}.items():
        tensors[0].external_data.add(key=key, value=value)
    with pytest.raises(CheckpointError, match="W of this ONNX file is stored in another file"):
        load_checkpoint(model_of(nodes, tensors).SerializeToString())


def test_a_shape_that_lies():
    nodes, tensors = node_of("GRU")
    tensors[1].dims[0] = 1 << 40
    with pytest.raises(CheckpointError, match="as many values as its shape needs"):
        load_checkpoint(model_of(nodes, tensors).SerializeToString())
