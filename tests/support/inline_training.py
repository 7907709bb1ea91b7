"""Trainings and other calls of the queue in this process and at once, instead of in another one."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any


class InlineQueue:
    """A queue that calls a function as soon as it is given."""

    def compute(self, function: Callable[..., Any], *arguments: Any) -> Future:
        """Call the function; return a future that has its result or its exception."""
        future: Future = Future()
        try:
            future.set_result(function(*arguments))
        except Exception as problem:
            future.set_exception(problem)
        return future


def train_inline() -> None:
    """Let the calls of the queue run in this process."""
    from models.training import queued_calls

    queued_calls.shared_queue = InlineQueue
