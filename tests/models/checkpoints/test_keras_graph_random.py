"""Keras models of layers at random: the file's network equals Keras's, or the error names the first layer that cannot run."""

from __future__ import annotations

import os

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from models.checkpoints import CheckpointError
from models.decoding.run_network import run_network
from tests.support.keras_files import (
    IDS,
    PADDED,
    SIZE,
    STEPS,
    VOCABULARY,
    L,
    LayerNormLSTMCell,
    keras,
    outputs,
    randomized,
    same,
    written,
)

pytestmark = pytest.mark.filterwarnings("ignore")


UNITS = st.integers(2, 4)
ACTIVATION = st.sampled_from(["tanh", "relu", "softsign", "hard_sigmoid", "linear", "elu"])
BOUNDED = st.sampled_from(["tanh", "softsign", "hard_sigmoid"])  # a chain of others multiplies rounding errors
GATES = st.sampled_from(["sigmoid", "hard_sigmoid"])
FLAG = st.booleans()


@st.composite
def recurrent(draw, last):
    """A recurrent layer; all steps go on unless it is the ``last`` of them."""
    kind = draw(st.sampled_from(["LSTM", "GRU", "SimpleRNN", "stack", "cell", "normed"]))
    options = {"activation": draw(BOUNDED), "use_bias": draw(FLAG)}
    if kind in ("LSTM", "GRU"):
        options["recurrent_activation"] = draw(GATES)
    if kind == "GRU":
        options["reset_after"] = draw(FLAG)
    layer = {"return_sequences": not last or draw(FLAG)}
    if kind == "normed":
        made = L.RNN(LayerNormLSTMCell(draw(UNITS), use_bias=draw(FLAG)), **layer)
    elif kind == "stack":
        cells = st.sampled_from([L.LSTMCell, L.GRUCell, L.SimpleRNNCell])
        made = L.RNN([draw(cells)(draw(UNITS)) for _ in range(draw(st.integers(1, 3)))], **layer)
    elif kind == "cell":
        made = L.RNN(L.GRUCell(draw(UNITS), reset_after=draw(FLAG)), zero_output_for_mask=draw(FLAG), **layer)
    else:
        layer |= {"go_backwards": draw(FLAG), "unroll": False}
        made = getattr(L, kind)(draw(UNITS), **options, **layer)
    if not draw(FLAG) or layer.get("go_backwards"):
        return made
    back = None
    if draw(FLAG):
        cell = draw(st.sampled_from([L.LSTM, L.GRU]))
        back = cell(made.cell.output_size, go_backwards=True, return_sequences=layer["return_sequences"])
    return L.Bidirectional(made, merge_mode=draw(st.sampled_from(["concat", "sum", "ave", "mul"])), backward_layer=back)


PLAIN = {
    "dense": lambda draw: L.Dense(draw(UNITS), activation=draw(ACTIVATION), use_bias=draw(FLAG)),
    "time distributed": lambda draw: L.TimeDistributed(L.Dense(draw(UNITS), activation="gelu")),
    "batch norm": lambda draw: L.BatchNormalization(scale=draw(FLAG), center=draw(FLAG)),
    "layer norm": lambda draw: L.LayerNormalization(scale=draw(FLAG), center=draw(FLAG)),
    "unit norm": lambda draw: L.UnitNormalization(),
    "dropout": lambda draw: draw(st.sampled_from([L.Dropout, L.SpatialDropout1D, L.GaussianNoise]))(0.3),
    "activation": lambda draw: L.Activation(draw(st.sampled_from(["softmax", "selu", "silu", "softplus"]))),
    "leaky relu": lambda draw: draw(st.sampled_from([L.LeakyReLU, L.ELU, L.ReLU, L.PReLU]))(),
    "convolution": lambda draw: L.Conv1D(
        draw(UNITS), draw(st.integers(1, 3)), padding=draw(st.sampled_from(["same", "causal", "valid"]))
    ),
    "separable": lambda draw: L.SeparableConv1D(draw(UNITS), 2, padding="same", depth_multiplier=2),
    "max pool": lambda draw: L.MaxPooling1D(2, strides=1, padding=draw(st.sampled_from(["same", "valid"]))),
    "average pool": lambda draw: L.AveragePooling1D(2, strides=1),
    "padding": lambda draw: L.ZeroPadding1D((1, 2)),
    "repeat": lambda draw: L.UpSampling1D(2),
    "rescale": lambda draw: L.Rescaling(0.5, offset=0.1),
}
UNKNOWN = {
    "lambda": lambda draw: L.Lambda(lambda x: x + 1),
    "transposed": lambda draw: L.Conv1DTranspose(2, 2),
    "groups": lambda draw: L.GroupNormalization(1),
    "average pool": lambda draw: L.AveragePooling1D(2, padding="same"),
    "sparse": lambda draw: L.Dense(2, activation="sparsemax"),
}


@st.composite
def branches(draw, x):
    """``x`` through a part of several layers: side by side, around each other, or in a model of their own."""
    size = x.shape[-1]
    match draw(st.sampled_from(["residual", "beside", "attention", "heads", "nested", "states"])):
        case "residual":
            merge = draw(st.sampled_from([L.Add, L.Multiply, L.Maximum, L.Average]))()
            return merge([x, L.Bidirectional(L.LSTM(size, return_sequences=True), merge_mode="sum")(x)])
        case "beside":
            return L.Concatenate()([L.Dense(2, activation="relu")(x), L.GRU(2, return_sequences=True)(x)])
        case "attention":
            return draw(st.sampled_from([L.Attention, L.AdditiveAttention]))(use_scale=draw(FLAG))([x, x])
        case "heads":
            return L.MultiHeadAttention(2, 2)(x, L.Dense(3)(x))
        case "nested":
            inside = [L.Input(x.shape[1:]), L.LSTM(3, return_sequences=True), L.BatchNormalization()]
            return keras.Sequential(inside)(x)
    y, *states = L.LSTM(3, return_sequences=True, return_state=True)(x)
    return L.Multiply()([y, L.LSTM(3, return_sequences=True)(x, initial_state=states)])


@st.composite
def networks(draw):
    """A model, its input, and the name of the first layer that cannot be run, None if all can."""
    keras.utils.clear_session()
    embedded = draw(FLAG)
    x = given = keras.Input((STEPS,) if embedded else (STEPS, SIZE))
    if embedded:
        x = L.Embedding(VOCABULARY, SIZE, mask_zero=draw(FLAG))(x)
    elif draw(FLAG):
        x = L.Masking(0.0)(x)
    count, wrong = draw(st.integers(2, 5)), None
    unknown = draw(st.integers(0, 4 * count))
    for index in range(count):
        if index == unknown:
            layer = draw(st.sampled_from(list(UNKNOWN.values())))(draw)
            x, wrong = layer(x), layer.name
        elif kind := draw(st.integers(0, 3)):
            x = (draw(recurrent(False)) if kind == 1 else draw(st.sampled_from(list(PLAIN.values())))(draw))(x)
        else:
            x = draw(branches(x))
    ends = st.sampled_from([L.GlobalAveragePooling1D, L.GlobalMaxPooling1D, L.Flatten]).map(lambda kind: kind())
    x = draw(st.one_of(recurrent(True), ends))(x)
    return keras.Model(given, L.Dense(3, activation="softmax")(x)), IDS if embedded else PADDED, wrong


@pytest.mark.slow
@settings(
    max_examples=int(os.environ.get("KERAS_EXAMPLES", 25)), deadline=None, derandomize=True,
    phases=[Phase.generate], suppress_health_check=list(HealthCheck),
)  # fmt: skip
@given(case=networks())
def test_a_network_of_layers_at_random(case, tmp_path_factory):
    model, given, wrong = case
    checkpoint = written(randomized(model), tmp_path_factory.mktemp("m") / "model.keras")
    if wrong is not None:
        with pytest.raises(CheckpointError, match=f"^{wrong} has "):
            checkpoint.graph()
        return
    try:
        outputs(model, given)
    except Exception:
        assume(False)  # Keras itself fails
    same(model, checkpoint.graph(), given)
    net = checkpoint.network()
    if given is IDS and net.layout is not None and net.layout.form == "steps":  # a tagger
        assert net.card.predicts == "tag"
        found = run_network(net, " ".join(map(str, given[0]))).prediction.probability
        np.testing.assert_allclose(found, outputs(model, given[:1])[0][0], rtol=0, atol=1e-5)
