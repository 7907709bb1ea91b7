"""Trained ONNX files of a package: silero-vad's voice activity detectors, whose six files state the network differently."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

from models import capture
from models.checkpoints import load_checkpoint
from tests.support.onnx_models import expected, onnx, run

found = find_spec("silero_vad")  # its code, which needs more packages, is not imported
if found is None or found.origin is None:
    pytest.skip("silero-vad is not installed", allow_module_level=True)
FOLDER = Path(found.origin).parent / "data"
LAYERS = {
    "silero_vad": ("If_0_then_branch__Inline_0__.decoder.rnn.l0", "If_0_else_branch__Inline_0__.decoder.rnn.l0"),
    "silero_vad_16k_op15": ("model.decoder.rnn.l0",),
    "silero_vad_16k_sequence": ("recurrent.l0",),
    "silero_vad_half": ("decoder.rnn.l0",),
    "silero_vad_op18_ifless": ("model.decoder.rnn.l0", "model_8k.decoder.rnn.l0"),
    "silero_vad_openvino_16k": ("F2__If_0_then_branch__Inline_0__.decoder.rnn.l0",),
}
"""By file: the layer for 16 kHz, and for 8 kHz if there is one; the same weights in both branches of an If are one layer."""


def sound(rate, steps=1):
    """Chunks of a chirp in noise, with the context that the detectors expect before each."""
    time = np.arange((512 if rate == 16000 else 256) * steps) / rate
    wave = np.sin(2 * np.pi * (200 + 400 * time) * time) + np.random.default_rng(0).normal(0, 0.1, len(time))
    chunks = wave.astype(np.float32).reshape(steps, -1)
    context = 64 if rate == 16000 else 32
    before = np.concatenate([np.zeros((1, context), np.float32), chunks[:-1, -context:]])
    return np.concatenate([before, chunks], 1)


def feeds(name, module, rate):
    """Inputs one after the other: a chunk, then the next one with the state that is at hand."""
    made = np.random.default_rng(1)
    if "sequence" in name:
        states = {each: made.normal(0, 0.3, (1, 1, 128)).astype(np.float32) for each in "hc"}
        return [{"input": sound(rate, 7)} | states]
    more = {"sr": np.array(rate)} if any(each.name == "sr" for each in module.inputs) else {}
    states = [np.zeros((2, 1, 128), np.float32), made.normal(0, 0.5, (2, 1, 128)).astype(np.float32)]
    return [{"input": chunk[None], "state": state} | more for chunk, state in zip(sound(rate, 2), states, strict=True)]


@pytest.mark.parametrize("name", LAYERS)
def test_a_file_runs_as_in_onnxruntime(name):
    data = (FOLDER / f"{name}.onnx").read_bytes()
    checkpoint = load_checkpoint(data)
    module = checkpoint.graph()
    assert module.left_out == () and set(module.recurrent_layers) == set(LAYERS[name])
    assert tuple(checkpoint.layers) == module.recurrent_layers
    rates = (16000, 8000) if any(each.name == "sr" for each in module.inputs) and "16k" not in name else (16000,)
    for index, rate in enumerate(rates):
        for feed in feeds(name, module, rate):
            for want, got in zip(expected(data, feed), run(module, feed), strict=True):
                np.testing.assert_allclose(got, want, rtol=0, atol=1e-5)
        with torch.no_grad(), capture(module) as trace:
            outputs = module(*(torch.tensor(feed[each.name]) for each in module.inputs))
        (recorded,) = trace.layers  # of two alternatives the one that ran
        assert recorded == LAYERS[name][index]
        hidden = outputs[1].reshape(-1, 128)[0]
        np.testing.assert_allclose(trace.layers[recorded].hidden[0, -1], hidden, rtol=0, atol=1e-6)


def test_the_layers_of_a_file_are_its_own():
    """A cell that is written out, against the tensors that the file names."""
    data = (FOLDER / "silero_vad_op18_ifless.onnx").read_bytes()
    stored = {each.name: onnx.numpy_helper.to_array(each) for each in onnx.load_from_string(data).graph.initializer}
    checkpoint = load_checkpoint(data)
    for path in ("model", "model_8k"):
        layer = checkpoint.layers[f"{path}.decoder.rnn.l0"]
        assert layer.kind == "LSTM"
        for part, values in layer.arrays().items():
            assert np.array_equal(values, stored[f"{path}.decoder.rnn.{part}"])
            assert f"{path}.decoder.rnn.{part}" not in checkpoint.tensors
