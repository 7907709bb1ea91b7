"""Saved runs, loaded as the app does: first in a separate process with limits on memory and time."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

from models.checkpoints.parsing.contents import Limits
from models.checkpoints.parsing.errors import LimitError
from models.checkpoints.parsing.parser_pool import ask_parser
from models.core.archive import ArchiveError
from models.core.trace import Trace, load_trace

SECONDS, BYTES_PER_SECOND = 2.5, 50 << 20
"""Processor time for loading a saved run, and the bytes of its file that take another second."""


def run_limits(size: int) -> Limits:
    """Return the limits for a saved run whose file has ``size`` bytes."""
    return Limits(memory=max(Limits.memory, 4 * size), seconds=SECONDS + size / BYTES_PER_SECOND)


def load_run(path: Path) -> Trace:
    """Load a saved run that a separate process can load within ``run_limits``.

    Raises:
        ArchiveError: it is something else, damaged, or takes too much memory or time.
        CheckpointError: the separate process crashed.
    """
    if path.is_file():
        try:
            ask_parser("run", path, uuid4().hex, run_limits(path.stat().st_size))
        except LimitError:
            raise ArchiveError("Opening this saved run takes too much memory or time. Save a shorter run.") from None
    return load_trace(path)
