"""What all T x T gradients cost: ``python -m tests.benchmarks.gradient_cost [--quick]``.

Four things are timed in shuffled turns, on one thread, for an ``nn.LSTM``, ``nn.GRU`` and ``nn.RNN`` of one layer:

- ``gradient_map``, the module's own run included;
- one forward and backward pass of the module, the least that any gradient costs;
- the matrix products that the map cannot do without if every loss goes through every gate: at step k the T - k rows that
  have been reached, G H wide, through W_hh, and nothing else;
- (fewer times, they are slow) the plain way: one ``torch.autograd.grad`` by all hidden states for each t, through a loop of
  torch's Cells ("cells") and through the equations written out ("written").

Ratios are medians of the ratios within one turn.
"""

from __future__ import annotations

import argparse
import random
import resource
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from models import gradient_map
from tests.support.unrolled_loop import autograd_map

CELLS = {nn.LSTM: nn.LSTMCell, nn.GRU: nn.GRUCell, nn.RNN: nn.RNNCell}


def cell_loop(module: nn.RNNBase, x: Tensor, loss_grad: Tensor) -> None:
    """The same map by one backward pass for each t, through torch's Cells."""
    cell = CELLS[type(module)](module.input_size, module.hidden_size)
    cell.load_state_dict({name.removesuffix("_l0"): values for name, values in module.state_dict().items()})
    state, hidden = None, []
    for t in range(x.shape[1]):
        state = cell(x[:, t], state)
        hidden.append(state[0] if isinstance(state, tuple) else state)
    for t in range(x.shape[1]):
        grads = torch.autograd.grad((hidden[t] * loss_grad[:, t]).sum(), hidden[: t + 1], retain_graph=True)
        torch.stack(grads).norm(dim=-1)


def measure(make: type, size: int, steps: int, turns: int, loops: int) -> None:
    """Time one size and print its row."""
    module = make(size, size, batch_first=True)
    x, loss_grad = torch.randn(1, steps, size), torch.randn(1, steps, size)
    recurrent = module.weight_hh_l0.detach()
    rows, out = torch.randn(steps, len(recurrent)), torch.empty(steps, size)

    def both_passes() -> None:
        module.zero_grad()
        (module(x)[0] * loss_grad).sum().backward()

    def products() -> None:
        for count in range(1, steps):
            torch.mm(rows[:count], recurrent, out=out[:count])

    timed: dict[str, Callable[[], object]] = {
        "map": lambda: gradient_map(module, x, loss_grad),
        "passes": both_passes,
        "products": products,
    }
    taken: dict[str, list[float]] = {name: [] for name in timed}
    for turn in range(turns + 2):
        for name in random.sample(list(timed), len(timed)):
            start = time.perf_counter()
            timed[name]()
            if turn >= 2:
                taken[name].append(time.perf_counter() - start)
    slow: dict[Callable[[nn.RNNBase, Tensor, Tensor], object], list[float]] = {cell_loop: [], autograd_map: []}
    for _ in range(loops):
        for loop, times in slow.items():
            start = time.perf_counter()
            loop(module, x, loss_grad)
            times.append(time.perf_counter() - start)
    plain = [1e3 * statistics.median(times) for times in slow.values() if times]

    def ratio(of: str, by: str) -> float:
        return statistics.median(one / other for one, other in zip(taken[of], taken[by], strict=True))

    middle = {name: 1e3 * statistics.median(times) for name, times in taken.items()}
    print(
        f"{make.__name__:5} {size:4} {steps:5} {middle['map']:9.2f} {middle['passes']:9.2f} {middle['products']:9.2f} "
        f"{ratio('map', 'passes'):8.2f} {ratio('map', 'products'):10.2f}",
        *(f"{time:8.0f} {time / middle['map']:7.0f}" for time in plain),
    )


def main() -> None:
    """Print the table, and the largest case with its memory."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer turns, without the largest case")
    quick = parser.parse_args().quick
    torch.set_num_threads(1)
    torch.manual_seed(0)
    print(
        "times in ms; bars: LSTM, 64 x 100: map/passes <= 8, loops' times over map's >= 50; 128 x 200: map/products <= 1.6"
    )
    print("kind  units steps       map    passes  products  /passes  /products    cells    /map  written    /map")
    for make in CELLS:
        for size, steps in ((64, 100), (128, 200), (256, 500)):
            if size < 256 or not quick:
                turns = (10 if quick else 30) if size < 256 else 3
                measure(make, size, steps, turns, loops=(2 if quick else 5) if size == 64 else 0)
    if not quick:
        module = nn.LSTM(512, 512, 2, batch_first=True)
        x, before = torch.randn(1, 1000, 512), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        start = time.perf_counter()
        gradient_map(module, x, x)
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        print(f"LSTM, 2 x 512 units, 1000 steps: {time.perf_counter() - start:.1f} s, {grown:.0f} MB more memory")


if __name__ == "__main__":
    main()
