"""The work that opening one file may take, counted in items: opcodes, fields, entries of JSON, nodes, layers, symbols.

Every reader spends from the budget of the file that is being opened, whatever the nesting, so that many small containers, or
one that is named many times, cost no less than a long one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from models.checkpoints.parsing.contents import Limits
from models.checkpoints.parsing.errors import CheckpointError

_LEFT: ContextVar[list[int] | None] = ContextVar("work_left", default=None)


@contextmanager
def work_budget(limits: Limits) -> Iterator[None]:
    """Open what is opened inside with a budget of ``limits.work`` items; inside another budget that one goes on."""
    if _LEFT.get() is not None:
        yield
        return
    token = _LEFT.set([limits.work])
    try:
        yield
    finally:
        _LEFT.reset(token)


def spend(items: int = 1) -> None:
    """Take ``items`` from the budget of the file that is being opened; outside of any budget do nothing.

    Raises:
        CheckpointError: nothing is left.
    """
    left = _LEFT.get()
    if left is None:
        return
    left[0] -= items
    if left[0] < 0:
        raise CheckpointError("This file lists too many items to open. Save only the weights, or raise the limit.")


def parse_json(data: bytes | memoryview | str) -> Any:
    """Parse JSON, after spending for its length, its items and, as objects of their own, its lists and objects.

    Raises:
        CheckpointError: it has too many items.
        ValueError: it is damaged, or nested too deeply.
    """
    text = data if isinstance(data, str) else bytes(data).decode(json.detect_encoding(bytes(data[:4])), "surrogatepass")
    spend(text.count(",") + 8 * (text.count("[") + text.count("{")) + len(text) // 16)
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
