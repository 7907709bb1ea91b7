"""What a capture costs on a GPU, and whether its numbers are right there: ``python -m tests.benchmarks.gpu_cost``.

Every way takes turns with the plain run, each between two synchronisations; what is printed is the ratio of the medians. Then
gates, states and gradients are compared with the equations of PyTorch's documentation, one step at a time in float64 on the
CPU. Without a GPU it prints so and ends; ``--device cpu`` runs the same at small sizes there.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import sys
import time
import warnings
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_sequence

from models import capture
from tests.support.oracle import layer, weights_of

SIZES = ((256, 1000, 1), (512, 500, 32), (1024, 1000, 16))
"""(H, T, B)."""
BARS = {"all gates on the device": 2.0, "training step, nothing read": 1.1}
GATES = ("input_gate", "forget_gate", "candidate", "output_gate")
TOLERANCE = 1e-5


def synchronize(device: str) -> None:
    """Wait for the device."""
    if device == "cuda":
        torch.cuda.synchronize()


def medians(ways: dict[str, Callable[[], object]], device: str, seconds: float) -> dict[str, tuple[float, int]]:
    """Return the median time of each way in seconds, and how often it ran, in turns of about ``seconds`` altogether."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    end = time.perf_counter() + seconds
    turn = 0
    while turn < 3 or time.perf_counter() < end:
        for name, way in ways.items():
            if len(taken[name]) >= 3 and statistics.median(taken[name]) > 1 and turn > 3:
                continue
            synchronize(device)
            start = time.perf_counter()
            way()
            synchronize(device)
            if turn > 0:
                taken[name].append(time.perf_counter() - start)
        turn += 1
    return {name: (statistics.median(times), len(times)) for name, times in taken.items()}


def captured(net: nn.Module, x: Tensor, read: Callable[[object], object]) -> None:
    """Run ``net`` once inside a capture, and read from its layer."""
    with capture(net) as trace:
        net(x)
    read(trace.layers["l0"])


def step(net: nn.Module, x: Tensor, target: Tensor, optimizer: torch.optim.Optimizer) -> None:
    """Take one training step."""
    optimizer.zero_grad(set_to_none=True)
    (net(x)[0] - target).square().mean().backward()
    optimizer.step()


def captured_step(net: nn.Module, *rest: object, read: Callable[[object], object]) -> None:
    """Take one training step inside a capture, and read from its layer."""
    with capture(net) as trace:
        step(net, *rest)  # type: ignore[arg-type]
    read(trace.layers["l0"])


def nothing(layer: object) -> None:
    """Read nothing."""


def table(title: str, ways: dict[str, Callable[[], object]], device: str, seconds: float) -> None:
    """Print what each way costs in units of the first."""
    found = medians(ways, device, seconds)
    base = next(iter(found.values()))[0]
    print(f"{title}: {base * 1e3:.2f} ms", flush=True)
    for name, (taken, count) in list(found.items())[1:]:
        bar = BARS.get(name)
        verdict = "" if bar is None else f"   bar {bar} x: {'kept' if taken / base <= bar else 'NOT KEPT'}"
        print(f"  {name:<38}{taken / base:7.2f} x  ({count} runs){verdict}", flush=True)


def costs(device: str, seconds: float, sizes: tuple[tuple[int, int, int], ...]) -> None:
    """Print the tables of all sizes."""
    for units, steps, batch in sizes:
        torch.manual_seed(0)
        net = nn.LSTM(units, units, batch_first=True).to(device)
        x, target = torch.randn(2, batch, steps, units, device=device).unbind(0)
        where = f"LSTM, H={units}, T={steps}, B={batch}"
        with torch.no_grad():
            ways: dict[str, Callable[[], object]] = {
                "plain": lambda net=net, x=x: net(x),
                "nothing read": lambda net=net, x=x: captured(net, x, nothing),
                "all gates on the device": lambda net=net, x=x: captured(
                    net, x, lambda found: [found.tensor(name) for name in GATES]
                ),
                "the same and the cell states": lambda net=net, x=x: captured(
                    net, x, lambda found: [found.tensor(name) for name in (*GATES, "cell")]
                ),
                "hidden states as an array": lambda net=net, x=x: captured(net, x, lambda found: found.hidden),
                "all gates as arrays": lambda net=net, x=x: captured(net, x, lambda found: [found[n] for n in GATES]),
            }
            table(f"{where}, forward", ways, device, seconds)
        optimizer = torch.optim.SGD(net.parameters(), lr=1e-3)
        given = (net, x, target, optimizer)
        ways = {
            "plain": lambda given=given: step(*given),
            "training step, nothing read": lambda given=given: captured_step(*given, read=nothing),
            "the same with hidden_grad": lambda given=given: captured_step(
                *given, read=lambda found: found.hidden_grad
            ),
        }
        table(f"{where}, training step", ways, device, seconds)
    torch.manual_seed(0)
    stack, x = nn.LSTM(512, 512, 3, batch_first=True).to(device), torch.randn(8, sizes[0][1], 512, device=device)
    with torch.no_grad():
        ways = {
            "plain": lambda: stack(x),
            "nothing read": lambda: captured(stack, x, nothing),
        }
        table("LSTM of 3 layers, H=512, B=8, forward", ways, device, seconds / 2)


def relative(found: Tensor, expected: Tensor) -> float:
    """Return the largest difference, relative to the largest value or 1."""
    expected = expected.detach().double()
    return float((found.detach().double().cpu() - expected).abs().max() / expected.abs().max().clamp(min=1))


def errors(kind: str, options: dict, packed: bool, device: str) -> dict[str, float]:
    """Return the largest relative error of every quantity of one module, and of its gradients."""
    torch.manual_seed(0)
    net = getattr(nn, kind)(24, 48, **options)
    exact = getattr(nn, kind)(24, 48, **options).double()
    exact.load_state_dict(net.state_dict())
    lengths = [20, 40, 1, 33] if packed else [40, 40]
    rows = [torch.randn(length, 24) for length in lengths]

    def run(module: nn.Module, inputs: list[Tensor]) -> object:
        given = pack_sequence(inputs, enforce_sorted=False) if packed else torch.stack(inputs, 1)
        with capture(module) as trace:
            out, _ = module(given)
            (out.data if isinstance(out, PackedSequence) else out).square().sum().backward()
        return trace

    trace = run(net.to(device), [row.to(device) for row in rows])
    oracle = run(exact, [row.double() for row in rows])
    directions = ("", "_reverse")[: 1 + options.get("bidirectional", False)]
    below, found = (
        [row.double() for row in rows],
        dict.fromkeys(("gates", "tensor()", "cell", "hidden", "hidden_grad"), 0.0),
    )
    for level in range(options.get("num_layers", 1)):
        outputs: list[list[Tensor]] = [[] for _ in rows]
        for way in directions:
            seen, weights = trace.layers[f"l{level}{way}"], weights_of(exact, f"_l{level}{way}")
            for row, x in enumerate(below):
                zero = x.new_zeros(48)
                expected = layer(kind, weights, x, (zero, zero), reverse=bool(way))
                for name, values in expected.items():
                    part = name if name in found else "gates"
                    array = torch.tensor(seen[name][row, : len(x)])
                    found[part] = max(found[part], relative(array, values))
                    found["tensor()"] = max(found["tensor()"], relative(seen.tensor(name)[row, : len(x)], values))
                outputs[row].append(expected["hidden"])
            grad = torch.tensor(seen.hidden_grad)
            expected_grad = torch.tensor(oracle.layers[f"l{level}{way}"].hidden_grad)
            found["hidden_grad"] = max(found["hidden_grad"], relative(grad, expected_grad))
        below = [torch.cat(parts, -1) for parts in outputs]
    return found


def check(device: str) -> bool:
    """Print the errors of modules of every kind; return whether all are within the tolerance."""
    kept = True
    for kind in ("LSTM", "GRU", "RNN"):
        for title, options, packed in (
            ("one layer", {}, False),
            ("two layers", {"num_layers": 2}, False),
            ("bidirectional", {"bidirectional": True, "num_layers": 2}, False),
            ("packed", {"bidirectional": True}, True),
            ("packed, two layers", {"num_layers": 2}, True),
        ):
            found = errors(kind, options, packed, device)
            good = max(found.values()) <= TOLERANCE
            kept &= good
            print(
                f"  {kind:<5}{title:<20}" + "  ".join(f"{name} {error:.1e}" for name, error in found.items()),
                flush=True,
            )
            if not good:
                print(f"    NOT within {TOLERANCE}")
    return kept


class CellLoop(nn.Module):
    """A Cell in a loop, batch first."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.LSTMCell(8, 16)

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        state, outputs = None, []
        for t in range(x.shape[1]):
            state = self.cell(x[:, t], state)
            outputs.append(state[0])
        return torch.stack(outputs, 1), None


CALLS: dict[str, tuple[Callable[[], nn.Module], torch.dtype | None]] = {
    "a Cell in a loop": (CellLoop, None),
    "a projection": (lambda: nn.LSTM(8, 16, 2, proj_size=4, batch_first=True), None),
    "dropout": (lambda: nn.GRU(8, 16, 3, dropout=0.5, batch_first=True), None),
    "without biases": (lambda: nn.LSTM(8, 16, 2, bias=False, batch_first=True), None),
    "bfloat16": (lambda: nn.LSTM(8, 16, 2, batch_first=True).bfloat16(), None),
    "autocast": (lambda: nn.LSTM(8, 16, 2, batch_first=True), torch.float16),
    "float64": (lambda: nn.GRU(8, 16, 2, bidirectional=True, batch_first=True).double(), None),
}


def other_calls(device: str) -> bool:
    """Print whether further calls give the module's own output, and the numbers of the same recording on the CPU."""
    kept = True
    for title, (make, autocast) in CALLS.items():
        torch.manual_seed(0)
        net = make().to(device)
        x = torch.randn(2, 30, 8, device=device, dtype=next(net.parameters()).dtype)
        dtype = (torch.bfloat16 if device == "cpu" else torch.float16) if autocast else torch.float32
        with torch.autocast(device, dtype=dtype, enabled=autocast is not None):
            plain = net(x)[0].detach()
            with capture(net) as trace:
                out = net(x)[0]
                out.float().square().sum().backward()
        layers = list(trace.layers.values())
        top = torch.cat([torch.tensor(found.hidden) for found in layers if found.name[:2] == layers[-1].name[:2]], -1)
        error = 0.0
        for found in layers:
            twin = copy.deepcopy(found)
            for name in found.quantities:
                pair = torch.tensor(found[name]), torch.tensor(twin[name])
                error = max(error, relative(*pair), relative(found.tensor(name), pair[1]))
            assert found.hidden_grad.shape == found.hidden.shape
        same = torch.equal(plain, out.detach())
        own = torch.equal(top, out.detach().cpu().to(top.dtype))
        good = error <= TOLERANCE and (same or title == "dropout") and own
        kept &= good
        print(f"  {title:<20}output unchanged: {same}, recorded: {own}, against the CPU {error:.1e}", flush=True)
        if not good:
            print("    NOT as it should be")
    return kept


def chunk_warnings(device: str) -> list[str]:
    """Return torch's warnings of weights that are not in one chunk of memory, under capture."""
    with warnings.catch_warnings(record=True) as raised:
        warnings.simplefilter("always")
        for options in (
            {},
            {"num_layers": 2},
            {"num_layers": 2, "bidirectional": True},
            {"num_layers": 2, "dropout": 0.5},
        ):
            for kind in (nn.LSTM, nn.GRU, nn.RNN):
                net, x = kind(8, 16, **options).to(device), torch.randn(5, 2, 8, device=device)
                with capture(net) as trace:
                    net(x)[0].sum().backward()
                _ = [found.hidden_grad for found in trace.layers.values()]
    return [str(each.message).split(".")[0] for each in raised if "contiguous chunk" in str(each.message)]


def main() -> None:
    """Print the tables and the errors."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--seconds", type=float, default=5.0, help="how long to measure each table")
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        print("There is no GPU here: nothing was measured.")
        return
    name = torch.cuda.get_device_name() if options.device == "cuda" else options.device
    print(f"{name}, torch {torch.__version__}, Python {sys.version.split()[0]}", flush=True)
    torch.backends.cudnn.allow_tf32 = False  # which rounds what the network itself computes to 10 bits
    print("largest errors, relative to float64 one step at a time on the CPU:")
    kept = check(options.device)
    found = chunk_warnings(options.device)
    kept &= not found
    print(f"warnings of weights not in one chunk: {len(found)} {set(found) if found else ''}")
    torch.backends.cudnn.allow_tf32 = True  # torch's default
    costs(options.device, options.seconds, SIZES if options.device == "cuda" else ((32, 50, 1), (16, 20, 4)))
    print("further calls:")
    sys.exit(not (other_calls(options.device) and kept))


if __name__ == "__main__":
    main()
