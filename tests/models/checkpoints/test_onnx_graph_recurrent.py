"""ONNX's recurrent nodes in a graph: every output equals onnxruntime's, and what capture records is those outputs."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from models import capture
from models.checkpoints import CheckpointError, load_checkpoint
from models.checkpoints.building.build import build_network, compatible_parts, default_setup
from models.edits.edit_syntax import read_edits
from models.edits.edited_network import EditedNetwork
from tests.support.onnx_models import MICROSOFT, built, compare, expected, model_of, run

onnx = pytest.importorskip("onnx")
from onnx import helper  # noqa: E402

GATES = {"RNN": 1, "LSTM": 4, "GRU": 3}
DIRECTIONS = {"forward": 1, "reverse": 1, "bidirectional": 2}
ACTIVATIONS = {
    "RNN": [["Relu"], ["Tanh"], ["Sigmoid"]],
    "LSTM": [["HardSigmoid", "Tanh", "Tanh"], ["Sigmoid", "Softsign", "Softsign"], ["Sigmoid", "Relu", "Relu"]],
    "GRU": [["HardSigmoid", "Tanh"], ["Sigmoid", "Softsign"]],
}
T, B, D, H = 5, 3, 3, 4


def weights(kind, directions, made, bias=True, inputs=D):
    shapes = {"W": (directions, GATES[kind] * H, inputs), "R": (directions, GATES[kind] * H, H)}
    shapes |= {"B": (directions, 2 * GATES[kind] * H)} if bias else {}
    return {name: made.normal(0, 0.6, shape).astype(np.float32) for name, shape in shapes.items()}


def node_of(
    kind, direction="forward", bias=True, lengths=None, states=False, seed=0, layout=0, peepholes=False, **options
):
    """A model of one node with all its outputs, and inputs for it."""
    made = np.random.default_rng(seed)
    directions = DIRECTIONS[direction]
    held = weights(kind, directions, made, bias)
    x = made.normal(size=(B, T, D) if layout else (T, B, D)).astype(np.float32)
    state = (B, directions, H) if layout else (directions, B, H)
    feed = {"X": x}
    if lengths is not None:
        feed["L"] = np.array(lengths, np.int32)
    if states:
        feed |= {name: made.normal(size=state).astype(np.float32) for name in ("h", "c")[: 1 + (kind == "LSTM")]}
    names = ["X", "W", "R", "B" if bias else "", "L" if lengths is not None else ""]
    names += [name for name in ("h", "c") if name in feed]
    if peepholes:
        held["P"] = made.normal(0, 0.6, (directions, 3 * H)).astype(np.float32)
        names += [*[""] * (7 - len(names)), "P"]
    outputs = ["Y", "Yh", *(["Yc"] if kind == "LSTM" else [])]
    more = {"layout": 1} if layout else {}
    node = helper.make_node(
        kind, names, outputs, name=f"/encoder/rnn/{kind}", hidden_size=H, direction=direction, **more, **options
    )
    return model_of([node], feed, outputs, held, 14), feed


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    kind=st.sampled_from(sorted(GATES)),
    direction=st.sampled_from(sorted(DIRECTIONS)),
    bias=st.booleans(),
    lengths=st.none() | st.lists(st.integers(0, T), min_size=B, max_size=B),
    states=st.booleans(),
    activations=st.integers(0, 3),
    before=st.integers(0, 1),
    clip=st.none() | st.floats(0.2, 1),
    peepholes=st.booleans(),
    coupled=st.integers(0, 1),
)
def test_a_node(kind, direction, bias, lengths, states, activations, before, clip, peepholes, coupled):
    options = {"linear_before_reset": before} if kind == "GRU" else {}
    options |= {} if clip is None else {"clip": clip}
    options |= {"peepholes": peepholes, "input_forget": coupled} if kind == "LSTM" else {}
    if activations < len(ACTIVATIONS[kind]):
        options["activations"] = ACTIVATIONS[kind][activations] * DIRECTIONS[direction]
    data, feed = node_of(kind, direction, bias, lengths, states, **options)
    module = compare(data, feed)
    assert not module.left_out and module.outputs[0] == "Y"
    inputs = [torch.tensor(feed[each.name]) for each in module.inputs]
    with torch.no_grad(), capture(module) as trace:
        y = module(*inputs)[0]
    assert tuple(trace.layers) == module.recurrent_layers
    for index, layer in enumerate(trace.layers.values()):
        assert layer.reverse is (direction == "reverse" or index == 1)
        ends = np.array(lengths if lengths is not None else [T] * B)
        for row, end in enumerate(ends):
            np.testing.assert_allclose(layer.hidden[row, :end], y[:end, index, row], rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
@pytest.mark.parametrize("direction", ["forward", "bidirectional"])
def test_batch_first(kind, direction):
    """A node that onnxruntime does not run equals the same node with the batch second."""
    data, feed = node_of(kind, direction, states=True, layout=1)
    other, _ = node_of(kind, direction, states=True)
    wanted = expected(other, {name: values.swapaxes(0, 1) for name, values in feed.items()})
    got = run(built(data), feed)
    np.testing.assert_allclose(got[0], wanted[0].transpose(2, 0, 1, 3), rtol=0, atol=1e-5)
    for mine, theirs in zip(got[1:], wanted[1:], strict=True):
        np.testing.assert_allclose(mine, theirs.swapaxes(0, 1), rtol=0, atol=1e-5)


def test_other_activations_for_each_direction():
    data, feed = node_of("RNN", "bidirectional", activations=["Relu", "Tanh"])
    module = compare(data, feed)
    assert module.recurrent_layers == ("encoder.rnn.l0", "encoder.rnn_reverse.l0")


@pytest.mark.parametrize(
    ("kind", "options", "words"),
    [
        ("GRU", {"activations": ["Sigmoid", "Softplus"]}, "The activation function softplus of /encoder/rnn/GRU"),
        ("GRU", {"steepness": 2.0}, "The option steepness of /encoder/rnn/GRU"),
        (
            "GRU",
            {"clip": -1.0},
            "The option clip of /encoder/rnn/GRU is -1. Export the network again with a value above 0.",
        ),
    ],
)
def test_what_cannot_be_run_is_named(kind, options, words):
    with pytest.raises(CheckpointError, match=words):
        built(node_of(kind, **options)[0])


@pytest.mark.parametrize("kind", sorted(GATES))
def test_an_edited_layer_that_reads_backward_is_saved_as_one(kind):
    checkpoint = load_checkpoint(node_of(kind, "reverse")[0])
    base = build_network(checkpoint, default_setup(compatible_parts(checkpoint)), "reverse.onnx")
    edited = EditedNetwork(base, read_edits("encoder.rnn.l0.weight_hh[1,2]=7"))
    reopened = load_checkpoint(edited.save())
    assert list(reopened.layers) == list(checkpoint.layers) == ["encoder.rnn.l0_reverse"]
    x = torch.randn(B, T, D)
    with torch.no_grad():
        torch.testing.assert_close(reopened.network().module(x), edited.network.module(x))
        assert not torch.allclose(base.module(x), edited.network.module(x))


def stacked(kind, direction="forward", between=(), also=()):
    """Two nodes, the first one's output laid out for the second, with further nodes in between."""
    made = np.random.default_rng(1)
    directions = DIRECTIONS[direction]
    held, nodes, given = {}, [], "X"
    for level in range(2):
        own = weights(kind, directions, made, inputs=directions * H if level else D)
        held |= {f"{name}{level}": values for name, values in own.items()}
        ends = [f"{name}{level}" for name in ("h", "c")[: 1 + (kind == "LSTM")]]
        names = [given, f"W{level}", f"R{level}", f"B{level}", "", *(["first"] if level else [])]
        nodes.append(
            helper.make_node(
                kind,
                names,
                [f"Y{level}", *ends],
                name=f"/rnn/{kind}" + "_1" * level,
                hidden_size=H,
                direction=direction,
            )
        )
        nodes.append(helper.make_node("Transpose", [f"Y{level}"], [f"T{level}"], perm=[0, 2, 1, 3]))
        nodes.append(helper.make_node("Reshape", [f"T{level}", "shape"], [f"Z{level}"]))
        given = f"Z{level}"
        if level == 0:
            for index, (op, extra) in enumerate(between):
                nodes.append(helper.make_node(op, [given, *extra], [f"n{index}"]))
                given = f"n{index}"
    held |= {"shape": np.array([0, 0, -1]), "first": made.normal(size=(directions, B, H)).astype(np.float32)}
    feed = {"X": made.normal(size=(T, B, D)).astype(np.float32)}
    outputs = ["Z1", "h0", "h1", *(["c0"] if kind == "LSTM" else []), *also]
    return model_of(nodes, feed, outputs, held), feed


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
@pytest.mark.parametrize("direction", ["forward", "bidirectional"])
def test_stacked_nodes_are_one_module(kind, direction):
    data, feed = stacked(kind, direction)
    module = compare(data, feed)
    ends = ("", "_reverse")[: DIRECTIONS[direction]]
    assert module.recurrent_layers == tuple(f"rnn.l{level}{end}" for level in range(2) for end in ends)
    assert list(load_checkpoint(data).layers) == list(module.recurrent_layers)
    with torch.no_grad(), capture(module) as trace:
        module(torch.tensor(feed["X"]))
    assert tuple(trace.layers) == module.recurrent_layers


@pytest.mark.parametrize("between", [[("Relu", [])], [("Add", ["Z0"])]])
def test_nodes_with_something_between_them_are_not_stacked(between):
    data, feed = stacked("LSTM", between=between)
    assert compare(data, feed).recurrent_layers == ("rnn.l0", "rnn_1.l0")
    data, feed = stacked("LSTM", also=["Z0"])
    assert compare(data, feed).recurrent_layers == ("rnn.l0", "rnn_1.l0")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("bits", ["QInt8", "QUInt8"])
@pytest.mark.parametrize("seven_bits", [False, True])
def test_quantized_weights(per_channel, bits, seven_bits, tmp_path):
    """The layer has the dequantized values; the rounding of its inputs is named as not run.

    Outputs are compared for weights of seven bits: of eight, onnxruntime's own products saturate on older processors.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    data, feed = node_of("LSTM", "bidirectional", peepholes=True, clip=0.7)
    (tmp_path / "plain.onnx").write_bytes(data)
    quantize_dynamic(
        tmp_path / "plain.onnx", tmp_path / "small.onnx", op_types_to_quantize=["LSTM"], per_channel=per_channel,
        weight_type=QuantType[bits], reduce_range=seven_bits,
    )  # fmt: skip
    data, plain = (tmp_path / "small.onnx").read_bytes(), load_checkpoint(data)
    checkpoint = load_checkpoint(data)
    assert checkpoint.provenance["quantized"] == ", ".join(checkpoint.layers)
    for name, layer in checkpoint.layers.items():
        for part, values in layer.tensors.items():
            torch.testing.assert_close(values, plain.layers[name].tensors[part], rtol=0, atol=0.02)
    module = checkpoint.graph()
    assert module.left_out == ("/encoder/rnn/LSTM_quant (input quantization)",)
    assert any(node.domain == MICROSOFT for node in onnx.load_from_string(data).graph.node)
    if not seven_bits:
        return
    for want, got in zip(expected(data, feed), run(module, feed), strict=True):
        np.testing.assert_allclose(got, want, rtol=0, atol=0.05)


def test_a_layer_that_no_output_depends_on_is_no_part():
    made = np.random.default_rng(0)
    held = weights("LSTM", 1, made)
    nodes = [
        helper.make_node("LSTM", ["X", "W", "R"], ["unused"], hidden_size=H, name="/a/LSTM"),
        helper.make_node("LSTM", ["X", "W", "R", "B"], ["Y"], hidden_size=H, name="/b/LSTM"),
    ]
    feed = {"X": made.normal(size=(T, B, D)).astype(np.float32)}
    module = compare(model_of(nodes, feed, ["Y"], held), feed)
    assert module.recurrent_layers == ("b.l0",)
    assert sum(isinstance(part, nn.LSTM) for part in module.modules()) == 1


@pytest.mark.parametrize("kind", sorted(GATES))
def test_a_layer_that_only_runs_backwards_is_run_from_its_tensors_too(kind):
    """Without the graph around it, as one of the layers that a checkpoint offers."""
    data, feed = node_of(kind, "reverse")
    checkpoint = load_checkpoint(data)
    assert list(checkpoint.layers) == ["encoder.rnn.l0_reverse"]
    compatible = compatible_parts(checkpoint)
    network = build_network(checkpoint, default_setup(compatible), "m.onnx")
    with torch.no_grad(), capture(network.module) as trace:
        network.module(torch.tensor(feed["X"].swapaxes(0, 1)))
    (layer,) = trace.layers.values()
    assert layer.reverse
    wanted = expected(data, feed)[0][:, 0].swapaxes(0, 1)
    np.testing.assert_allclose(layer.hidden, wanted, rtol=0, atol=1e-5)


class Classifier(nn.Module):
    """Embedding, stacked bidirectional layers, attention over the steps, a dense layer."""

    def __init__(self, kind):
        super().__init__()
        torch.manual_seed(0)
        self.embedding = nn.Embedding(11, 5)
        self.rnn = kind(5, 6, num_layers=2, bidirectional=True, batch_first=True)
        self.attend, self.fc = nn.Linear(12, 1), nn.Linear(12, 3)

    def forward(self, ids):
        states, _ = self.rnn(self.embedding(ids))
        weights = torch.softmax(self.attend(states), 1)
        return torch.log_softmax(self.fc((weights * states).sum(1)), -1)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
def test_every_gate_of_an_exported_network(kind):
    net, ids = Classifier(kind).eval(), torch.randint(0, 11, (2, 7))
    file = io.BytesIO()
    axes = {"ids": {0: "batch", 1: "steps"}}
    torch.onnx.export(net, (ids[:1, :4],), file, dynamo=False, input_names=["ids"], dynamic_axes=axes)
    module = compare(file.getvalue(), {"ids": ids.numpy()})
    assert (module.inputs[0].kind, module.inputs[0].vocabulary, module.inputs[0].shape) == ("ids", 11, (None, None))
    with capture(net) as wanted, capture(module) as trace, torch.no_grad():
        torch.testing.assert_close(module(ids), net(ids), rtol=0, atol=1e-5)
    assert list(trace.layers) == list(wanted.layers) == list(module.recurrent_layers)
    for name, layer in wanted.layers.items():
        for quantity in layer.quantities:
            np.testing.assert_allclose(trace.layers[name][quantity], layer[quantity], rtol=0, atol=1e-5)
    names = {name for name, part in module.named_modules() if isinstance(part, nn.Linear | nn.Embedding | nn.RNNBase)}
    assert names == {"embedding", "rnn", "attend", "fc"}
