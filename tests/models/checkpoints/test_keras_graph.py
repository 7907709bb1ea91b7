"""Networks built from Keras's configurations: each layer's options, masks and calls, against Keras."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models import capture
from tests.support.keras_files import (
    FILES,
    IDS,
    PADDED,
    ROWS,
    SIZE,
    STEPS,
    VOCABULARY,
    L,
    check,
    keras,
    outputs,
    randomized,
    sequence,
    written,
)

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.slow
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("returns", [{}, {"return_sequences": True}], ids=["last", "all"])
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("SimpleRNN", {}),
        ("SimpleRNN", {"activation": "relu", "use_bias": False, "go_backwards": True}),
        ("LSTM", {"use_bias": False}),
        ("LSTM", {"activation": None, "recurrent_activation": "hard_sigmoid", "go_backwards": True}),
        ("LSTM", {"unit_forget_bias": False, "dropout": 0.3, "recurrent_dropout": 0.3, "unroll": True}),
        ("GRU", {}),
        ("GRU", {"reset_after": False, "activation": "elu", "go_backwards": True}),
        ("GRU", {"use_bias": False, "recurrent_activation": "hard_sigmoid"}),
    ],
)
def test_every_option_of_a_recurrent_layer(kind, options, returns, masked, tmp_path):
    if masked and options.get("unroll"):
        options = {**options, "unroll": False}
    check(sequence(getattr(L, kind)(4, **options, **returns), masked=masked), tmp_path, PADDED, files=FILES[:1])


@pytest.mark.slow
@pytest.mark.parametrize("states", [False, True])
@pytest.mark.parametrize("mode", ["concat", "sum", "ave", "mul", None])
@pytest.mark.parametrize("ends", [False, True])
def test_merge_modes(mode, ends, states, tmp_path):
    x = given = keras.Input((STEPS,))
    x = L.Embedding(VOCABULARY, 5, mask_zero=True)(x)
    x = L.Bidirectional(L.LSTM(4, return_sequences=True))(x)
    x = L.Bidirectional(L.GRU(4, return_sequences=ends, return_state=states), merge_mode=mode)(x)
    check(keras.Model(given, x), tmp_path, IDS, files=FILES[:1])


@pytest.mark.slow
@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("mode", ["concat", "sum", "ave", "mul"])
def test_bidirectional_layers_one_above_the_other(mode, file, tmp_path):
    layers = [L.Bidirectional(L.LSTM(4, return_sequences=True), merge_mode=mode)]
    layers += [L.Bidirectional(L.GRU(4), merge_mode=mode), L.Dense(3)]
    model = keras.Sequential([keras.Input((STEPS,)), L.Embedding(VOCABULARY, 5), *layers])
    net = check(model, tmp_path, IDS, files=[file])
    assert (
        net.inputs[0].kind == "ids" and net.inputs[0].vocabulary == VOCABULARY and net.inputs[0].shape == (None, STEPS)
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "layers",
    [
        lambda: [L.Bidirectional(L.LSTM(3, go_backwards=True), backward_layer=L.LSTM(3))],
        lambda: [L.Bidirectional(L.LSTM(3), backward_layer=L.GRU(3, go_backwards=True), merge_mode="mul")],
        lambda: [L.Bidirectional(L.LSTM(3, activation="relu"), backward_layer=L.LSTM(3, go_backwards=True))],
        lambda: [L.Bidirectional(L.RNN([L.GRUCell(3), L.GRUCell(3)], return_sequences=True))],
        lambda: [L.RNN([L.LSTMCell(3), L.LSTMCell(3)], return_sequences=True, go_backwards=True), L.LSTM(2)],
        lambda: [L.RNN([L.LSTMCell(3), L.SimpleRNNCell(2), L.GRUCell(4)], go_backwards=True)],
        lambda: [L.RNN(L.LSTMCell(3), return_sequences=True, zero_output_for_mask=True)],
    ],
)  # fmt: skip
@pytest.mark.parametrize("file", FILES)
def test_directions_and_stacks(layers, file, tmp_path):
    check(sequence(*layers()), tmp_path, PADDED, files=[file])


@pytest.mark.slow
@pytest.mark.parametrize("between", ["batch norm", "layer norm", "dense", "average"])
def test_layers_between_recurrent_layers(between, tmp_path):
    """Matching widths do not justify leaving out what is between two layers."""
    middle = {
        "batch norm": L.BatchNormalization, "layer norm": L.LayerNormalization,
        "dense": lambda: L.Dense(6, "tanh"), "average": lambda: L.AveragePooling1D(2, strides=1),
    }[between]()  # fmt: skip
    layers = [L.LSTM(6, return_sequences=True), middle, L.LSTM(6, return_sequences=True), L.Dense(9)]
    check(keras.Sequential([keras.Input((STEPS,)), L.Embedding(VOCABULARY, 5), *layers]), tmp_path, IDS)


@pytest.mark.slow
@pytest.mark.parametrize("padding", ["none", "after", "before", "within", "all but one"])
@pytest.mark.parametrize("kind", ["embedding with a mask", "embedding without", "masking"])
def test_padded_sequences(kind, padding, tmp_path):
    row = ["none", "after", "before", "within", "all but one"].index(padding)
    if kind == "masking":
        check(sequence(L.GRU(5), L.Dense(3)), tmp_path, PADDED[row : row + 1], files=FILES[:1])
    else:
        embedding = L.Embedding(10, 4, mask_zero=kind == "embedding with a mask")
        model = keras.Sequential([keras.Input((STEPS,)), embedding, L.LSTM(5), L.Dense(3)])
        check(model, tmp_path, IDS[row : row + 1], files=FILES[:1])


@pytest.mark.slow
def test_a_sequence_that_is_masked_throughout(tmp_path):
    model = keras.Sequential([keras.Input((STEPS,)), L.Embedding(9, 3, mask_zero=True), L.Bidirectional(L.LSTM(4))])
    check(model, tmp_path, np.zeros((2, STEPS), int))


@pytest.mark.parametrize("masked", [False, True])
def test_states_that_go_from_one_layer_to_another(masked, tmp_path):
    """An encoder and a decoder: two inputs, two outputs, the decoder called with the encoder's states."""
    source, target = keras.Input((STEPS,), name="source"), keras.Input((STEPS,), name="target")
    embed = L.Embedding(VOCABULARY, 4, mask_zero=masked)
    _, *states = L.LSTM(5, return_state=True, name="encoder")(embed(source))
    decoded = L.LSTM(5, return_sequences=True, name="decoder")(embed(target), initial_state=states)
    scores = L.TimeDistributed(L.Dense(VOCABULARY, activation="softmax"))(decoded)
    net = check(keras.Model([source, target], [scores, states[1]]), tmp_path, IDS, IDS[::-1].copy(), files=FILES[:1])
    assert [each.name for each in net.inputs] == ["source", "target"] and net.recurrent_layers == (
        "encoder.l0",
        "decoder.l0",
    )


@pytest.mark.slow
def test_shared_layers_and_models_inside_models(tmp_path):
    given = keras.Input((STEPS, SIZE))
    shared = L.LSTM(SIZE, return_sequences=True, name="shared")
    inner_given = keras.Input((STEPS, SIZE))
    inner = keras.Model(
        inner_given, [L.GRU(3, return_sequences=True, name="gru")(inner_given), L.Dense(2)(inner_given)], name="inner"
    )
    outer = keras.Sequential([keras.Input((STEPS, SIZE)), L.Dense(SIZE), L.SimpleRNN(2, name="rnn")], name="outer")
    one, two = inner(shared(given))
    three, _ = inner(given)
    model = keras.Model(given, [one, two, three, outer(shared(shared(given))), outer(given)])
    net = check(model, tmp_path, ROWS)
    assert sorted(net.recurrent_layers) in (
        ["inner.gru.l0", "outer.rnn.l0", "shared.l0"],
        ["gru.l0", "rnn.l0", "shared.l0"],
    )


def test_a_layer_for_each_step_of_a_sequence_of_sequences(tmp_path):
    layers = [
        L.TimeDistributed(L.Bidirectional(L.LSTM(3, activation="relu"))),
        L.TimeDistributed(L.BatchNormalization()),
        L.GRU(2),
    ]
    model = keras.Sequential([keras.Input((2, 3, SIZE)), *layers])
    check(model, tmp_path, ROWS[:4].reshape(4, 2, 3, SIZE))


def test_functions_between_layers(tmp_path):
    """Slices, sums and masks of ``keras.ops``, which Keras 3 lists among the layers."""
    ops = keras.ops
    ids, rows = keras.Input((STEPS,)), keras.Input((STEPS, SIZE))
    x = L.Add()([L.Embedding(VOCABULARY, SIZE, mask_zero=True)(ids), L.Masking(0.0)(rows)])
    y = L.LSTM(4, return_sequences=True)(x)
    joined = L.Concatenate(axis=1)([y, y])
    z = ops.concatenate([y[:, -1], ops.mean(y, axis=1) * 2.0 - ops.max(y, axis=1)], axis=-1)
    z = ops.transpose(ops.reshape(z, (-1, 2, 4)), (0, 2, 1))
    model = keras.Model([ids, rows], [L.GRU(3)(joined), L.GlobalAveragePooling1D()(joined), ops.tanh(z) / 3])
    check(model, tmp_path, IDS, PADDED, files=FILES[:1])


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate"])
def test_merges_of_masked_sequences(kind, tmp_path):
    ids, rows = keras.Input((STEPS,)), keras.Input((STEPS, SIZE))
    x, y = L.Embedding(VOCABULARY, SIZE, mask_zero=True)(ids), L.Masking(0.0)(rows)
    both, half = getattr(L, kind)()([x, y]), getattr(L, kind)()([y, L.Dense(SIZE)(rows)])
    model = keras.Model([ids, rows], [both, half, L.LSTM(2)(both), L.LSTM(2)(half)])
    check(model, tmp_path, IDS, PADDED[::-1].copy(), files=FILES[:1])


@pytest.mark.slow
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("listed", [False, True])
def test_attention(listed, causal, tmp_path):
    ids, rows = keras.Input((STEPS,)), keras.Input((STEPS, SIZE))
    query = L.Embedding(VOCABULARY, SIZE, mask_zero=True)(ids)
    value = L.LSTM(SIZE, return_sequences=True)(L.Masking(0.0)(rows))
    more = {"return_attention_scores": listed, "use_causal_mask": causal}
    ends = [
        L.Attention(use_scale=True, score_mode="concat")([query, value], **more),
        L.AdditiveAttention()([query, value, value], **more),
        L.MultiHeadAttention(2, 3, value_dim=2, output_shape=5)(query, value, **more),
        L.MultiHeadAttention(2, 3, dropout=0.2, use_bias=False)(query, value),
        L.Dot(axes=(2, 2))([query, value]),
    ]
    check(keras.Model([ids, rows], keras.tree.flatten(ends)), tmp_path, IDS, PADDED, files=FILES[:1])


def test_double_precision(tmp_path):
    model = keras.Sequential(
        [keras.Input((STEPS, SIZE), dtype="float64"), L.LSTM(4, dtype="float64"), L.Dense(2, dtype="float64")]
    )
    net = check(model, tmp_path, ROWS.astype(np.float64))
    assert net(torch.tensor(ROWS)).dtype == torch.float64


def test_a_stateful_layer_starts_from_zeros(tmp_path):
    model = keras.Sequential([keras.Input(batch_shape=(5, STEPS, SIZE)), L.LSTM(4, stateful=True)])
    randomized(model)
    net = written(model, tmp_path / "model.keras").graph()
    with torch.no_grad():
        first, again = net(torch.tensor(ROWS)), net(torch.tensor(ROWS))
    np.testing.assert_allclose(first, outputs(model, ROWS)[0], rtol=0, atol=1e-5)
    assert torch.equal(first, again)


# Traces


@pytest.mark.parametrize("file", FILES)
def test_traces_are_the_layers_outputs(file, tmp_path):
    given = keras.Input((STEPS, SIZE))
    one = L.Bidirectional(L.LSTM(4, return_sequences=True, recurrent_activation="hard_sigmoid"), name="one")(given)
    two = L.GRU(3, return_sequences=True, go_backwards=True, name="two")(L.Dense(5)(one))
    three = L.RNN([L.LSTMCell(4), L.LSTMCell(4)], return_sequences=True, name="three")(two)
    model = randomized(keras.Model(given, L.Dense(2)(three)))
    net = written(model, tmp_path / file).graph()
    with capture(net) as trace, torch.no_grad():
        net(torch.tensor(ROWS))
    both, back, stacked = outputs(keras.Model(given, [one, two, three]), ROWS)
    expected = {"one.l0": both[..., :4], "one.l0_reverse": both[..., 4:], "two.l0": back[:, ::-1], "three.l1": stacked}
    assert tuple(trace.layers) == net.recurrent_layers == ("one.l0", "one.l0_reverse", "two.l0", "three.l0", "three.l1")
    assert trace.layers["two.l0"].reverse and not trace.layers["one.l0"].reverse
    for name, hidden in expected.items():
        layer = trace.layers[name]
        np.testing.assert_allclose(layer.hidden, hidden, rtol=0, atol=1e-5)
        if "cell" in layer.quantities:
            np.testing.assert_allclose(layer.output_gate * np.tanh(layer.cell), hidden, rtol=0, atol=1e-5)
