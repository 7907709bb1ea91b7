"""Calls in the process of the queue, by key: each is started once, its result is kept, its problem is raised once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Any

from models.core.messages import Problem
from models.training.call_progress import CallProgress, progress_of
from models.training.run_queue import shared_queue


class QueuedCalls:
    """Calls of functions in another process.

    Example:
        calls = QueuedCalls()
        calls.start("pi", compute_pi, 1000)
        calls.result("pi")  # None until it is computed
    """

    def __init__(self, most: int = 64) -> None:
        """Prepare for calls; of more than ``most`` the first ones are stopped and forgotten."""
        self._most = most
        self._futures: OrderedDict[Hashable, Any] = OrderedDict()
        self._results: OrderedDict[Hashable, Any] = OrderedDict()
        self._starting, self._lock = Lock(), Lock()

    def start(self, key: Hashable, function: Callable[..., Any], *arguments: Any) -> None:
        """Start a call, unless it runs or its result is there.

        Raises:
            Problem: the cluster does not answer, too many calls wait, or the arguments cannot be sent to it.
        """
        with self._starting:  # not the other lock, for which pages wait: the first call starts the process
            if key in self._futures or key in self._results:
                return
            future = shared_queue().compute(function, *arguments)
            with self._lock:
                self._futures[key] = future
                while len(self._futures) > self._most:
                    self._futures.popitem(last=False)[1].cancel()

    def is_running(self, *keys: Hashable) -> bool:
        """Return whether one of these calls has been started and has not ended."""
        futures = [future for key in keys if (future := self._futures.get(key)) is not None]
        return any(not future.done() for future in futures)

    def is_known(self, key: Hashable) -> bool:
        """Return whether a call was started and not stopped, and has not failed with a problem that was raised."""
        with self._lock:
            return key in self._futures or key in self._results

    def stop(self, *keys: Hashable) -> None:
        """Cancel those of these calls that have not ended; they may be started again."""
        with self._lock:
            running = [key for key in keys if self.is_running(key)]
            futures = [self._futures.pop(key) for key in running]
        for future in futures:
            future.cancel()

    def forget(self, key: Hashable) -> None:
        """Stop a call, or forget its result."""
        self.stop(key)
        with self._lock:
            self._futures.pop(key, None)
            self._results.pop(key, None)

    def result(self, key: Hashable) -> Any:
        """Return the result of a call that has ended, else None.

        Raises:
            Problem: it failed; this is raised once, and the call may be started again.
        """
        with self._lock:
            future = self._futures.get(key)
            if future is not None and future.done():
                del self._futures[key]
                problem = None if future.cancelled() else future.exception()
                if isinstance(problem, Problem):
                    raise problem
                if problem is not None or future.cancelled():
                    raise Problem("The process that computed this ended before it had finished. Start it again.")
                self._results[key] = future.result()
                while len(self._results) > self._most:
                    self._results.popitem(last=False)
            return self._results.get(key)

    def progress(self, key: Hashable) -> CallProgress | None:
        """Return what a running call last reported, or None."""
        future = self._futures.get(key)
        return None if future is None else progress_of(future)
