"""What a capture leaves alone, and what it does with modules that are used in unusual ways."""

from __future__ import annotations

import copy
import threading

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm, weight_norm

from models import capture
from tests.support.small_net import Net, all_close, count_hooks, layer_arrays, lstm_equations


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("looked_at_first", [True, False])
def test_a_trace_does_not_change_when_weights_or_inputs_do(layers, looked_at_first):
    torch.manual_seed(0)
    net, x = Net(layers=layers), torch.randn(2, 6, 3)
    read = []
    net.rnn.register_forward_pre_hook(lambda module, args: read.append(args[0]))
    with capture(copy.deepcopy(net)):  # an equal network, so that what is expected comes from a run of its own
        pass
    twin = copy.deepcopy(net)
    with capture(twin) as expected:
        twin(x)
    optimizer = torch.optim.SGD(net.parameters(), lr=10.0)
    with capture(net) as trace:
        out = net(x)
        first = layer_arrays(trace, "rnn.l0") if looked_at_first else None
        out.sum().backward()
        optimizer.step()
        with torch.no_grad():
            for tensor in (*read, out, x):
                tensor.zero_()
        for parameter in net.parameters():
            parameter.data.fill_(7.0)
    for name in expected.layers:
        for own, other in zip(layer_arrays(trace, name), layer_arrays(expected, name), strict=True):
            assert np.array_equal(own, other)
    if first is not None:
        assert all(np.array_equal(a, b) for a, b in zip(first, layer_arrays(trace, "rnn.l0"), strict=True))


@pytest.mark.parametrize("change", ["data", "step", "none"])
def test_each_run_keeps_the_weights_it_ran_with(change):
    torch.manual_seed(0)
    net, x = nn.LSTM(3, 4), torch.randn(5, 1, 3)
    used = []
    with capture(net) as trace:
        for _ in range(2):
            used.append(lstm_equations(net, x[:, 0]))
            net(x)
            if change == "data":
                net.weight_hh_l0.data.mul_(2)
            elif change == "step":
                with torch.no_grad():
                    net.weight_hh_l0.add_(1)
    assert all_close(trace.layers["l0"], used[0]) and all_close(trace.layers["l0#2"], used[1])
    same = trace.layers["l0"].weights is trace.layers["l0#2"].weights
    assert same == (change == "none")


def test_state_carried_over_a_change_of_weights_begins_a_new_run():
    net, x = nn.LSTM(3, 4), torch.randn(5, 1, 3)
    with capture(net) as trace:
        state = net(x)[1]
        state = net(x, state)[1]
        net.weight_hh_l0.data.mul_(2)
        net(x, state)
    assert {name: seen.shape[1] for name, seen in trace.layers.items()} == {"l0": 10, "l0#2": 5}


@pytest.mark.parametrize("layers", [1, 2])
def test_a_parametrized_module_shows_the_weights_of_the_call(layers):
    torch.manual_seed(0)
    net = weight_norm(nn.LSTM(3, 4, num_layers=layers), "weight_hh_l0")
    x = torch.randn(6, 1, 3)
    with capture(net) as trace:
        for scale in (1.0, 3.0):
            with torch.no_grad():
                net.parametrizations.weight_hh_l0.original0.fill_(scale)
            net(x)
            name = "l0" if scale == 1 else "l0#2"
            assert np.array_equal(trace.layers[name].weights.weight_hh, net.weight_hh_l0.detach().numpy())
            assert all_close(trace.layers[name], lstm_equations(net, x[:, 0]))


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_the_older_weight_norm_too():
    net, x = nn.utils.weight_norm(nn.LSTM(3, 4), "weight_hh_l0"), torch.randn(6, 1, 3)
    with capture(net) as trace:
        net(x)
        net.weight_hh_l0_g.data.mul_(3)
        net(x)
    assert all_close(trace.layers["l0#2"], lstm_equations(net, x[:, 0]))
    assert not all_close(trace.layers["l0"], lstm_equations(net, x[:, 0]))


def test_looking_does_not_run_a_cells_parametrization_again():
    torch.manual_seed(0)
    cells = [spectral_norm(nn.LSTMCell(3, 4), "weight_hh").train()]
    cells.append(copy.deepcopy(cells[0]))
    x = torch.randn(2, 3)
    plain = cells[0](x)
    with capture(cells[1]) as trace:
        seen = cells[1](x)
    assert torch.equal(plain[0], seen[0]) and torch.equal(plain[1], seen[1])
    for a, b in zip(cells[0].state_dict().values(), cells[1].state_dict().values(), strict=True):
        assert torch.equal(a, b)
    used = trace.layers["l0"].weights
    assert np.linalg.norm(used.weight_hh, 2) == pytest.approx(1, abs=0.3)


class Residual(nn.LSTM):
    """A subclass whose forward is not the kernel's alone."""

    def forward(self, x, hx=None):
        out, state = super().forward(2 * x, hx)
        return out + x, state


def test_of_a_subclass_with_a_forward_of_its_own_the_kernels_call_is_shown():
    torch.manual_seed(0)
    net, x = Residual(4, 4), torch.randn(5, 1, 4)
    with capture(net) as trace:
        out, _ = net(x)
    assert all_close(trace.layers["l0"], lstm_equations(net, 2 * x[:, 0]))
    assert torch.equal(out, net(x)[0])


def test_hooks_of_the_user_may_change_input_and_output():
    torch.manual_seed(0)
    for layers in (1, 2):
        net, x = Net(layers=layers), torch.randn(1, 6, 3)
        net.rnn.register_forward_pre_hook(lambda module, args: (args[0] + 1,))
        net.rnn.register_forward_hook(lambda module, args, out: (out[0] * 0, out[1]))
        plain = net(x)
        with capture(net) as trace:
            assert torch.equal(net(x), plain)
        read = net.read(x)[0] + 1
        assert np.allclose(trace.layers["rnn.l0"].input[0], read.detach(), atol=1e-6)
        assert all_close(trace.layers["rnn.l0"], lstm_equations(net.rnn, read.detach()))


class Shared(nn.Module):
    """One module under two names."""

    def __init__(self):
        super().__init__()
        self.first = nn.GRU(3, 3)
        self.second = self.first

    def forward(self, x):
        return self.second(self.first(x)[0])[0]


def test_a_module_under_two_names_is_recorded_once_a_call_under_the_first():
    net, x = Shared(), torch.randn(4, 1, 3)
    with capture(net) as trace:
        net(x)
    assert list(trace.layers) == ["first.l0", "first.l0#2"]
    assert np.array_equal(trace.layers["first.l0#2"].input, trace.layers["first.l0"].hidden)


@pytest.mark.parametrize("layers", [1, 3])
def test_nested_captures_do_not_see_each_other(layers):
    torch.manual_seed(0)
    net, x = Net(layers=layers, dropout=0.5 if layers > 1 else 0.0), torch.randn(2, 6, 3)
    torch.manual_seed(1)
    plain = net(x)
    with capture(net) as outer:
        torch.manual_seed(1)
        with capture(net) as inner, capture(net.rnn) as part:
            out = net(x)
        net(x)
    assert torch.equal(out, plain)
    names = [f"rnn.l{level}" for level in range(layers)]
    assert list(inner.layers) == names
    assert list(part.layers) == [name.removeprefix("rnn.") for name in names]
    assert list(outer.layers) == names + [f"{name}#2" for name in names]
    for name in names:
        for own, other, third in zip(
            layer_arrays(inner, name),
            layer_arrays(outer, name),
            layer_arrays(part, name.removeprefix("rnn.")),
            strict=True,
        ):
            assert np.array_equal(own, other) and np.array_equal(own, third)
        dropped = inner.layers[name].dropout
        assert (dropped is None) == (name == names[-1])
        assert dropped is None or np.array_equal(dropped, outer.layers[name].dropout)
    assert count_hooks(net) == 0


@pytest.mark.parametrize("layers", [1, 2])
def test_threads_see_their_own_calls_only(layers):
    torch.manual_seed(0)
    net = Net(layers=layers)
    inputs = [torch.randn(1, 5, 3) for _ in range(3)]
    barrier, traces, errors = threading.Barrier(3), {}, []

    def work(index):
        try:
            barrier.wait()
            if index == 2:  # uses no attention
                for _ in range(20):
                    net(inputs[index])
                barrier.wait()
                return
            with capture(net) as trace:
                for _ in range(20):
                    net(inputs[index])
                barrier.wait()
            traces[index] = trace
        except Exception as error:
            errors.append(error)
            barrier.abort()

    threads = [threading.Thread(target=work, args=(index,)) for index in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    for index in range(2):
        trace = traces[index]
        assert len(trace.layers) == 20 * layers
        read = net.read(inputs[index]).detach().numpy()
        assert all(np.array_equal(seen.input, read) for name, seen in trace.layers.items() if name.startswith("rnn.l0"))
    assert count_hooks(net) == 0


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt])
def test_after_an_exception_nothing_remains(layers, kind):
    net, x = Net(layers=layers), torch.randn(2, 6, 3)
    plain = net(x)
    modes = torch._C._len_torch_function_stack

    def fail(module, args):
        raise kind("stop")

    before = modes()
    with pytest.raises(kind), capture(net) as trace:
        net(x)
        late = net.rnn.register_forward_pre_hook(fail)  # comes after the hooks of the capture
        net(x)
    assert modes() == before
    late.remove()
    assert count_hooks(net) == 0 and len(trace.layers) == layers
    assert torch.equal(net(x), plain) and len(trace.layers) == layers

    with capture(net) as trace:  # an exception that is caught inside the block
        with pytest.raises((RuntimeError, ValueError)):
            net.rnn(torch.randn(2, 6, 9))
        out = net(x)
    assert torch.equal(out, plain) and len(trace.layers) == layers
    assert modes() == before and count_hooks(net) == 0


def test_a_copy_made_inside_the_block_is_not_watched():
    net, x = Net(layers=2), torch.randn(2, 6, 3)
    with capture(net) as trace:
        twin = copy.deepcopy(net)
        twin(x)
    assert not trace.layers
    assert torch.equal(twin(x), net(x)) and not trace.layers


def test_one_capture_may_be_entered_again():
    net, x = nn.LSTM(3, 4), torch.randn(5, 1, 3)
    again = capture(net)
    with again as first:
        net(x)
    with again as second:
        net(x)
    assert list(first.layers) == list(second.layers) == ["l0"]
