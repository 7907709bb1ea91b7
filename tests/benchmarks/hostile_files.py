"""What hostile files cost: ``python -m tests.benchmarks.hostile_files [NAME ...]``.

Each file is made, then opened and read as a page does it, in a process of its own with limits on memory and time. Printed:
its size, the seconds until it is listed or refused, the seconds until its tensors are decoded one after the other, the
process's peak memory above that before, its processor time, and the result. ``--isolated`` opens it as the app does.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import time
from multiprocessing.connection import Connection
from typing import Any

from tests.support.hostile_files import HOSTILE, HOSTILE_TEXTS

MEMORY, SECONDS = 8 << 30, 60
"""Limits of the process in bytes and seconds."""


def _peak() -> float:
    """Return the peak of this process's resident memory in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _open(data: bytes, isolated: bool) -> tuple[str, float, float]:
    """Open a file; return the result and the seconds of listing and of decoding."""
    from models.checkpoints import CheckpointError, Limits, load_checkpoint
    from tests.support.open_whole import graph_refusal, tensor_refusals

    options: dict[str, Any] = {"isolated": True, "limits": Limits(seconds=2.5)} if isolated else {}
    start = time.perf_counter()
    try:
        checkpoint = load_checkpoint(data, **options)
    except CheckpointError as problem:
        return str(problem), time.perf_counter() - start, 0.0
    listed = time.perf_counter() - start
    refused = "".join(f"; {problem}" for problem in tensor_refusals(checkpoint)[-1:])
    count = len(checkpoint.found) + len(checkpoint.stored)
    if (problem := graph_refusal(checkpoint)) is not None:
        refused += f"; graph: {problem}"
    return f"listed: {count}{refused}", listed, time.perf_counter() - start - listed


def _run(name: str, isolated: bool, results: Connection) -> None:
    """Open one file and send what it cost."""
    import models.checkpoints
    from models.core.messages import Problem

    if isolated:
        models.checkpoints.load_checkpoint(HOSTILE["usual"](), isolated=True)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    used = time.process_time()
    if name in HOSTILE:
        data = HOSTILE[name]()
        used = time.process_time()
        results.send(len(data))
        before = _peak()
        result, listed, decoded = _open(data, isolated)
    else:
        act = HOSTILE_TEXTS[name]()
        results.send(0)
        before, start, decoded = _peak(), time.perf_counter(), 0.0
        try:
            result = str(act())
        except Problem as problem:
            result = str(problem)
        listed = time.perf_counter() - start
    results.send((listed, decoded, _peak() - before, time.process_time() - used, result))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*")
    parser.add_argument("--isolated", action="store_true")
    given = parser.parse_args()
    spawn = multiprocessing.get_context("spawn")
    print(f"{'file':24} {'bytes':>12} {'listed s':>9} {'decoded s':>9} {'MB':>7} {'CPU s':>7}  result")
    for name in given.names or [*HOSTILE, *HOSTILE_TEXTS]:
        receiver, sender = spawn.Pipe(duplex=False)
        process = spawn.Process(target=_run, args=(name, given.isolated, sender))
        process.start()
        sender.close()
        size: int | str = "?"
        try:
            size = receiver.recv()  # once it is made
            found = receiver.recv() if receiver.poll(SECONDS) else None
            if found is None:
                print(f"{name:24} {size!s:>12} {f'> {SECONDS}':>9}", flush=True)
            else:
                listed, decoded, memory, used, result = found
                cost = f"{listed:9.2f} {decoded:9.2f} {memory:7.0f} {used:7.2f}"
                print(f"{name:24} {size!s:>12} {cost}  {result[:110]}", flush=True)
        except EOFError:
            print(f"{name:24} {size!s:>12} {'-':>9} {'-':>9} {'-':>7}  the process ended (memory)", flush=True)
        process.kill()
        process.join()


if __name__ == "__main__":
    main()
