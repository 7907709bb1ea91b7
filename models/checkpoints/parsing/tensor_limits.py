"""Limits on the tensors of a file, whatever its format: the length of their names, their bytes in memory."""

from __future__ import annotations

from collections.abc import Mapping

from models.checkpoints.parsing.contents import Limits, StoredTensor
from models.checkpoints.parsing.errors import CheckpointError, LimitError
from models.checkpoints.parsing.file_source import FileSource
from models.checkpoints.parsing.work_budget import spend

MAX_NAME = 4000
"""Characters of a tensor's name."""


def check_tensors(tensors: Mapping[str, StoredTensor], source: FileSource) -> None:
    """Check the names of a file's tensors, and the memory that they take once they are decoded.

    Raises:
        CheckpointError: a name is too long, or the tensors take too much memory.
    """
    spend(sum(1 + len(name) // 16 for name in tensors))
    for name in tensors:
        if len(name) > MAX_NAME:
            raise CheckpointError(
                "The tensor name {name} is longer than {most} characters. Save the network with shorter names.",
                name=name[:40] + "…",
                most=f"{MAX_NAME:,}",
            )
    largest = max(source.limits.decoded, 4 * source.total)
    size = sum(stored.memory for stored in tensors.values())
    if size > largest:
        raise CheckpointError(
            "The tensors of this file take {size} bytes in memory, but the limit is {largest} bytes. Save only the "
            "weights, or raise the limit.",
            size=f"{size:,}",
            largest=f"{largest:,}",
        )


def too_much_memory(limits: Limits) -> LimitError:
    """Return the error for a file whose parsing takes too much memory."""
    return LimitError(
        "Opening this file takes more than {n} MB of memory. Save only the weights, or raise the limit.",
        n=f"{limits.memory >> 20:,}",
    )
