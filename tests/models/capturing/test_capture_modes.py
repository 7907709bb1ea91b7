"""What can be opened and what cannot, in which of torch's modes, and what a trace gives out."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch
from torch import nn

from models import CaptureError, capture
from tests.support.small_net import Net, all_close, layer_arrays, lstm_equations


class Frozen(nn.Module):
    """A wrapper of another module."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_modules_that_cannot_be_opened_are_named_in_one_sentence():
    scripted = torch.jit.script(nn.LSTM(3, 4))
    compiled = torch.compile(nn.LSTM(3, 4))
    in_place = nn.LSTM(3, 4)
    in_place.compile()
    for module, words in (
        (scripted, "scripted"),
        (Frozen(scripted), "'inner' is scripted"),
        (compiled, "compiled"),
        (Frozen(compiled), "'inner' is compiled"),
        (Frozen(in_place), "'inner' is compiled"),
        (torch.compile(Net()), "compiled"),
        (nn.Linear(2, 2), "Linear holds no"),
    ):
        with pytest.raises(CaptureError, match=words) as caught:
            capture(module)
        message = str(caught.value)
        assert message.endswith(".") and message.count(". ") == 0 and "\n" not in message


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_scripted_and_compiled_parts_without_recurrence_do_not_stand_in_the_way():
    net, x = Net(), torch.randn(1, 4, 3)
    net.head = torch.jit.script(net.head)
    net.read.compile(backend="eager")
    with capture(net) as trace:
        net(x)
    assert list(trace.layers) == ["rnn.l0"]


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("mode", [torch.inference_mode, torch.no_grad])
def test_without_gradients(layers, mode):
    net, x = Net(layers=layers), torch.randn(1, 4, 3)
    with mode():
        plain = net(x)
        with capture(net) as trace:
            assert torch.equal(net(x), plain)
            net(x)
        read = net.read(x)[0]
    assert all_close(trace.layers["rnn.l0#2"], lstm_equations(net.rnn, read))
    assert not trace.layers["rnn.l0"].forget_gate.flags.writeable


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_autocast(kind, layers):
    torch.manual_seed(0)
    net, x = Net(kind, layers=layers), torch.randn(2, 6, 3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        plain = net(x)
        with capture(net) as trace:
            assert torch.equal(net(x), plain)
    with capture(net) as exact:
        net(x)
    for quantity in exact.layers["rnn.l0"]:
        seen = trace.layers["rnn.l0"][quantity]
        assert seen.dtype == np.float32
        assert np.allclose(seen, exact.layers["rnn.l0"][quantity], atol=0.05)


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_gates_looked_at_under_autocast_are_those_looked_at_later(kind):
    torch.manual_seed(0)
    net, x = Net(kind), torch.randn(2, 6, 3)
    with torch.autocast("cpu", dtype=torch.bfloat16), capture(net) as trace:
        net(x)
        now = copy.deepcopy(trace)
        early = layer_arrays(now, "rnn.l0")
    assert all(np.array_equal(a, b) for a, b in zip(early, layer_arrays(trace, "rnn.l0"), strict=True))


def test_wrapped_modules_keep_their_full_path():
    net, x = nn.DataParallel(nn.Sequential(Net())), torch.randn(1, 4, 3)
    with capture(net) as trace:
        net(x)
    assert list(trace.layers) == ["module.0.rnn.l0"]


def test_what_a_trace_gives_out_is_read_only():
    net, x = nn.LSTM(3, 4, num_layers=2, dropout=0.5), torch.randn(5, 2, 3)
    with capture(net) as trace:
        net(x)
    seen = trace.layers["l0"]
    names = (*seen.quantities, "input", "hidden_prev", "cell_prev", "initial_hidden", "initial_cell", "lengths")
    for array in [getattr(seen, name) for name in (*names, "dropout")] + list(seen.weights.arrays().values()):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
    for thing, name in ((trace, "tokens"), (seen, "weights"), (seen, "reverse"), (seen.weights, "kind")):
        with pytest.raises(AttributeError):
            setattr(thing, name, None)
    with pytest.raises(TypeError):
        trace.layers["l0"] = seen


def test_asking_for_what_is_not_there():
    with capture(nn.GRU(3, 4)) as trace, pytest.raises(KeyError, match="nothing has run yet"):
        trace.layers["l0"]
    net = nn.GRU(3, 4)
    with capture(net) as trace:
        net(torch.randn(5, 1, 3))
    for name in ("forget_gate", "cell", "cell_prev", "initial_cell", "a", "project"):
        with pytest.raises(AttributeError):
            getattr(trace.layers["l0"], name)
    with pytest.raises(KeyError, match="GRU has no forget_gate; it has reset_gate"):
        trace.layers["l0"]["forget_gate"]


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda trace: pickle.loads(pickle.dumps(trace))])
def test_a_trace_can_be_copied_and_pickled(duplicate):
    net, x = nn.LSTM(3, 4, num_layers=2), torch.randn(5, 2, 3)
    with capture(net) as trace:
        net(x)
        twin = duplicate(trace)
        net(x)
    assert list(twin.layers) == ["l0", "l1"]
    for name in twin.layers:
        assert all(
            np.array_equal(a, b) for a, b in zip(layer_arrays(twin, name), layer_arrays(trace, name), strict=True)
        )
