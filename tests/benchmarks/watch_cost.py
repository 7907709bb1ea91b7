"""What watching a training loop costs: ``python -m tests.benchmarks.watch_cost [--rounds N] [--whole] [--size]``.

Watched and unwatched training steps take turns in one run, so that a busy machine slows both. What is printed is what a step
costs that is recorded, and one between two of them, each beside an unwatched step; what follows for both recording intervals;
and with ``--whole`` the median of whole rounds of ten steps, one of them recorded.

``--size``: the folder of a run of a million steps of one 256-unit LSTM, written by the run's own writer from synthetic rows
of the true form, and the time to open it: its names, three curves, and the two maps that the page shows first.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

from models import open_run, watch
from models.core.cells import cell_of
from models.runs.layer_statistics import map_quantities
from models.runs.map_store import MapRow
from models.runs.parameter_statistics import spectra_interval
from models.runs.run_writer import RunWriter
from models.runs.watch import Watcher

UNITS, STEPS, BATCH, INPUTS, THREADS = 256, 128, 32, 64, 2
BARS = {10: 1.15, 100: 1.02}
"""How many unwatched steps a watched one may cost, by the recording interval."""
MAX_BYTES, UPDATES = 300e6, 1_000_000


class Loop:
    """A training loop of an LSTM, of which single steps can be run, watched or not."""

    def __init__(self, kind: str) -> None:
        torch.manual_seed(0)
        self.rnn = getattr(nn, kind)(INPUTS, UNITS, batch_first=True)
        self.out = nn.Linear(UNITS, 16)
        self.net = nn.ModuleDict({"rnn": self.rnn, "out": self.out})
        self.optimizer = torch.optim.Adam(self.net.parameters())
        self.x, self.y = torch.randn(BATCH, STEPS, INPUTS), torch.randint(16, (BATCH, STEPS))

    def step(self, run: Watcher | None = None) -> None:
        """One training step."""
        self.optimizer.zero_grad()
        loss = nn.functional.cross_entropy(self.out(self.rnn(self.x)[0]).transpose(1, 2), self.y)
        loss.backward()
        if run is not None:
            run.step(loss=loss.item())
        self.optimizer.step()

    def seconds(self, steps: int, run: Watcher | None = None) -> float:
        """Return the duration of several steps."""
        start = time.perf_counter()
        for _ in range(steps):
            self.step(run)
        return time.perf_counter() - start


def cost(kind: str, rounds: int) -> None:
    """Print the costs of one kind of cell."""
    plain, watched = Loop(kind), Loop(kind)
    base: list[float] = []
    ratios: dict[str, list[float]] = {"recorded": [], "recorded, with eigenvalues": [], "between two of them": []}
    with tempfile.TemporaryDirectory() as folder, watch(watched.net, Path(folder) / "run", every=4) as run:
        plain.seconds(4)
        watched.seconds(4, run)  # with the check of the gradients, which few steps have
        for turn in range(rounds):
            spectra = run.training_step // 4 % spectra_interval(UNITS) == 0
            for place in range(4):
                first = (
                    watched.seconds(1, run) if (turn + place) % 2 else None
                )  # both orders: the second finds warm caches
                base.append(plain.seconds(1))
                seconds = watched.seconds(1, run) if first is None else first
                of = "between two of them" if place else "recorded, with eigenvalues" if spectra else "recorded"
                ratios[of].append(seconds / base[-1])
    print(
        f"{kind}, H={UNITS}, T={STEPS}, B={BATCH}, {THREADS} threads: unwatched {statistics.median(base) * 1e3:.1f} ms"
    )
    found = {of: statistics.median(each) for of, each in ratios.items() if each}
    for of, ratio in found.items():
        print(f"  step {of:<27}{ratio:7.3f} x (median of {len(ratios[of])})")
    share = 1 / spectra_interval(UNITS)
    spectral = found.get("recorded, with eigenvalues", found["recorded"])
    step = (1 - share) * found["recorded"] + share * spectral
    for every, bar in BARS.items():
        total = (step + (every - 1) * found["between two of them"]) / every
        alone = 1 + (step - 1) / every
        print(f"  every={every:<4}{total:7.3f} x from these; {alone:.3f} x of the recorded steps alone (bar {bar} x)")


def whole_rounds(kind: str, every: int, rounds: int) -> None:
    """Print the ratio of whole rounds of ``every`` steps."""
    plain, watched = Loop(kind), Loop(kind)
    ratios = []
    with tempfile.TemporaryDirectory() as folder, watch(watched.net, Path(folder) / "run", every=every) as run:
        watched.seconds(every, run)
        for _ in range(rounds):
            base = seen = 0.0
            for _ in range(every):
                base += plain.seconds(1)
                seen += watched.seconds(1, run)
            ratios.append(seen / base)
    print(
        f"  every={every:<4} {statistics.median(ratios):6.3f} x measured, median of {rounds} rounds (bar {BARS[every]} x)"
    )


def write_long_run(path: Path, updates: int, every: int) -> tuple[RunWriter, float]:
    """Record a run of a 256-unit LSTM, from synthetic rows; return its writer, still open, and the seconds of one row."""
    cell, random = cell_of("LSTM"), np.random.default_rng(0)
    names = [f"rnn.{part}_l0" for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")] + ["out.weight", "out.bias"]
    scalars = [
        "loss/train",
        "gradient_norm/total",
        "gradient_norm/total_clipped",
        "learning_rate",
        "weight_norm/rnn.l0",
    ]
    scalars += ["forget_bias/rnn.l0"]
    scalars += [f"{of}/{name}" for of in ("gradient_norm", "gradient_norm_clipped", "update_ratio") for name in names]
    scalars += [f"{of}/rnn.l0/{gate}" for of in ("saturation", "mean") for gate in cell.gates]
    radii = ["spectral_radius/rnn.l0", *(f"spectral_radius/rnn.l0/{gate}" for gate in cell.gates)]
    maps = map_quantities(cell)
    layer = {"kind": "LSTM", "options": {}, "inputs": INPUTS, "units": UNITS, "outputs": UNITS}
    writer = RunWriter(path, every, {"rnn.l0": layer}, {"rnn.l0": maps}, 0)
    start, count = time.perf_counter(), updates // every
    for place in range(count):
        values = dict(zip(scalars, random.random(len(scalars)).tolist(), strict=True))
        if place % spectra_interval(UNITS) == 0:
            values |= dict.fromkeys(radii, 1.0)
        row = MapRow(place * every, STEPS, 1, random.random((len(maps), STEPS), np.float32))
        writer.write_step(place * every, values, {"rnn.l0": row})
    return writer, (time.perf_counter() - start) / count


def size(updates: int, every: int) -> None:
    """Print the size of a long run, and the time to open it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run"
        writer, seconds = write_long_run(path, updates, every)
        print(f"{updates:,} steps, every={every}: {updates // every:,} recorded, {seconds * 1e6:.0f} us each to write")
        running = sum(each.stat().st_size for each in path.rglob("*") if each.is_file())
        print(f"  folder while running {running / 1e6:.1f} MB (bar {MAX_BYTES / 1e6:.0f} MB)", end=", ")
        report_opening(path)
        writer.close("finished")
        total = sum(each.stat().st_size for each in path.rglob("*") if each.is_file())
        print(f"  folder when finished {total / 1e6:.1f} MB", end=", ")
        report_opening(path)
        found = open_run(path).gradient_map("rnn.l0")
        steps, _ = open_run(path).scalar("loss/train")
        print(
            f"  map rows kept: {len(found.steps)}, at steps divisible by {found.stride}; of the loss {len(steps):,} values"
        )


def opening_seconds(path: Path) -> float:
    """Return how long it takes to open a run and read what the page shows first."""
    start = time.perf_counter()
    run = open_run(path)
    assert run.scalar_names and run.status and run.snapshots == {}
    run.scalars(["loss/train", "gradient_norm/total", "gradient_norm/total_clipped"])
    run.gradient_map("rnn.l0")
    run.gate_map("rnn.l0", "forget_gate")
    return time.perf_counter() - start


def report_opening(path: Path) -> None:
    """Print how long the opening takes."""
    seconds = statistics.median(opening_seconds(path) for _ in range(9))
    print(f"opened with three curves and two maps in {seconds * 1e3:.0f} ms")


def main() -> None:
    """Print what is chosen."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--rounds", type=int, default=45, help="of four steps; 40 or more, to have one with eigenvalues"
    )
    parser.add_argument("--kinds", nargs="+", choices=("LSTM", "GRU", "RNN"), default=["LSTM"])
    parser.add_argument("--whole", action="store_true", help="also whole rounds of ten steps")
    parser.add_argument("--size", action="store_true", help="only the size of a long run")
    parser.add_argument("--updates", type=int, default=UPDATES, help="its training steps")
    options = parser.parse_args()
    torch.set_num_threads(THREADS)
    if options.size:
        size(options.updates, 10)
        return
    for kind in options.kinds:
        cost(kind, options.rounds)
        if options.whole:
            whole_rounds(kind, 10, max(2, options.rounds // 4))


if __name__ == "__main__":
    main()
