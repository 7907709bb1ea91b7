"""Inside a capture the user's call returns what it returns outside: under transforms, tracing and fake tensors."""

from __future__ import annotations

import copy
import warnings

import pytest
import torch
from torch import nn
from torch.func import functional_call, grad, jacrev, jvp, vmap
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from models import CaptureWarning, capture


class Sequence(nn.Module):
    """A fused recurrent module below a linear one."""

    def __init__(self, kind="LSTM", layers=1):
        super().__init__()
        self.rnn, self.fc = getattr(nn, kind)(3, 4, layers, batch_first=True), nn.Linear(4, 1)

    def forward(self, x):
        return self.fc(self.rnn(x)[0][:, -1])


class Loop(nn.Module):
    """A Cell in a loop below a linear module."""

    def __init__(self, kind="LSTMCell"):
        super().__init__()
        self.cell, self.fc = getattr(nn, kind)(3, 4), nn.Linear(4, 1)

    def forward(self, x):
        state = None
        for t in range(x.shape[1]):
            state = self.cell(x[:, t], state)
        return self.fc(state[0] if isinstance(state, tuple) else state)


class Attend(nn.Module):
    """An attention over a recurrent module's outputs."""

    def __init__(self):
        super().__init__()
        self.rnn, self.attention = nn.GRU(3, 4, batch_first=True), nn.MultiheadAttention(4, 2, batch_first=True)

    def forward(self, x):
        h, _ = self.rnn(x)
        return self.attention(h, h, h)[0]


NETS = {
    "LSTM": lambda: Sequence("LSTM"),
    "GRU": lambda: Sequence("GRU"),
    "RNN": lambda: Sequence("RNN"),
    "two layers": lambda: Sequence("LSTM", 2),
    "LSTMCell": lambda: Loop("LSTMCell"),
    "GRUCell": lambda: Loop("GRUCell"),
    "attention": Attend,
}


def params(net):
    return {name: values.detach() for name, values in net.named_parameters()}


def traced(net, x):
    return make_fx(lambda a: net(a))(x)


WAYS = {
    "grad": lambda net, x: grad(lambda p: functional_call(net, p, (x,)).pow(2).mean())(params(net)),
    "jacrev": lambda net, x: jacrev(lambda p: functional_call(net, p, (x,)))(params(net)),
    "jvp": lambda net, x: jvp(lambda a: net(a), (x,), (torch.ones_like(x),)),
    "vmap(grad)": lambda net, x: vmap(grad(lambda p, a: functional_call(net, p, (a[None],)).mean()), in_dims=(None, 0))(
        params(net), x
    ),
    "meta": lambda net, x: str(copy.deepcopy(net).to("meta")(x.to("meta")).shape),
    "make_fx": lambda net, x: [traced(net, x).code, traced(net, x)(x)],
    "export": lambda net, x: torch.export.export(net, (x,)).module()(x),
    "strict export": lambda net, x: torch.export.export(net, (x,), strict=True).module()(x),
    "compiled copy": lambda net, x: torch.compile(copy.deepcopy(net), backend="eager")(x),
    "compiled": lambda net, x: torch.compile(net, backend="eager")(x),
    "jit.trace": lambda net, x: torch.jit.trace(net, (x,), check_trace=False)(x),
    "functional_call": lambda net, x: functional_call(net, {k: v * 0.5 for k, v in params(net).items()}, (x,)),
    "count of operations": lambda net, x: counted(net, x),
}


def counted(net, x):
    with FlopCounterMode(display=False) as counter:
        out = net(x)
    return out, counter.get_total_flops()


def outcome(call):
    """Return what a call returns, as a list of leaves, or the class of the exception it raises."""
    torch._dynamo.reset()
    try:
        return tree_leaves(call())
    except Exception as error:
        return [type(error).__name__]


def same(one, other):
    return len(one) == len(other) and all(
        torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b for a, b in zip(one, other, strict=True)
    )


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("label", NETS)
def test_a_call_returns_what_it_returns_outside_a_capture(label, way):
    torch.manual_seed(0)
    net, x = NETS[label]().eval(), torch.randn(5, 6, 3)
    plain = outcome(lambda: WAYS[way](net, x))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        with capture(net) as trace:
            inside = outcome(lambda: WAYS[way](net, x))
    assert same(plain, inside), (plain, inside)
    found = [str(each.message) for each in said if isinstance(each.message, CaptureWarning)]
    recorded = bool(trace.layers) and way not in ("functional_call", "count of operations")
    if isinstance(plain[0], str) and len(plain) == 1 and way != "meta":  # torch refuses it without a capture too
        return
    assert way in ("functional_call", "count of operations", "meta", "compiled copy") or found or recorded
    assert len(found) <= 1 and all(each.endswith(".") and "\n" not in each for each in found)
