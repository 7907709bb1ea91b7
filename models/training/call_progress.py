"""The progress of a call of ``RunQueue.compute``, sent by its worker as events of Dask to whoever waits for it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from models.core.messages import Sentence
from models.training.cancelled_calls import current_worker, end_if_cancelled

PERIOD = 0.5
"""Seconds between two reports of a call that are sent; those between them are left out."""

MIN_SECONDS, MIN_SHARE = 1.0, 0.02
"""Of a call, from which the rest of its time is estimated."""

_sent: dict[str, float] = {}


@dataclass(frozen=True)
class CallProgress:
    """The state of a call.

    Attributes:
        share: the part of its work that is done, from 0 to 1.
        part: the sentence that says what is being done, or None.
        seconds_left: the estimate from the time since its first report; None until it has done enough.
    """

    share: float
    part: Sentence | None = None
    seconds_left: float | None = None


def report_progress(share: float, part: Sentence | None = None) -> None:
    """Report the progress of this thread's call; end it if it was cancelled. Outside a worker do nothing.

    Args:
        share: the part of the work that is done, from 0 to 1.
        part: what is being done now.

    Raises:
        CancelledError: the call was cancelled.
    """
    end_if_cancelled()
    worker = current_worker()
    if worker is None:
        return
    key, now = str(worker.get_current_task()), time.monotonic()
    if now - _sent.get(key, -PERIOD) >= PERIOD:
        _sent.clear()  # a worker of calls has one at a time
        _sent[key] = now
        told = None if part is None else (part.sentence, part.values)
        worker.log_event(_topic(key), {"share": share, "part": told})


def progress_of(future: Any) -> CallProgress | None:
    """Return the last report of a call by its future; None before the first one."""
    events = future.client.get_events(_topic(str(future.key)))  # of (second, report)
    if not events:
        return None
    shares = [float(report["share"]) for _second, report in events]
    begun = max(place for place in range(len(shares)) if not place or shares[place] < shares[place - 1])
    seconds, done = events[-1][0] - events[begun][0], shares[-1] - shares[begun]
    left = seconds * (1 - shares[-1]) / done if seconds >= MIN_SECONDS and done >= MIN_SHARE else None
    last, share = events[-1][1], shares[-1]
    part = None if last["part"] is None else Sentence(last["part"][0], **last["part"][1])
    return CallProgress(share, part, left)


def _topic(key: str) -> str:
    return f"progress-{key}"
