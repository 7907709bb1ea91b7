"""What looking costs: ``python -m tests.benchmarks.capture_cost``.

Each way of looking takes turns with the plain forward, in one run, so that a busy machine slows both; what is printed is the
median of the ratios of the pairs. One thread, batch 1, no gradients.

"Its arithmetic alone" is what seeing every gate costs an LSTM without hooks, names or a trace: the forward, copies of what it
read and made and of its weights, two matrix products, four activations and the scan of the cell. What is above it is ours.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import time
from collections.abc import Callable

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # numpy reads it when it is imported

import numpy as np
import torch
from torch import nn

from models import capture
from models.core.gate_evaluation import scan

KINDS: dict[str, type[nn.RNNBase]] = {"LSTM": nn.LSTM, "GRU": nn.GRU, "RNN": nn.RNN}
SIZES = ((64, 100), (256, 1000))
BARS = {"every gate and state": {(64, 100): 2.2, (256, 1000): 1.7}, "hidden only": {(256, 1000): 1.3}}
"""How many plain forwards an LSTM may cost at (H, T)."""
PAIRS = 10
"""Turns that a way and the plain forward take before another way's."""


def looked_at(net: nn.RNNBase, x: torch.Tensor, look: Callable) -> None:
    """One captured forward, and ``look`` at its layer."""
    with capture(net) as trace:
        net(x)
    look(trace.layers["l0"])


def arithmetic(net: nn.LSTM, x: torch.Tensor) -> None:
    """Every gate and state of one sequence, with nothing around the arithmetic."""
    out, _ = net(x)
    weight_ih, weight_hh, bias_ih, bias_hh = (weight.numpy(force=True).copy() for weight in net._flat_weights)
    read, states = x[0].numpy().copy(), np.zeros((x.shape[1] + 1, net.hidden_size), np.float32)
    states[1:] = out[0].numpy()
    sums = np.empty((len(read), 4 * net.hidden_size), np.float32)
    sums[:] = bias_ih + bias_hh
    for values, weight in ((read, weight_ih), (states[:-1], weight_hh)):
        torch.from_numpy(sums).addmm_(torch.from_numpy(values), torch.from_numpy(weight).t())
    i, f, g, o = np.split(sums, 4, axis=1)
    i, f, o = (torch.from_numpy(gate).sigmoid().numpy() for gate in (i, f, o))
    scan(f[None], (i * np.tanh(g))[None], None, reverse=False)


def step_loop(net: nn.RNNBase, x: torch.Tensor) -> None:
    """Compute the equations in Python, a step at a time: the usual way to see the gates."""
    weight_ih, weight_hh, bias_ih, bias_hh = net.weight_ih_l0, net.weight_hh_l0, net.bias_ih_l0, net.bias_hh_l0
    h = c = x.new_zeros(len(x), net.hidden_size)
    for t in range(x.shape[1]):
        read = x[:, t] @ weight_ih.T + bias_ih
        back = h @ weight_hh.T + bias_hh
        if isinstance(net, nn.LSTM):
            i, f, g, o = (read + back).chunk(4, dim=1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
        elif isinstance(net, nn.GRU):
            (r, z, n), (rh, zh, nh) = read.chunk(3, dim=1), back.chunk(3, dim=1)
            z = (z + zh).sigmoid()
            h = (1 - z) * (n + (r + rh).sigmoid() * nh).tanh() + z * h
        else:
            h = (read + back).tanh()


def cell_loop(net: nn.RNNBase, x: torch.Tensor) -> Callable[[], None]:
    """The same sequence through torch's Cell of that kind, a step at a time (no gate is seen)."""
    kind = {nn.LSTM: nn.LSTMCell, nn.GRU: nn.GRUCell, nn.RNN: nn.RNNCell}[type(net)]
    cell = kind(net.input_size, net.hidden_size)
    cell.load_state_dict({name.removesuffix("_l0"): values for name, values in net.state_dict().items()})

    def run() -> None:
        state = None
        for t in range(x.shape[1]):
            state = cell(x[:, t], state)

    return run


def measure(
    plain: Callable[[], object], ways: dict[str, Callable[[], object]], seconds: float
) -> tuple[float, dict[str, float]]:
    """Time ``ways`` in turn for ``seconds``: the median time of ``plain``, and each way's median ratio to it."""
    ratios: dict[str, list[float]] = {name: [] for name in ways}
    base: list[float] = []
    order, shuffle = list(ways.items()), random.Random(0).shuffle
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(base) < 5 * PAIRS:
        shuffle(order)
        for name, way in order:
            way()  # what ran before leaves its caches behind: neither of the pairs below should include that
            for _ in range(PAIRS):
                start = time.perf_counter()
                plain()
                between = time.perf_counter()
                way()
                base.append(between - start)
                ratios[name].append((time.perf_counter() - between) / base[-1])
    return statistics.median(base), {name: statistics.median(found) for name, found in ratios.items()}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=6.0, help="how long to measure each kind at each size")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    options = parser.parse_args()
    torch.set_num_threads(1)
    for kind in options.kinds:
        for units, steps in SIZES:
            torch.manual_seed(0)
            net = KINDS[kind](units, units, batch_first=True).eval()
            x = torch.randn(1, steps, units)
            ways: dict[str, Callable[[], object]] = {
                "nothing looked at": lambda net=net, x=x: looked_at(net, x, lambda layer: None),
                "hidden only": lambda net=net, x=x: looked_at(net, x, lambda layer: layer.hidden),
                "every gate and state": lambda net=net, x=x: looked_at(
                    net, x, lambda layer: [layer[name] for name in layer.quantities]
                ),
                "step loop by hand": lambda net=net, x=x: step_loop(net, x),
                "loop over the Cell": cell_loop(net, x),
            }
            if isinstance(net, nn.LSTM):
                ways["its arithmetic alone"] = lambda net=net, x=x: arithmetic(net, x)
            with torch.no_grad():
                plain, ratios = measure(lambda net=net, x=x: net(x), ways, options.seconds)
            print(f"{kind}, H={units}, T={steps}: plain forward {plain * 1e3:.3f} ms")
            for name, ratio in ratios.items():
                bar = BARS.get(name, {}).get((units, steps)) if kind == "LSTM" else None
                print(f"  {name:<22}{ratio:6.2f} x" + (f"   (bar {bar} x)" if bar else ""))


if __name__ == "__main__":
    main()
