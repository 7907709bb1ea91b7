"""ONNX files of LSTMs with peepholes: health, comparison, edits, and what PyTorch has no module for."""

from __future__ import annotations

import numpy as np
import pytest
import safetensors.torch
import torch

from models import capture
from models.checkpoints import CheckpointError, load_checkpoint
from models.checkpoints.building.build import build_network, compatible_parts, default_setup
from models.checkpoints.health.compare_checkpoints import compare_checkpoints
from models.checkpoints.health.distributions import distributions
from models.checkpoints.health.layer_findings import check_layer
from models.checkpoints.health.unit_health import check_units
from models.checkpoints.save import to_safetensors
from models.core.layer_metadata import layer_metadata
from models.edits.edit_syntax import read_edits
from models.edits.edited_network import EditedNetwork
from models.edits.unit_weights import weights_of_unit
from models.edits.weight_edits import edited_layers, edited_module, parameters_of
from tests.models.checkpoints.test_onnx_graph_recurrent import H, node_of

LAYER = "encoder.rnn.l0"
GATES = ("input_gate", "forget_gate", "output_gate")


def opened(seed=0, **options):
    return load_checkpoint(node_of("LSTM", peepholes=True, seed=seed, **options)[0])


def test_the_blocks_are_those_of_the_file():
    """ONNX has them in the order i o f."""
    checkpoint = opened(clip=2.0)
    weights = checkpoint.layers[LAYER]
    stored = np.random.default_rng(0)
    for shape in ((1, 4 * H, 3), (1, 4 * H, H), (1, 8 * H), (5, 3, 3)):
        stored.normal(size=shape)
    i, o, f = stored.normal(0, 0.6, (1, 3 * H)).astype(np.float32)[0].reshape(3, H)
    for gate, expected in zip(GATES, (i, f, o), strict=True):
        np.testing.assert_array_equal(weights.rows("weight_ch", gate), expected)
    assert weights.options["clip"] == 2 and not checkpoint.network().left_out
    assert set(distributions(weights)["weight_ch"]) == set(GATES)
    with pytest.raises(CheckpointError, match=r"PyTorch has no module for these layers: .*peepholes=True"):
        to_safetensors(checkpoint)
    with pytest.raises(CheckpointError, match="do not fit together"):
        checkpoint.corrected(LAYER, kind="RNN")


def test_health_takes_them_into_account():
    weights = opened().layers[LAYER]
    arrays = {name: values.copy() for name, values in weights.arrays().items()}
    for values in arrays.values():
        for start in range(0, len(values), H):
            values[start + 3] = values[start + 1]
    arrays["weight_hh"][:, 3] = 0
    for start in range(0, 4 * H, H):
        arrays["weight_ih"][start + 2], arrays["weight_hh"][start + 2] = 0, 0
    arrays["bias_ih"][:H] = 100
    made = type(weights)("LSTM", **arrays, peepholes=True)
    found = check_units(made)
    assert found.duplicates == ((1, 3),) and not found.no_incoming and not found.stuck
    assert list(check_layer(LAYER, made))
    arrays["weight_ch"][[2, H + 2, 2 * H + 2]] = 0
    arrays["weight_ch"][H + 1] += 0.5
    found = check_units(type(weights)("LSTM", **arrays, peepholes=True))
    assert not found.duplicates and found.no_incoming == (2,)


def test_they_are_compared_and_edited():
    checkpoint = opened()
    changes = compare_checkpoints(checkpoint, opened(seed=1)).layer_changes(LAYER)
    assert {each.gate for each in changes if each.part == "weight_ch"} == set(GATES)
    edits = read_edits(
        f"{LAYER}.weight_ch[output_gate.2]=7;{LAYER}.weight_ch[forget_gate]*=2;{LAYER}.weight_ch[1]=0"
    ).weights
    before = checkpoint.layers[LAYER]
    expected = before.weight_ch.reshape(3, H).copy()
    expected[2, 2], expected[1] = 7, 2 * expected[1]
    expected[:, 1] = 0
    after = edited_layers({LAYER: before}, edits)[LAYER]
    np.testing.assert_array_equal(after.weight_ch.reshape(3, H), expected)
    module = edited_module(checkpoint.network().module, edits)
    known = parameters_of(module)
    np.testing.assert_array_equal(known.arrays[f"{LAYER}.weight_ch"].reshape(3, H), expected)
    own = [each for each in weights_of_unit(known, LAYER, 2, "reads") if each.name.endswith("weight_ch")]
    assert {each.gate: each.value for each in own} == dict(zip(GATES, expected[:, 2].tolist(), strict=True))
    gone = edited_module(module, read_edits(f"{LAYER}.reads[2]=0").weights)
    assert not parameters_of(gone).arrays[f"{LAYER}.weight_ch"].reshape(3, H)[:, 2].any()


def test_an_edited_network_is_saved_and_opened_with_them():
    checkpoint = opened(clip=2.0, input_forget=1)
    assert checkpoint.layers[LAYER].cell.coupled
    base = build_network(checkpoint, default_setup(compatible_parts(checkpoint)), "peepholes.onnx")
    edited = EditedNetwork(base, read_edits(f"{LAYER}.weight_ch[output_gate.2]=7"))
    data = edited.save()
    [layer] = load_checkpoint(data).layers.values()
    assert layer.options == checkpoint.layers[LAYER].options and layer.rows("weight_ch", "output_gate")[2] == 7
    x = torch.randn(5, 3, 3)
    with torch.no_grad(), capture(edited.network.module) as trace:
        edited.network.module(x)
        np.testing.assert_allclose(layer.to_module()(x)[0], trace.layers[LAYER].hidden, rtol=0, atol=1e-6)
    tensors = {name: values for name, values in safetensors.torch.load(data).items() if "weight_ch" not in name}
    stored = layer_metadata({"encoder.rnn.l0": ("LSTM", layer.options)})
    with pytest.raises(CheckpointError, match=r"The tensors of encoder\.rnn\.l0 do not fit together"):
        load_checkpoint(safetensors.torch.save(tensors, stored))
