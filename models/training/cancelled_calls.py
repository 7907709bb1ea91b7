"""The early end of a call of ``RunQueue.compute`` whose future was cancelled: Dask lets a function that runs finish."""

from __future__ import annotations

import sys
from concurrent.futures import CancelledError
from typing import Any


def current_worker() -> Any | None:
    """Return the worker of the cluster that runs the task of this thread; None outside a task."""
    if "distributed.worker" not in sys.modules:
        return None
    from distributed import get_worker

    try:
        return get_worker()
    except ValueError:  # not in a task
        return None


def end_if_cancelled() -> None:
    """Raise CancelledError if the task of this thread was cancelled; outside a worker of the cluster do nothing.

    To be called again and again by a function that takes long.
    """
    worker = current_worker()
    task = None if worker is None else worker.state.tasks.get(worker.get_current_task())
    if task is not None and task.state == "cancelled":
        raise CancelledError
