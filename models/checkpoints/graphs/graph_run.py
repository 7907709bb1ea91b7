"""One run of a file's graph, whatever its format: its costs are bounded, and what fails is named."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from torch import nn

from models.checkpoints.graphs.graph_module import MAX_ELEMENTS
from models.checkpoints.parsing.errors import CheckpointError
from models.core.messages import Problem

MAX_STEPS = 1_000_000
"""Nodes that one call of a network may run, those of loops counted each time."""

MAX_SECONDS = 10.0
"""Processor time of one call of a network in its own thread. An operation that has begun ends."""

MAX_LIVE = 4 * MAX_ELEMENTS
"""Elements of all values that a network may keep at once."""


class TimeLimit:
    """The processor time that one call of a network may still take."""

    def __init__(self) -> None:
        """Begin now."""
        self.end = time.thread_time() + MAX_SECONDS

    def check(self, label: str) -> None:
        """Check the time before a step of the layer or node ``label``. Raises CheckpointError: it is over."""
        if time.thread_time() > self.end:
            raise CheckpointError(
                "{layer} was not computed within {n} s. Use a shorter input.", layer=label[:200], n=f"{MAX_SECONDS:g}"
            )


@dataclass(eq=False)
class Run:
    """One call of a network.

    Attributes:
        root: the network.
        steps: the number of steps taken.
        live: the number of elements of all values that are not dropped yet.
        time: the time that is left.
    """

    root: nn.Module
    steps: int = 0
    live: int = 0
    time: TimeLimit = field(default_factory=TimeLimit)

    def count(self, label: str, elements: int) -> None:
        """Count one step, and the elements of its outputs.

        Raises:
            CheckpointError: there are too many steps or too many elements, or the time is over.
        """
        self.time.check(label)
        self.steps += 1
        self.live += elements
        if self.steps > MAX_STEPS:
            raise CheckpointError(
                "{layer} is run too often in a loop of this file. Use a shorter input.", layer=label[:200]
            )
        if self.live > MAX_LIVE:
            raise CheckpointError(
                "{layer} has an output of {count} values, but at most {most} are allowed. Use a shorter input.",
                layer=label[:200],
                count=f"{elements:,}",
                most=f"{max(0, MAX_LIVE - self.live + elements):,}",
            )


@contextmanager
def named_failures(label: str) -> Iterator[None]:
    """Raise ``CheckpointError`` with the name of a layer or node, ``label``, for any error in the block."""
    try:
        yield
    except Problem:
        raise
    except Exception as error:
        raise CheckpointError(
            "{layer} cannot be computed from these inputs ({reason}). Check the shapes of the inputs.",
            layer=label[:200],
            reason=(str(error).strip() or type(error).__name__).splitlines()[0][:200],
        ) from error
