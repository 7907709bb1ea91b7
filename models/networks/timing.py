"""How long networks take for sequences of growing length, on the machine that this runs on."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

REPEATS = 7
"""Runs of each length, of which the median counts."""


@dataclass(frozen=True)
class Timed:
    """One measurement.

    Attributes:
        name: of what ran.
        length: T, steps of its input.
        seconds: of one run, forward alone, one sequence.
    """

    name: str
    length: int
    seconds: float


def timings(
    runs: Mapping[str, Callable[[Tensor], object]], lengths: Sequence[int], symbols: int, repeats: int = REPEATS
) -> Iterator[Timed]:
    """Measure each of ``runs`` on each of ``lengths``, shortest first, one measurement at a time.

    Args:
        runs: name -> what takes ids (1, T) int64.
        lengths: T of each.
        symbols: V; the ids are drawn from 2..V-1, so that there is no padding among them.
        repeats: runs of each length.
    """
    generator = torch.Generator().manual_seed(0)
    for length in lengths:
        ids = torch.randint(2, symbols, (1, length), generator=generator)
        for name, run in runs.items():
            with torch.inference_mode():
                run(ids)  # the first call sets things up
                yield Timed(name, length, statistics.median(_seconds(run, ids) for _ in range(repeats)))


def _seconds(run: Callable[[Tensor], object], ids: Tensor) -> float:
    start = time.perf_counter()
    run(ids)
    return time.perf_counter() - start
