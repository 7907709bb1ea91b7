"""Calls in the queue's process: started once, their results kept, their problems raised once, their progress estimated."""

import time
from concurrent.futures import Future
from types import SimpleNamespace

import pytest

from models.core.messages import Problem, Sentence
from models.training import queued_calls
from models.training.call_progress import progress_of, report_progress
from models.training.queued_calls import QueuedCalls
from models.training.run_queue import RunQueue
from tests.models.training.test_training_loop import until
from tests.support.inline_training import InlineQueue

SECONDS = 240


class Reported(Future):
    """A future of a call that reported shares at some seconds."""

    key = "call"

    def __init__(self, *reports):
        super().__init__()
        events = [(second, {"share": share, "part": part}) for second, share, part in reports]
        self.client = SimpleNamespace(get_events=lambda topic: tuple(events))


@pytest.fixture
def waiting(monkeypatch):
    """The futures that the queue gave, which do not end."""
    futures = []

    def compute(*_call):
        futures.append(Reported())
        return futures[-1]

    monkeypatch.setattr(queued_calls, "shared_queue", lambda: SimpleNamespace(compute=compute))
    return futures


def test_a_call_is_started_once_and_its_result_kept(monkeypatch):
    monkeypatch.setattr(queued_calls, "shared_queue", InlineQueue)
    calls, made = QueuedCalls(), []
    for _again in range(2):
        calls.start("a", lambda: made.append(1) or "done")
        assert [calls.result("a") for _ in range(2)] == ["done", "done"] and not calls.is_running("a")
    assert made == [1] and calls.result("b") is None and calls.progress("a") is None
    calls.forget("a")
    assert not calls.is_known("a") and calls.result("a") is None


@pytest.mark.parametrize("raised", [Problem("No."), RuntimeError("a"), None])
def test_a_problem_is_raised_once_and_the_call_may_be_started_again(waiting, raised):
    calls = QueuedCalls()
    calls.start("a", print)
    if raised is None:
        waiting[0].cancel()
    else:
        waiting[0].set_exception(raised)
    with pytest.raises(Problem, match=r"^No\.$" if isinstance(raised, Problem) else "ended before it had finished"):
        calls.result("a")
    assert calls.result("a") is None and not calls.is_known("a")
    calls.start("a", print)
    assert len(waiting) == 2 and calls.is_running("a")


def test_calls_are_stopped_and_the_first_ones_of_too_many(waiting):
    calls = QueuedCalls(most=2)
    for key in "abc":
        calls.start(key, print)
    assert waiting[0].cancelled() and not calls.is_known("a") and calls.is_running("b", "c")
    calls.stop("b", "unknown")
    assert waiting[1].cancelled() and not calls.is_running("b") and calls.is_running("a", "c")


def test_the_time_left_is_that_of_the_speed_since_the_last_start():
    assert progress_of(Reported()) is None
    assert progress_of(Reported((10, 0.0, None))).seconds_left is None
    found = progress_of(Reported((10, 0.0, None), (14, 0.2, ("a {n}", {"n": 1}))))
    assert found.share == 0.2 and found.seconds_left == pytest.approx(16) and str(found.part) == "a 1"
    # a worker died at 0.9, and another one began anew
    again = progress_of(Reported((10, 0.0, None), (100, 0.9, None), (200, 0.1, None), (202, 0.2, None)))
    assert again.seconds_left == pytest.approx(16)


def work_and_report():
    """Report some shares from a worker."""
    for share in (0.0, 0.25, 0.5):
        report_progress(share, Sentence("part of {all}", all=4))
        time.sleep(0.6)
    return "done"


@pytest.mark.slow
def test_a_worker_sends_its_progress(monkeypatch):
    report_progress(0.5)  # outside a worker nothing happens
    queue = RunQueue(workers=1)
    monkeypatch.setattr(queued_calls, "shared_queue", lambda: queue)
    calls = QueuedCalls()
    try:
        calls.start("a", work_and_report)
        future = calls._futures["a"]
        until(lambda: calls.result("a") == "done", SECONDS)
        found = progress_of(future)
        assert found.share == 0.5 and str(found.part) == "part of 4"
        assert found.seconds_left == pytest.approx(1.2, abs=0.6)
    finally:
        queue.close()
