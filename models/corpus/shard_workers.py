"""The processes, threads or cluster in which the parts of an index are computed."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any

from models.core.messages import Problem
from models.training.dask_cluster import local_cluster, named_cluster


class ShardWorkers:
    """Workers of Dask, which start while the first part of a build still runs.

    Example:
        >>> with ShardWorkers("processes") as workers:
        ...     workers.start()
        ...     for result in workers.results(write_shard, reader, [(folder, 0), (folder, 1)]): ...
    """

    def __init__(self, scheduler: str) -> None:
        """Store the kind of workers.

        Args:
            scheduler: ``"processes"`` or ``"threads"`` of this machine, one for each core, or ``"here"`` for none; the
                cluster at ``UNROLLED_SCHEDULER``, if it is set, instead of the first two.

        Raises:
            Problem: the cluster does not answer.
        """
        self._processes = scheduler == "processes"
        self._is_here = scheduler == "here"
        self._client = None if self._is_here else named_cluster()
        self._cluster: Any = None
        self._opening: Future[None] | None = None

    def __enter__(self) -> ShardWorkers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._opening is not None:
            self._opening.exception()
        for each in (self._client, self._cluster):
            if each is not None:
                each.close()

    def start(self) -> None:
        """Begin to start the workers of this machine, and return at once; without effect if they were started before."""
        if self._is_here or self._client is not None or self._opening is not None:
            return
        executor = ThreadPoolExecutor(1)
        self._opening = executor.submit(self._open)
        executor.shutdown(wait=False)

    def _open(self) -> None:
        from distributed import Client

        self._cluster = local_cluster(os.cpu_count() or 1, processes=self._processes)
        self._client = Client(self._cluster, set_as_default=False)

    def results(self, function: Callable[..., Any], shared: Any, calls: Sequence[tuple[Any, ...]]) -> Iterator[Any]:
        """Yield what a function returns, in the order in which its calls end.

        A single call that no worker waits for runs in this process.

        Args:
            function: of ``shared`` and the arguments of a call.
            shared: its first argument, which each worker receives once.
            calls: the other arguments of each call.

        Raises:
            Problem: the workers ended.
        """
        if self._is_here or (len(calls) < 2 and self._client is None and self._opening is None):
            yield from (function(shared, *each) for each in calls)
            return
        from distributed import CancelledError, as_completed
        from distributed.comm import CommClosedError
        from distributed.scheduler import KilledWorker

        self.start()
        if self._opening is not None:
            self._opening.result()
        client: Any = self._client
        # A task, not scattered data: what a worker that dies has of it is computed again.
        everywhere = client.submit(copy.copy, shared, pure=False)
        futures = [client.submit(function, everywhere, *each, pure=False) for each in calls]
        try:
            yield from (future.result() for future in as_completed(futures, loop=client.loop))
        except (KilledWorker, CancelledError, CommClosedError, TimeoutError) as error:
            raise Problem(
                "The workers ended before the index was complete, perhaps for lack of memory. Build again; it goes on "
                "where it stopped."
            ) from error
