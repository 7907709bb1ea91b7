"""What stays on the device where it was recorded: the same code on the CPU, which is treated as another device here."""

from __future__ import annotations

import copy
import gc
import weakref
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_sequence

from models import capture
from models.capturing import kernel_calls, layer_records, recorded_arrays
from models.capturing.kernel_calls import contiguous_chunk
from models.core.device_evaluation import DeviceEvaluation, device_scan
from models.core.gate_evaluation import scan
from models.core.recording import DeviceRecording, Recording

OPTIONS = {
    "one layer": {},
    "three layers": {"num_layers": 3},
    "bidirectional": {"num_layers": 2, "bidirectional": True, "batch_first": True},
    "without biases": {"bias": False},
    "projected": {"num_layers": 2, "proj_size": 2},
}


@pytest.fixture
def elsewhere(monkeypatch):
    """Treat the CPU as another device, where stacks run as one kernel."""

    def begin():
        monkeypatch.setattr(kernel_calls, "runs_as_one", lambda x: True)
        for module in (recorded_arrays, layer_records):
            monkeypatch.setattr(module, "stays_on_device", lambda values: True)

    return begin


def recorded(net, given):
    net.zero_grad()
    with capture(net) as trace:
        out, _ = net(given)
        out = out.data if isinstance(out, PackedSequence) else out
        out.square().sum().backward()
    return trace, out.detach(), [each.grad.clone() for each in net.parameters()]


@pytest.mark.filterwarnings("ignore:LSTM with projections")
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("label", OPTIONS)
@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_every_quantity_and_gradient_is_that_of_the_cpu(elsewhere, kind, label, packed):
    if label == "projected" and kind != "LSTM":
        return
    torch.manual_seed(0)
    net = getattr(nn, kind)(3, 4, **OPTIONS[label])
    x = torch.randn(5, 3, 3)
    given = pack_sequence([x[:n, b] for b, n in enumerate([2, 5, 4])], enforce_sorted=False) if packed else x
    plain, out, grads = recorded(net, given)
    elsewhere()
    trace, own, weight_grads = recorded(net, given)
    assert torch.equal(out, own) and all(torch.equal(a, b) for a, b in zip(grads, weight_grads, strict=True))
    assert list(trace.layers) == list(plain.layers)
    for name, expected in plain.layers.items():
        seen = trace.layers[name]
        assert isinstance(seen.recording, DeviceRecording) and isinstance(seen._steps, DeviceEvaluation)
        before = ("input", "hidden_prev") + (("cell_prev", "initial_cell") if kind == "LSTM" else ())
        for quantity in (*expected.quantities, *before, "initial_hidden", "lengths", "hidden_grad"):
            found = getattr(seen, quantity)
            assert not found.flags.writeable and found.dtype == getattr(expected, quantity).dtype
            np.testing.assert_allclose(found, getattr(expected, quantity), rtol=0, atol=1e-6, err_msg=quantity)
            if quantity in (*expected.quantities, "input", "hidden_prev", "cell_prev"):
                np.testing.assert_array_equal(seen.tensor(quantity), found)
        np.testing.assert_array_equal(seen.weights.weight_hh, expected.weights.weight_hh)


def test_a_tensor_is_a_copy_and_a_wrong_name_is_refused(elsewhere):
    elsewhere()
    net = nn.GRU(3, 4)
    with capture(net) as trace:
        net(torch.randn(5, 2, 3))
    layer = trace.layers["l0"]
    layer.tensor("update_gate").zero_()
    layer.tensor("hidden").zero_()
    assert layer.update_gate.all() and layer.hidden.all()
    with pytest.raises(KeyError, match=r"GRU has no cell_prev; it has reset_gate.*hidden_prev"):
        layer.tensor("cell_prev")


def test_a_copy_of_a_trace_is_on_the_cpu(elsewhere):
    elsewhere()
    net = nn.LSTM(3, 4, num_layers=2)
    with capture(net) as trace:
        net(torch.randn(5, 2, 3))
    for name, layer in trace.layers.items():
        twin = copy.deepcopy(trace).layers[name]
        assert type(twin.recording) is Recording and type(replace(layer.recording)) is Recording
        for quantity in layer.quantities:
            np.testing.assert_allclose(twin[quantity], layer[quantity], rtol=0, atol=1e-6)


@pytest.mark.parametrize("device", [False, True])
def test_a_trace_is_freed_when_nothing_refers_to_it(elsewhere, device):
    if device:
        elsewhere()
    net, x = nn.LSTM(3, 4, num_layers=2), torch.randn(5, 2, 3)
    gc.disable()
    try:
        with capture(net) as trace:
            net(x)[0].sum().backward()
        layer = trace.layers["l1"]
        assert layer.forget_gate.all() and trace.layers["l1"] is layer
        gone = weakref.ref(layer)
        del trace, layer
        assert gone() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("steps", [1, 2, 7, 33])
@pytest.mark.parametrize("min_size", [0, 10, 10_000])
def test_the_scan_on_a_device_is_that_of_the_cpu(min_size, steps, reverse):
    gate, added, initial = torch.rand(2, steps, 3), torch.randn(2, steps, 3), torch.randn(2, 3)
    expected = scan(gate.numpy(), added.numpy().copy(), initial.numpy(), reverse)
    found = device_scan(gate, added, initial, reverse, min_size)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("bias", "bidirectional", "projection"), [(True, True, 0), (False, True, 0), (True, False, 2)])
def test_weights_in_one_chunk_are_the_weights_and_have_their_gradients(bias, bidirectional, projection):
    net = nn.LSTM(3, 4, bias=bias, bidirectional=bidirectional, proj_size=projection)
    chunk = contiguous_chunk(net._flat_weights, bias)
    assert all(torch.equal(a, b) for a, b in zip(chunk, net._flat_weights, strict=True))
    sum(each.square().sum() for each in chunk).backward()
    assert all(torch.equal(each.grad, 2 * each) for each in net.parameters())
    if not projection:
        order = sorted(chunk, key=lambda each: each.storage_offset())
        assert [each.dim() for each in order] == sorted((each.dim() for each in chunk), reverse=True)
