"""Turns of the pages' runs: how many of them compute at a time.

Streamlit runs the page of each reader in a thread of its own, and starts all of them at once. The threads share Python's lock
with the event loop that sends what they draw and answers new readers: with fifty of them it would wait for each at every
message, until browsers give up. Here the runs take turns, in the order in which they were requested.

A run that has computed for `SHARE_SECONDS` lets a waiting one go first when it next sends something, so that a short run
does not wait for the end of a long one. One that sends nothing for so long, since it computes or waits, is no longer counted.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime.scriptrunner.script_runner import ScriptRunner
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData

PLACES = 2
"""Runs that compute at a time: what one computes outside of Python's lock is the other's time."""
SHARE_SECONDS = 0.5
"""Seconds of a run after which it lets another go first."""


class PageTurns:
    """The runs that compute, and those that wait for their turn in the order in which they came.

    Attributes:
        places: runs that compute at a time.
        share: seconds after which a run no longer counts as one of these.
    """

    def __init__(self, places: int = PLACES, share: float = SHARE_SECONDS) -> None:
        self.places, self.share = places, share
        self._lock = threading.Lock()
        self._since: dict[int, float] = {}  # thread -> when its turn began
        self._waiting: deque[tuple[int, threading.Event]] = deque()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for a turn, and enclose what is done in it."""
        self._wait()
        try:
            yield
        finally:
            with self._lock:
                del self._since[threading.get_ident()]
                self._admit()

    def let_others_go(self) -> None:
        """Go behind the waiting runs, if there are any and the turn of this thread has been as long as its share."""
        if not self._waiting:  # called at every message: no lock
            return
        with self._lock:
            since = self._since.get(threading.get_ident())
            if since is None or time.monotonic() - since < self.share or not self._waiting:
                return
            del self._since[threading.get_ident()]
        self._wait()

    def _wait(self) -> None:
        own = threading.Event()
        with self._lock:
            self._waiting.append((threading.get_ident(), own))
            self._admit()
        while not own.wait(self.share / 2):
            with self._lock:
                self._admit()

    def _admit(self) -> None:
        """Let as many waiting runs go as there are places."""
        now = time.monotonic()
        free = self.places - sum(now - since < self.share for since in self._since.values())
        while self._waiting and free > 0:
            thread, ready = self._waiting.popleft()
            self._since[thread] = now
            ready.set()
            free -= 1


TURNS = PageTurns()

_run: Callable[[ScriptRunner, RerunData], None] = ScriptRunner._run_script
_enqueue: Callable[[ScriptRunner, ForwardMsg], None] = ScriptRunner._enqueue_forward_msg


def take_turns() -> None:
    """Let the runs of all pages of this process, and of their fragments, take turns."""
    setattr(ScriptRunner, "_run_script", _run_in_turn)  # noqa: B010 - a method of another package
    setattr(ScriptRunner, "_enqueue_forward_msg", _enqueue_in_turn)  # noqa: B010


def _run_in_turn(runner: ScriptRunner, data: RerunData) -> None:
    with TURNS.turn():
        _run(runner, data)


def _enqueue_in_turn(runner: ScriptRunner, message: ForwardMsg) -> None:
    TURNS.let_others_go()
    _enqueue(runner, message)
