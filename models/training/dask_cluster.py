"""The cluster of Dask that long work runs on: one of processes on this machine, or that at ``UNROLLED_SCHEDULER``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from models.core.messages import Problem

SCHEDULER = "UNROLLED_SCHEDULER"
"""The environment variable with the address of another cluster."""

WORKER_MEMORY = "2GiB"
"""A worker that needs more is ended, and its task with it."""

ALLOWED_FAILURES = 3
"""Times that a worker may end while it computes a task, before the task counts as failed."""

RESTART_TIMEOUT = "1 hour"
"""The time that a killed worker has to start again."""


def named_cluster() -> Any:
    """Return a client of the cluster that the environment names, or None.

    Raises:
        Problem: it does not answer.
    """
    from distributed import Client

    address = os.environ.get(SCHEDULER)
    if not address:
        return None
    try:
        return Client(address, timeout="10s", set_as_default=False)
    except (OSError, ValueError) as error:
        raise Problem(
            "The cluster at {address} does not answer. Start it, or unset {name}.", address=address, name=SCHEDULER
        ) from error


def local_cluster(workers: int, resources: Mapping[str, int] | None = None, processes: bool = True) -> Any:
    """Return a cluster on this machine, reachable from it alone, whose workers have one thread each.

    Args:
        workers: their number.
        resources: of Dask, which each of them has.
        processes: whether they are processes; else they are threads of this one.
    """
    import dask
    from distributed import LocalCluster

    dask.config.set(
        {
            "distributed.worker.daemon": True,
            "distributed.scheduler.allowed-failures": ALLOWED_FAILURES,
            # A killed worker that has not restarted by then is removed for good, and its run waits forever: on a busy
            # machine the default, 15 s, is less than a restart takes.
            "distributed.deploy.lost-worker-timeout": RESTART_TIMEOUT,
        }
    )
    return LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        processes=processes,
        host="127.0.0.1",
        memory_limit=WORKER_MEMORY if processes else None,
        dashboard_address="127.0.0.1:0",  # of its health pages; the default port may be taken
        security=True,  # TLS with certificates of its own: whoever can reach the scheduler can run code in the workers
        silence_logs=50,
        resources=dict(resources or {}),
    )
