"""Torch's random numbers for one block of code: a process has one sequence of them, which all its threads draw from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock

import torch

_LOCK = RLock()


@contextmanager
def seeded_random(seed: int | None = None) -> Iterator[None]:
    """Run a block with random numbers of its own, and restore those outside afterwards; blocks of other threads wait.

    Args:
        seed: of the block's random numbers; None if the block does not depend on them.

    Example:
        >>> with seeded_random(0):
        ...     layer = nn.LSTM(8, 64)  # the same weights whatever other threads draw
    """
    with _LOCK, torch.random.fork_rng(devices=[]):
        if seed is not None:
            torch.manual_seed(seed)
        yield
