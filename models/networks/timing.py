"""Inference times of networks on sequences of growing length, measured on this machine."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

REPEATS = 7
"""Runs of each length; their median is reported."""


@dataclass(frozen=True)
class Timing:
    """One measurement.

    Attributes:
        name: of the network.
        length: T, steps of its input.
        seconds: of one run, forward alone, one sequence.
    """

    name: str
    length: int
    seconds: float


def measure_times(
    runs: Mapping[str, Callable[[Tensor], object]], lengths: Sequence[int], symbols: int, repeats: int = REPEATS
) -> Iterator[Timing]:
    """Yield the time of each of ``runs`` on each of ``lengths``, one measurement at a time.

    Args:
        runs: name -> a function of ids (1, T) int64.
        lengths: T of each.
        symbols: V; the ids are drawn from 2..V-1, so that they contain no padding.
        repeats: runs of each length.
    """
    generator = torch.Generator().manual_seed(0)
    for length in lengths:
        ids = torch.randint(2, symbols, (1, length), generator=generator)
        for name, run in runs.items():
            with torch.inference_mode():
                run(ids)  # warm-up
                yield Timing(name, length, statistics.median(_seconds(run, ids) for _ in range(repeats)))


def _seconds(run: Callable[[Tensor], object], ids: Tensor) -> float:
    start = time.perf_counter()
    run(ids)
    return time.perf_counter() - start
