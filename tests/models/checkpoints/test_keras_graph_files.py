"""Networks built from Keras's configurations: files of older versions, and what is refused."""

from __future__ import annotations

import copy
import io
import json
import zipfile
from contextlib import suppress

import h5py
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.checkpoints import CheckpointError, Limits, load_checkpoint
from models.checkpoints.formats.keras import WEIGHTS
from models.checkpoints.graphs.keras_graph import build_keras_graph
from models.checkpoints.layers.keras_cells import KerasVersion, cells_in_config
from models.checkpoints.layers.keras_folders import configured_names, folders_of
from models.checkpoints.parsing.file_source import FileSource
from models.checkpoints.parsing.hdf5 import read_hdf5
from tests.support.keras_files import PADDED, ROWS, SIZE, STEPS, L, keras, randomized, same, sequence, written

pytestmark = pytest.mark.filterwarnings("ignore")


def older(path, version, change=lambda config: config):
    """The HDF5 file as an older version would have written it."""
    with h5py.File(path, "a") as file:
        file.attrs["keras_version"] = version
        file.attrs["model_config"] = json.dumps(change(json.loads(file.attrs["model_config"])))
    return load_checkpoint(path)


def steep(x):
    return keras.ops.clip(0.2 * x + 0.5, 0.0, 1.0)


@pytest.mark.parametrize("version", ["2.0.8", "2.2.4-tf", "2.15.0"])
def test_the_hard_sigmoid_is_that_of_the_writers_version(version, tmp_path):
    def layers(activation):
        return [L.LSTM(4, recurrent_activation=activation, return_sequences=True), L.Dense(2, activation=activation)]

    model = randomized(sequence(*layers("hard_sigmoid")))
    model.save(tmp_path / "m.h5")
    other = sequence(*layers(steep))
    other.set_weights(model.get_weights())
    same(other, older(tmp_path / "m.h5", version).graph(), PADDED)


def test_the_gates_of_keras_before_2_3_default_to_the_hard_sigmoid(tmp_path):
    model = randomized(sequence(L.GRU(4, reset_after=False, recurrent_activation="sigmoid")))
    model.save(tmp_path / "m.h5")

    def omit(config):
        for name in ("recurrent_activation", "reset_after"):
            del config["config"]["layers"][-1]["config"][name]
        return config

    checkpoint = older(tmp_path / "m.h5", "2.2.4", omit)
    (layer,) = checkpoint.layers.values()
    assert layer.recurrent_activation == "hard_sigmoid" and not layer.reset_after
    other = sequence(L.GRU(4, reset_after=False, recurrent_activation=steep))
    other.set_weights(model.get_weights())
    same(other, checkpoint.graph(), PADDED)


def test_a_graph_as_keras_2_lists_it(tmp_path):
    """Tensors by layer, node and index; states in a list with the sequence; a nested model's first node is its own."""
    source, target = keras.Input((STEPS, SIZE), name="source"), keras.Input((STEPS, SIZE), name="target")
    shared = L.Dense(3, name="shared")
    y, h, c = L.LSTM(4, return_sequences=True, return_state=True, name="encoder")(shared(source))
    inner = keras.Sequential([keras.Input((STEPS, 4)), L.SimpleRNN(4, return_sequences=True, name="rnn")], name="inner")
    z = L.LSTM(4, name="decoder")(shared(target), initial_state=[h, c])
    model = randomized(keras.Model([source, target], [L.Add(name="add")([inner(y), y]), z]))
    model.save(tmp_path / "m.h5")
    nodes = {
        "source": [], "target": [], "shared": [[["source", 0, 0, {}]], [["target", 0, 0, {}]]],
        "encoder": [[["shared", 0, 0, {}]]], "inner": [[["encoder", 0, 0, {}]]],
        "decoder": [[["shared", 1, 0, {}], ["encoder", 0, 1, {}], ["encoder", 0, 2, {}]]],
        "add": [[["inner", 1, 0, {}], ["encoder", 0, 0, {}]]],
    }  # fmt: skip

    def change(config):
        config["class_name"] = "Model"
        for layer in config["config"]["layers"]:
            layer["inbound_nodes"] = nodes[layer["name"]]
            if layer["class_name"] == "InputLayer":
                layer["config"]["batch_input_shape"] = layer["config"].pop("batch_shape")
            layer["config"].pop("dtype", None)
        return config

    net = older(tmp_path / "m.h5", "2.2.4-tf", change).graph()
    assert net.inputs[0].shape == (None, STEPS, SIZE)
    same(model, net, ROWS, ROWS[::-1].copy())


def test_frozen_layers_of_an_inner_model(tmp_path):
    """Their variables are listed after those that are trained."""
    inner = keras.Sequential([keras.Input((STEPS, SIZE)), L.Dense(3), L.BatchNormalization(), L.Dense(3), L.LSTM(3)])
    model = keras.Sequential([keras.Input((STEPS, SIZE)), inner, L.Dense(2)])
    for layer in inner.layers[:2]:
        layer.trainable = False
    randomized(model)
    same(model, written(model, tmp_path / "m.h5").graph(), ROWS)


def repacked(path, change):
    """A ``.keras`` archive with changed configuration and folders."""
    out, weights = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(out, "w") as new:
        config, metadata, folders = change(json.loads(old.read("config.json")), json.loads(old.read("metadata.json")))
        with h5py.File(io.BytesIO(old.read("model.weights.h5"))) as before, h5py.File(weights, "w") as after:
            for name, folder in folders.items():
                before.copy(f"layers/{name}", after, folder)
        new.writestr("config.json", json.dumps(config))
        new.writestr("metadata.json", json.dumps(metadata))
        new.writestr("model.weights.h5", weights.getvalue())
    return load_checkpoint(out.getvalue())


@pytest.mark.parametrize("named", [True, False])
def test_archives_of_keras_2(named, tmp_path):
    """Version 2.12 counted layers with variables twice; neither it nor 2.15 stored the layers' names by the variables."""
    layers = [
        L.LSTM(4, return_sequences=True, name="zz"),
        L.Dropout(0.1),
        L.LSTM(3, recurrent_activation="hard_sigmoid", name="aa"),
    ]
    model = randomized(sequence(*layers, L.Dense(2), masked=False))
    model.save(tmp_path / "m.keras")
    root, place = ("layers", "lstm_1") if named else ("_layer_checkpoint_dependencies", "lstm_2")

    def change(config, metadata):
        folders = {"lstm": f"{root}/lstm", "lstm_1": f"{root}/{place}", "dense": f"{root}/dense"}
        return config, metadata | {"keras_version": "2.12.0"}, folders

    checkpoint = repacked(tmp_path / "m.keras", change)
    assert (
        list(checkpoint.layers) == ["zz.l0", "aa.l0"]
        and checkpoint.layers["aa.l0"].recurrent_activation == "hard_sigmoid"
    )
    other = sequence(L.LSTM(4, return_sequences=True), L.LSTM(3, recurrent_activation=steep), L.Dense(2), masked=False)
    other.set_weights(model.get_weights())
    same(other, checkpoint.graph(), ROWS)


# What is refused


@keras.saving.register_keras_serializable("own")
class NormedCell(L.LSTMCell):
    def build(self, shape):
        super().build(shape)
        self.norm = L.LayerNormalization()
        self.norm.build((None, self.units))

    def call(self, inputs, states, training=False):
        hidden, (_, cell) = super().call(inputs, states)
        return self.norm(hidden), [self.norm(hidden), cell]


class OwnLSTM(L.LSTM):
    pass


OwnLSTM.__name__ = "LSTM"
REFUSED = {
    "a cell of one's own": (lambda: L.RNN(NormedCell(4), name="mine"), "mine has the type NormedCell"),
    "a stack with one": (lambda: L.RNN([L.LSTMCell(3), NormedCell(4)], name="mine"), "mine has the type NormedCell"),
    "both directions": (lambda: L.Bidirectional(L.RNN(NormedCell(4)), name="mine"), "mine has the type NormedCell"),
    "a class of one's own": (lambda: OwnLSTM(4, name="mine"), "mine has the type LSTM"),
    "code": (lambda: L.Lambda(lambda x: x, name="code"), "code has the type Lambda"),
    "a layer that is not known": (lambda: L.ConvLSTM1D(2, 2, name="conv"), "conv has the type ConvLSTM1D"),
    "half precision": (lambda: L.LSTM(2, dtype="mixed_float16", name="half"), "half has dtype = mixed_float16"),
    "an option": (lambda: L.BatchNormalization(renorm=True, name="re"), "re has renorm = True"),
    "channels first": (lambda: L.Flatten(data_format="channels_first", name="flat"), "flat has data_format"),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_run_is_named(kind, tmp_path):
    layer, said = REFUSED[kind]
    shape = (4, STEPS, SIZE) if "Conv" in said else (STEPS, SIZE)
    model = keras.Sequential([keras.Input(shape), L.Dense(3), layer()])
    checkpoint = written(model, tmp_path / "model.keras")
    with pytest.raises(CheckpointError, match=f"^{said}.* cannot be run"):
        checkpoint.graph()
    if "one" in kind:  # a cell that is not known is not taken for an LSTM either
        assert "mine.l0" not in checkpoint.found or kind == "a stack with one"


def test_a_call_in_training_mode_is_named(tmp_path):
    given = keras.Input((STEPS, SIZE))
    model = keras.Model(given, L.LSTM(2)(L.Dropout(0.5, name="drop")(given, training=True)))
    checkpoint = written(model, tmp_path / "model.keras")
    with pytest.raises(CheckpointError, match="drop has training = True"):
        checkpoint.graph()


def test_weights_alone_state_no_graph(tmp_path):
    model = sequence(L.LSTM(3))
    model.save_weights(tmp_path / "m.weights.h5")
    assert load_checkpoint(tmp_path / "m.weights.h5").graph is None


def test_a_variable_that_belongs_to_no_layer(tmp_path):
    sequence(L.LSTM(3, name="rnn")).save(tmp_path / "m.keras")
    folders = {"lstm": "layers/lstm", "masking": "layers/masking"}

    def change(config, metadata):
        config["config"]["layers"][-1]["config"]["use_bias"] = False
        return config, metadata, folders

    with pytest.raises(CheckpointError, match="layers/lstm/cell/vars/2 belongs to no layer"):
        repacked(tmp_path / "m.keras", change).graph()


def test_no_size_of_a_configuration_fills_the_memory(tmp_path):
    model = keras.Sequential([keras.Input((SIZE,)), L.RepeatVector(2), L.LSTM(2)])
    model.save(tmp_path / "m.keras")

    def change(config, metadata):
        config["config"]["layers"][1]["config"]["n"] = 10**12
        return config, metadata, {"lstm": "layers/lstm"}

    net = repacked(tmp_path / "m.keras", change).graph()
    with pytest.raises(CheckpointError, match="n = 1000000000000"):
        net(torch.zeros(1, SIZE))


def places(tree, path=()):
    """Every place in a configuration, as a path of keys."""
    for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ():
        yield (*path, key)
        yield from places(value, (*path, key))


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """A configuration of many kinds of layers, and its tensors."""
    ids, rows = keras.Input((STEPS,)), keras.Input((STEPS, SIZE))
    x = L.Bidirectional(L.LSTM(3, return_sequences=True))(L.Embedding(5, 3, mask_zero=True)(ids))
    y = L.RNN([L.GRUCell(2), L.LSTMCell(3)], return_sequences=True)(L.Conv1D(2, 2, padding="same")(rows))
    inner = keras.Sequential([keras.Input((STEPS, 3)), L.BatchNormalization(), L.TimeDistributed(L.Dense(6))])
    z = L.Concatenate()([L.Add()([x, inner(y)]), L.MultiHeadAttention(2, 2)(x, y)])[:, -1]
    path = tmp_path_factory.mktemp("m") / "m.keras"
    keras.Model([ids, rows], z).save(path)
    source = FileSource(path, Limits())
    return json.loads(source.read_small_member("config.json")), read_hdf5(source.read_member(WEIGHTS), source.limits)


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_a_damaged_configuration(data, archive):
    """It builds, or one sentence says why not; never another error."""
    config, file = copy.deepcopy(archive[0]), archive[1]
    path = data.draw(st.sampled_from(list(places(config))))
    tree = config
    for key in path[:-1]:
        tree = tree[key]
    other = st.sampled_from(
        [None, True, -1, 10**9, 0.5, "", "LSTM", [], {}, [1, 2], {"class_name": "GRU", "config": {}}]
    )
    tree[path[-1]] = data.draw(other)
    with suppress(CheckpointError):
        build_keras_graph(config, file, KerasVersion(), {})
    cells_in_config(config, KerasVersion())
    configured_names(config, folders_of(file.tensors))
