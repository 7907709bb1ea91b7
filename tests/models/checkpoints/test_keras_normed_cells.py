"""The layer-normalized LSTM cell of TensorFlow Addons in a Keras file; other cells of one's own are named."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest
import torch

from models import CheckpointError, capture, load_checkpoint
from tests.support.keras_files import (
    PADDED,
    SIZE,
    STEPS,
    L,
    LayerNormLSTMCell,
    NormedCell,
    keras,
    randomized,
    same,
    sequence,
    written,
)
from tests.support.zip_archive import archive

pytestmark = pytest.mark.filterwarnings("ignore")
UNITS = 4


OtherCell = keras.saving.register_keras_serializable("own", "LayerNormLSTMCell")(
    type("LayerNormLSTMCell", (NormedCell,), {})
)


@pytest.mark.parametrize(
    ("layer", "masked"),
    [
        (lambda: L.RNN(LayerNormLSTMCell(UNITS), return_sequences=True), True),
        (lambda: L.RNN([LayerNormLSTMCell(UNITS, 1e-5, use_bias=False), L.LSTMCell(3), LayerNormLSTMCell(2)]), False),
        (lambda: L.Bidirectional(L.RNN(LayerNormLSTMCell(UNITS, activation="relu"), return_sequences=True)), False),
    ],
    ids=["one", "stacked", "bidirectional"],
)
def test_it_is_run_as_by_keras(layer, masked, tmp_path):
    model = randomized(sequence(layer(), masked=masked))
    checkpoint = written(model, tmp_path / "model.keras")
    module = checkpoint.graph()
    same(model, module, PADDED)
    with torch.no_grad(), capture(module) as trace:
        module(torch.tensor(PADDED[:1]))
    assert tuple(trace.layers) == module.recurrent_layers
    for found in checkpoint.found.values():
        assert not found.assumed and not found.unexplained
    normed = [each for each in checkpoint.layers.values() if each.norm is not None]
    assert normed and all(each.cell_norm and each.bias_ih is None for each in normed)


def test_the_gradients_are_those_of_keras(tmp_path):
    model = randomized(sequence(L.RNN(LayerNormLSTMCell(UNITS)), masked=False))
    module = written(model, tmp_path / "model.keras").graph()
    with capture(module) as trace:
        module(torch.tensor(PADDED)).square().sum().backward()
    keras.ops.sum(keras.ops.square(model(PADDED))).backward()
    (layer,) = trace.layers.values()
    cell = model.layers[0].cell
    expected = {"weight_ih": cell.kernel, "weight_hh": cell.recurrent_kernel, "shift_ih": cell.bias}
    for side, norm in (("ih", cell.kernel_norm), ("hh", cell.recurrent_norm), ("c", cell.state_norm)):
        expected |= {f"gain_{side}": norm.gamma}
    for name, variable in expected.items():
        np.testing.assert_allclose(layer.gradients.per_step(name).sum(0), variable.value.grad.T, rtol=1e-4, atol=1e-5)


def test_another_class_of_that_name_is_named(tmp_path):
    model = randomized(sequence(L.RNN(OtherCell(UNITS)), masked=False))
    checkpoint = written(model, tmp_path / "model.keras")
    assert not checkpoint.found
    with pytest.raises(CheckpointError, match=r"rnn.* has the type LayerNormLSTMCell, which cannot be run"):
        checkpoint.graph()


def test_norms_that_do_not_fit_are_refused(tmp_path):
    import h5py

    model = randomized(keras.Sequential([keras.Input((STEPS, SIZE)), L.RNN(LayerNormLSTMCell(UNITS))]))
    model.save(tmp_path / "model.keras")
    with zipfile.ZipFile(tmp_path / "model.keras") as members:
        parts = {name: members.read(name) for name in members.namelist()}
    (tmp_path / "weights.h5").write_bytes(parts["model.weights.h5"])
    with h5py.File(tmp_path / "weights.h5", "a") as file:
        places: list[str] = []
        file.visit(lambda name: places.append(name) if name.endswith("state_norm/vars/1") else None)
        del file[places[0]]
    parts["model.weights.h5"] = (tmp_path / "weights.h5").read_bytes()
    (tmp_path / "broken.keras").write_bytes(archive(parts))
    with pytest.raises(CheckpointError, match="do not fit its kernels"):
        load_checkpoint(tmp_path / "broken.keras")
