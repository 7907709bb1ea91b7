"""Training runs as tasks of Dask: an embedded cluster of processes, or the scheduler at ``UNROLLED_SCHEDULER``.

    submit(options, "runs/gru", reader="a1b2")
    state("runs/gru")   # QueueState(place=0, status="running", problem=None)

Dask is imported, and the cluster started, with the first run. Each reader's runs wait in their own line, and the reader with
the fewest running ones is served next. Short calls (``RunQueue.compute``) have a worker of their own in the embedded cluster,
so that they do not wait until a run ends. A worker that is killed is replaced, and its run goes on from its last checkpoint;
if the whole server is killed, its runs count as interrupted, and ``submit_resume`` goes on with them. The workers of another
cluster need this package and the folders of the runs under the same paths.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Any

from models.core.messages import Problem
from models.runs.run_folder import ENDED, is_run_folder, read_description, run_status
from models.training.dask_cluster import ALLOWED_FAILURES, WORKER_MEMORY, local_cluster, named_cluster
from models.training.trained_network import is_training_folder
from models.training.training_control import send_command
from models.training.training_options import TrainingOptions

MAX_WORKERS = 4
MINUTES = "UNROLLED_TRAINING_MINUTES"
"""The environment variable with the longest duration of a run that a reader may start; ``MAX_MINUTES`` without it."""

MAX_MINUTES = 60.0
PRIORITY = 10
"""Of the processes of the embedded cluster, as of ``nice``: the app itself comes first."""

MAX_WAITING, MAX_WAITING_OF_READER = 200, 30
"""Runs that wait, of all readers and of one."""

MAX_CALLS = 30
"""Calls of ``RunQueue.compute`` that run or wait."""

RUN, CALL = "run", "call"
"""Dask's resources of the embedded cluster: each worker has one of them, and computes nothing else."""


@dataclass(frozen=True)
class QueueState:
    """The state of a run.

    Attributes:
        status: ``"waiting"``, or as of ``models.runs.run_folder.run_status``; ``"unknown"`` of a folder without a run.
        place: runs that are served before it, while it waits; else None.
        problem: why it failed, or None.
    """

    status: str
    place: int | None = None
    problem: Exception | None = None


@dataclass(frozen=True)
class _Waiting:
    """A run in a line."""

    folder: Path
    reader: str
    fresh: bool


class RunQueue:
    """The lines of waiting runs, and the cluster that runs them.

    Attributes:
        workers: runs at the same time.
    """

    def __init__(self, workers: int | None = None) -> None:
        """Prepare an empty queue; the cluster is started by the first run."""
        self.workers = workers or max(1, min(MAX_WORKERS, (os.cpu_count() or 2) - 1))
        self._lock, self._starting = threading.RLock(), threading.Lock()
        self._lines: dict[str, deque[_Waiting]] = {}
        self._running: dict[Path, tuple[str, Any, float]] = {}
        self._problems: dict[Path, Exception] = {}
        self._served: deque[str] = deque(maxlen=1000)
        self._calls: list[Any] = []
        self._client: Any = None
        self._cluster: Any = None
        self._has_call_worker = False

    def submit(self, folder: Path, reader: str, fresh: bool) -> None:
        """Add a run to a reader's line.

        Args:
            folder: of the run, with its options.
            reader: whose run it is.
            fresh: whether it is a new run; otherwise it goes on.

        Raises:
            Problem: the cluster does not answer, too many runs wait, or this one does already.
        """
        self._connect()  # before the lock, for which the pages of all readers wait
        with self._lock:
            line = self._lines.setdefault(reader, deque())
            if folder in self._running or any(folder == each.folder for own in self._lines.values() for each in own):
                raise Problem("This run is already in the queue. Stop it first.")
            if len(line) >= MAX_WAITING_OF_READER or sum(map(len, self._lines.values())) >= MAX_WAITING:
                raise Problem("Too many training runs are waiting. Start this one when some have finished.")
            self._problems.pop(folder, None)
            line.append(_Waiting(folder, reader, fresh))
            self._serve()

    def _serve(self) -> None:
        """Start waiting runs while workers are free: next is a run of the reader with the fewest running ones."""
        while len(self._running) < self.workers:
            waiting = [reader for reader, line in self._lines.items() if line]
            if not waiting:
                break
            counts = {reader: sum(own == reader for own, *_ in self._running.values()) for reader in waiting}
            last = {reader: place for place, reader in enumerate(self._served)}
            reader = min(waiting, key=lambda each: (counts[each], last.get(each, -1)))
            self._served.append(reader)
            run = self._lines[reader].popleft()
            if not self._lines[reader]:
                del self._lines[reader]
            key = f"train-{run.folder.name}-{token_hex(4)}"
            client = self._connect()
            arguments = str(run.folder), run.fresh, None if self._cluster is None else PRIORITY
            future = client.submit(run_training_task, *arguments, pure=False, key=key, resources=self._resources(RUN))
            self._running[run.folder] = (reader, future, time.time())
            future.add_done_callback(lambda done, folder=run.folder: self._finished(folder, done))

    def _finished(self, folder: Path, future: Any) -> None:
        with self._lock:
            entry = self._running.get(folder)
            if entry is None or entry[1] is not future:
                return
            del self._running[folder]
            problem = None if future.cancelled() else future.exception()
            if problem is not None:
                self._problems[folder] = _failure(problem)
            self._serve()

    def _connect(self) -> Any:
        """Return the client of the cluster; start the cluster if there is none."""
        if self._client is not None:
            return self._client
        with self._starting:
            if self._client is None:
                from distributed import Client

                self._client = named_cluster()
                if self._client is None:
                    self._cluster = local_cluster(self.workers, {RUN: 1})
                    self._client = Client(self._cluster, set_as_default=False)
        return self._client

    def _resources(self, name: str) -> dict[str, int] | None:
        """Return the resource that a task needs; None in another cluster, whose workers have none."""
        return None if self._cluster is None else {name: 1}

    def _start_call_worker(self) -> None:
        """Add the worker of calls to the embedded cluster, unless it has one."""
        with self._starting:
            if self._cluster is not None and not self._has_call_worker:
                spec = self._cluster.new_spec
                self._cluster.new_spec = spec | {"options": spec["options"] | {"resources": {CALL: 1}}}
                self._cluster.scale(self.workers + 1)
                self._has_call_worker = True

    def compute(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call a function in the cluster's process for calls, as soon as it is free, and return the future of its result.

        In another cluster any process may compute it. A cancelled future ends a function that calls ``end_if_cancelled``.

        Raises:
            Problem: the cluster does not answer, too many calls wait, or the arguments cannot be pickled.
        """
        self._connect()
        self._start_call_worker()
        with self._lock:
            self._calls = [each for each in self._calls if not each.done()]
            if len(self._calls) >= MAX_CALLS:
                raise Problem("Too many trainings are waiting. Start this one when some have finished.")
            client = self._connect()
            priority = None if self._cluster is None else PRIORITY
            try:
                future = client.submit(
                    call_in_worker, function, arguments, priority, pure=False, resources=self._resources(CALL)
                )
            except Exception as error:  # as PicklingError: the arguments are pickled here
                raise Problem(
                    "The data could not be sent to the training process ({kind}). Start the training again.",
                    kind=type(error).__name__,
                ) from error
            self._calls.append(future)
            return future

    def cancel(self, folder: Path) -> bool:
        """Remove a waiting run from its line; return whether it was waiting."""
        with self._lock:
            for reader, line in list(self._lines.items()):
                for each in line:
                    if each.folder == folder:
                        line.remove(each)
                        if not line:
                            del self._lines[reader]
                        return True
        return False

    def state(self, folder: Path) -> QueueState:
        """Return the state of a run."""
        with self._lock:
            order = [each.folder for line in self._lines.values() for each in line]
            if folder in order:
                return QueueState("waiting", place=order.index(folder))
            problem, entry = self._problems.get(folder), self._running.get(folder)
        running = entry is not None
        if not is_run_folder(folder):
            return QueueState(
                "failed" if problem else "waiting" if running else "unknown", 0 if running else None, problem
            )
        description = read_description(folder)
        status = run_status(folder, description)
        if entry is not None and status in ENDED and ended_before(description, entry[2]):
            return QueueState("waiting", 0)  # its worker has not begun to go on with it
        if problem is not None and status in ("running", "interrupted"):
            return QueueState("failed", None, problem)  # as where run.json could not be written
        return QueueState("running" if running and status == "interrupted" else status, None, problem)

    def close(self) -> None:
        """End the cluster; the runs in it are interrupted."""
        with self._lock:
            self._lines.clear()
            self._running.clear()
            client, cluster = self._client, self._cluster
            self._client = self._cluster = None
            self._has_call_worker = False
        for each in (client, cluster):
            if each is not None:
                each.close()


def ended_before(description: dict[str, Any], moment: float) -> bool:
    """Return whether a run that has ended did so before a moment, in seconds since 1970."""
    ended = description.get("ended")
    return isinstance(ended, int | float) and ended < moment


def _failure(error: Exception) -> Exception:
    """Return a ``Problem``, or the sentence for a worker that ended each time it trained the run."""
    if type(error).__name__ != "KilledWorker":
        return error
    return Problem(
        "The process that trained this run ended {count} times, perhaps for lack of memory (limit: {limit}). Use a smaller "
        "batch, shorter sequences or fewer units.",
        count=ALLOWED_FAILURES + 1,
        limit=WORKER_MEMORY,
    )


def run_training_task(folder: str, fresh: bool, priority: int | None = None) -> dict[str, Any]:
    """Train the run in a folder, in a worker; a run that a killed worker had begun goes on from its checkpoint.

    Args:
        folder: of the run.
        fresh: whether it is a new run.
        priority: of this process, as of ``nice``; None to keep it.
    """
    _set_priority(priority)
    from models.training.training_loop import continue_run, start

    result = start(folder) if fresh and not is_run_folder(folder) else continue_run(folder)
    return {"reason": result.reason, "step": result.step, "seconds": result.seconds}


def call_in_worker(function: Callable[..., Any], arguments: tuple, priority: int | None) -> Any:
    """Return what a function returns, computed in a worker; ``priority`` as in ``run_training_task``."""
    _set_priority(priority)
    return function(*arguments)


def _set_priority(priority: int | None) -> None:
    if priority is not None and hasattr(os, "setpriority"):
        os.setpriority(os.PRIO_PROCESS, 0, priority)


_queue: RunQueue | None = None
_queue_lock = threading.Lock()


def shared_queue() -> RunQueue:
    """Return the queue of this process."""
    global _queue
    with _queue_lock:
        if _queue is None:
            _queue = RunQueue()
        return _queue


def submit(options: TrainingOptions, folder: str | Path, reader: str) -> None:
    """Check the options and add a new run to the queue.

    Args:
        options: of the run.
        folder: a new one.
        reader: whose run it is.

    Raises:
        Problem: the options or the data are invalid, the folder has a run, or too many runs wait.
    """
    from models.training.training_loop import prepare

    most = max_minutes()
    if options.minutes > most:
        raise Problem("A run may take at most {most:g} minutes here. Choose a shorter duration.", most=most)
    prepare(options, folder)
    shared_queue().submit(Path(folder), reader, fresh=True)


def max_minutes() -> float:
    """Return the longest duration of a run that a reader may start."""
    try:
        return float(os.environ[MINUTES])
    except (KeyError, ValueError):
        return MAX_MINUTES


def submit_resume(folder: str | Path, reader: str) -> None:
    """Add a run that was stopped or interrupted to the queue, to go on from its last checkpoint.

    Raises:
        Problem: there is no such run, or too many runs wait.
    """
    if not is_training_folder(folder):
        raise Problem("{folder} is not a run that was trained here. Choose another run.", folder=str(folder))
    send_command(folder, "run")
    shared_queue().submit(Path(folder), reader, fresh=False)


def stop(folder: str | Path) -> None:
    """Stop a run: one that waits leaves the queue, one that trains ends before its next step, with a checkpoint."""
    if not shared_queue().cancel(Path(folder)):
        send_command(folder, "stop")


def state(folder: str | Path) -> QueueState:
    """Return the state of a run."""
    return shared_queue().state(Path(folder))
