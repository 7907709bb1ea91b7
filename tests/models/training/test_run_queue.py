"""The queue of runs: fair between readers, and whole folders when a worker or the server is killed."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from models import open_run
from models.core.messages import Problem
from models.runs.run_folder import FORMAT, read_description, run_status, write_description
from models.training import run_queue
from models.training.cancelled_calls import end_if_cancelled
from models.training.run_queue import QueueState, RunQueue, run_training_task
from models.training.trained_network import network_of
from models.training.training_control import send_command
from tests.models.training.test_training_loop import quick, until

SECONDS = 150
"""For which the test of killed workers waits."""

ROOT = Path(__file__).parents[3]


class Future:
    """A run that the test ends."""

    def __init__(self, folder):
        self.folder, self.done = folder, None

    def add_done_callback(self, done):
        self.done = done

    def cancelled(self):
        return False

    def exception(self):
        return None


class Client:
    """A cluster that only notes what it is given."""

    def __init__(self):
        self.futures = []

    def submit(self, task, folder, fresh, priority, **_):
        self.futures.append(Future(Path(folder).name))
        return self.futures[-1]

    def close(self):
        pass


@pytest.fixture
def queue(monkeypatch):
    made = RunQueue(workers=2)
    made._client = Client()
    return made


def started(queue):
    return [future.folder for future in queue._client.futures]


def test_readers_are_served_in_turn(queue):
    for name in ("a1", "a2", "a3", "a4", "b1", "b2", "c1"):
        queue.submit(Path(name), name[0], fresh=True)
    assert started(queue) == ["a1", "a2"] and queue.state(Path("b1")).status == "waiting"
    while any(future.done for future in queue._client.futures):
        future = next(future for future in queue._client.futures if future.done)
        done, future.done = future.done, None
        done(future)
    assert started(queue)[2:5] in (["b1", "c1", "b2"], ["c1", "b1", "b2"], ["b1", "c1", "a3"], ["c1", "b1", "a3"])
    assert sorted(started(queue)) == ["a1", "a2", "a3", "a4", "b1", "b2", "c1"]


def test_other_readers_do_not_wait_while_the_cluster_starts(monkeypatch, tmp_path):
    made, starts, may_start = RunQueue(workers=1), threading.Event(), threading.Event()
    monkeypatch.setattr(run_queue, "local_cluster", lambda *_: starts.set() or (may_start.wait(60) and Client()))
    monkeypatch.setattr("distributed.Client", lambda cluster, **_: cluster)
    submitting = threading.Thread(target=made.submit, args=(Path("a1"), "a", True))
    submitting.start()
    assert starts.wait(60)
    assert made.state(tmp_path).status == "unknown" and submitting.is_alive()
    may_start.set()
    submitting.join(60)
    assert started(made) == ["a1"]


def test_a_line_is_bounded_and_has_a_run_once(queue):
    for index in range(run_queue.MAX_WAITING_OF_READER + 2):
        queue.submit(Path(str(index)), "a", fresh=True)
    with pytest.raises(Problem, match="Too many"):
        queue.submit(Path("more"), "a", fresh=True)
    queue.submit(Path("other"), "b", fresh=True)
    with pytest.raises(Problem, match="already in the queue"):
        queue.submit(Path("5"), "a", fresh=True)
    assert queue.cancel(Path("5")) and not queue.cancel(Path("5"))


def test_a_stopped_run_waits_until_its_worker_goes_on_with_it(queue, tmp_path):
    description = {"format": FORMAT, "status": "stopped", "ended": time.time() - 1}
    write_description(tmp_path, description)
    assert queue.state(tmp_path) == QueueState("stopped")
    queue.submit(tmp_path, "a", fresh=False)
    assert queue.state(tmp_path) == QueueState("waiting", place=0)
    write_description(tmp_path, description | {"ended": time.time() + 1})  # the worker has stopped it again
    assert queue.state(tmp_path) == QueueState("stopped")


def test_a_run_may_take_as_long_as_the_server_allows(tmp_path, monkeypatch):
    with pytest.raises(Problem, match="at most 60 minutes"):
        run_queue.submit(quick(minutes=61.0), tmp_path / "run", "a")
    monkeypatch.setenv(run_queue.MINUTES, "0.5")
    with pytest.raises(Problem, match=r"at most 0\.5 minutes"):
        run_queue.submit(quick(minutes=1.0), tmp_path / "run", "a")
    assert not (tmp_path / "run").exists()


def trains_in(folder):
    """The process that trains a run which has a checkpoint; None before."""
    try:
        return (folder / "checkpoint.safetensors").stat().st_size and read_description(folder)["process"]
    except (OSError, Problem):
        return None


SERVER = """
import sys, time
from models.training import run_queue
from tests.models.training.test_training_loop import quick
if __name__ == "__main__":
    run_queue.shared_queue().workers = 1
    run_queue.submit(quick(epochs=100_000), sys.argv[1], "a")
    while run_queue.state(sys.argv[1]).problem is None:
        time.sleep(1)
    print(repr(run_queue.state(sys.argv[1])), flush=True)
"""


@pytest.mark.slow
def test_runs_are_whole_after_kill_9_of_a_worker_and_of_the_server(tmp_path):
    folder, program = tmp_path / "run", tmp_path / "server.py"
    program.write_text(SERVER)
    # By default Dask removes a worker for good if it takes longer to restart than this: here always.
    environment = os.environ | {"PYTHONPATH": str(ROOT), "DASK_DISTRIBUTED__DEPLOY__LOST_WORKER_TIMEOUT": "0.1s"}
    with (tmp_path / "output").open("w") as output:
        arguments = [sys.executable, str(program), str(folder)]
        server = subprocess.Popen(arguments, env=environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        first = until(lambda: trains_in(folder), SECONDS)
        before = open_run(folder).scalar("loss/validation")
        os.kill(first, signal.SIGKILL)
        second = until(lambda: (process := trains_in(folder)) != first and process, SECONDS)  # another worker goes on
        assert len({first, second, server.pid}) == 3
        assert run_status(folder, read_description(folder)) == "running"
        until(lambda: len(open_run(folder).scalar("loss/validation")[0]) > len(before[0]) + 3, SECONDS)
    except AssertionError as error:
        error.add_note((tmp_path / "output").read_text())
        raise
    finally:
        server.kill()
        server.wait()
    until(lambda: run_status(folder, read_description(folder)) == "interrupted", SECONDS)
    after = open_run(folder).scalar("loss/validation")
    assert all(np.array_equal(now[: len(then)], then) for now, then in zip(after, before, strict=True))
    assert (np.diff(after[0]) > 0).all()
    network_of(folder)
    send_command(folder, "stop")
    assert run_training_task(str(folder), fresh=False)["reason"] == "stopped"
    assert read_description(folder)["status"] == "stopped"


def test_functions_are_called_in_a_worker_and_their_number_is_bounded(queue, monkeypatch):
    monkeypatch.setattr(run_queue, "MAX_CALLS", 2)
    monkeypatch.setattr(Client, "submit", lambda self, task, *arguments, **_: Call(task(*arguments)))
    calls = [queue.compute(divmod, 7, 3) for _ in range(2)]
    assert [call.value for call in calls] == [(2, 1), (2, 1)]
    with pytest.raises(Problem, match="Too many trainings"):
        queue.compute(divmod, 7, 3)
    calls[0].ended = True
    assert queue.compute(divmod, 9, 4).value == (2, 1)


@pytest.mark.slow
def test_a_call_does_not_wait_for_a_run_and_ends_early_when_it_is_cancelled(tmp_path):
    made, began = RunQueue(workers=1), tmp_path / "began"
    try:
        run = made._connect().submit(time.sleep, 600, resources=made._resources(run_queue.RUN))
        assert made.compute(divmod, 7, 3).result(SECONDS) == (2, 1) and not run.done()
        call = made.compute(run_until_cancelled, began)
        until(began.exists, SECONDS)
        call.cancel()
        assert made.compute(divmod, 9, 4).result(SECONDS) == (2, 1) and call.cancelled()
        assert (tmp_path / "ended").exists()
        run.cancel()
    finally:
        made.close()


def run_until_cancelled(began):
    """Write a file at the beginning, and another when the call is cancelled."""
    began.touch()
    try:
        while True:
            end_if_cancelled()
            time.sleep(0.01)
    finally:
        (began.parent / "ended").touch()


class Call:
    """A call that the test ends."""

    def __init__(self, value):
        self.value, self.ended = value, False

    def done(self):
        return self.ended
