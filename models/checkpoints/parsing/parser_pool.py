"""Processes that parse files (``parser_process``): started once, used again, ended when a file takes too much of anything.

An answer is JSON and bytes. Of it only names, shapes, types, offsets and the text of a refusal are used, after a check: a
process that a file has taken over can state wrong values of that file, and nothing else.
"""

from __future__ import annotations

import atexit
import json
import os
import string
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO, cast

from models.checkpoints.parsing.contents import Limits
from models.checkpoints.parsing.errors import CheckpointError, LimitError
from models.checkpoints.parsing.parser_process import MEMORY_EXIT
from models.checkpoints.parsing.tensor_limits import too_much_memory

PROCESSES = 2
"""Processes at a time."""
MAX_REQUESTS = 500
"""Requests that one process answers before it is replaced by a new one."""
START_SECONDS = 120.0
"""Seconds for a process to import torch."""
WALL = 10
"""Seconds of waiting for each second of processor time that a file may take: the machine may be busy."""
TOO_MUCH_TIME = -24
"""The status of a process that took too much processor time: SIGXCPU."""
MAX_HEADER, MAX_SENTENCE, MAX_VALUE = 256 << 20, 1000, 4000
"""Bytes of an answer's JSON, characters of a refusal, and of each of its values."""

SCRIPT = Path(__file__).with_name("parser_process.py")
ROOT = Path(__file__).parents[3]
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


class ParserProcess:
    """One process.

    Attributes:
        key: the file that it has open; "" for none.
        requests: how many it has answered.
        ready: whether it has imported all that it may need.
    """

    def __init__(self) -> None:
        """Start it."""
        self.key, self.requests, self.ready = "", 0, False
        self._status: int | None = None
        self._ended = False
        self._process = subprocess.Popen(
            [sys.executable, "-I", str(SCRIPT), str(ROOT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **ONE_THREAD},
        )
        self._incoming = cast(BinaryIO, self._process.stdout)

    @property
    def alive(self) -> bool:
        """Return whether it can answer a further request."""
        return not self._ended and self._process.poll() is None and self.requests < MAX_REQUESTS

    def ask(self, request: dict[str, Any], seconds: float) -> tuple[dict[str, Any], bytes]:
        """Send a request; return the answer's header and bytes.

        Raises:
            EOFError: the process has ended, or has not answered within ``seconds``; its status says why.
        """
        self.requests += 1
        timer = threading.Timer(seconds, self.end, (TOO_MUCH_TIME,))
        timer.daemon = True
        timer.start()
        try:
            outgoing = cast(BinaryIO, self._process.stdin)
            outgoing.write(json.dumps(request).encode() + b"\n")
            outgoing.flush()
            line = self._incoming.readline(MAX_HEADER)
            header = json.loads(line) if line.endswith(b"\n") else None
            size = header.get("bytes") if isinstance(header, dict) else None
            if not isinstance(size, int) or not 0 <= size <= 1 << 40:
                raise EOFError
            body = self._incoming.read(size)
            if len(body) != size:
                raise EOFError
            return cast(dict[str, Any], header), body
        except (OSError, ValueError) as error:
            raise EOFError from error
        finally:
            timer.cancel()

    def get_ready(self) -> None:
        """Let it import all that it may need, once. Raises EOFError: it has ended."""
        if not self.ready:
            self.ask({"do": "ready"}, START_SECONDS)
            self.ready = True

    def end(self, status: int | None = None) -> None:
        """End it, and note ``status`` as the reason."""
        self._status, self._ended = (status if self._status is None else self._status), True
        self._process.kill()

    def close(self) -> int:
        """End it and return its status: the reason that ``end`` was given, else its own."""
        try:
            self._process.wait(0.2)  # it may be ending already
        except subprocess.TimeoutExpired:
            self._process.kill()
        own = self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:  # what was not sent is lost
                    continue
        return own if self._status is None else self._status


class ParserPool:
    """At most ``PROCESSES`` processes, started when they are needed."""

    def __init__(self, size: int = PROCESSES) -> None:
        """Start none yet."""
        self._idle: list[ParserProcess] = []
        self._lock, self._slots = threading.Lock(), threading.BoundedSemaphore(size)
        self._owner, self._replaces = os.getpid(), False

    @contextmanager
    def process(self, key: str) -> Iterator[ParserProcess]:
        """Yield a process, preferably one that has the file ``key`` open."""
        with self._slots:
            with self._lock:
                if self._owner != os.getpid():  # this process is a fork: the processes are another one's
                    self._idle, self._owner = [], os.getpid()
                ordered = sorted(self._idle, key=lambda each: (each.key == key, each.ready))
                chosen = ordered[-1] if ordered else None
                if chosen is not None:
                    self._idle.remove(chosen)
            if chosen is not None and not chosen.alive:
                chosen.close()
                chosen = None
            chosen = chosen or ParserProcess()
            try:
                yield chosen
            finally:
                if chosen.alive:
                    with self._lock:
                        self._idle.append(chosen)
                else:
                    chosen.close()
                    if self._replaces and chosen.ready:
                        self._start_in_background()

    def start(self) -> None:
        """Start a process in the background, once, so that no file need wait for it; from then on replace those that end."""
        if not self._replaces:
            self._replaces = True
            self._start_in_background()

    def _start_in_background(self) -> None:
        def start() -> None:
            with self.process("") as process:
                try:
                    process.get_ready()
                except EOFError:
                    process.end()

        threading.Thread(target=start, daemon=True, name="parser").start()

    def close(self) -> None:
        """End all processes that are not in use."""
        with self._lock:
            idle, self._idle = self._idle, []
        for each in idle if self._owner == os.getpid() else ():
            each.end()
            each.close()


_pool = ParserPool()
atexit.register(_pool.close)


def start_parser() -> None:
    """Start a process in the background, once; see ``ParserPool.start``."""
    _pool.start()


def ask_parser(
    do: str, data: memoryview | Path, key: str, limits: Limits, **further: Any
) -> tuple[dict[str, Any], bytes]:
    """Let a separate process do something with a file; return the answer's header and bytes.

    Args:
        do: what ``parser_process`` calls it.
        data: the file's bytes, or its path.
        key: what identifies the file.
        limits: bounds on the process's memory and time.
        further: entries of the request.

    Raises:
        CheckpointError: the process rejected the file or crashed; a LimitError if it took too much time or memory.
    """
    copied = not isinstance(data, Path)
    request = {"do": do, "key": key, "limits": asdict(limits), "file": "", "copied": copied, **further}
    with _pool.process(key) as process:
        try:
            if do in ("open", "graph", "run"):
                process.get_ready()
            if process.key == key:
                header, body = process.ask(request, WALL * limits.seconds)
            else:
                with _file(data) as path:
                    header, body = process.ask({**request, "file": str(path)}, WALL * limits.seconds)
        except EOFError:
            raise _reason(process.close(), limits) from None
        process.key = key
        if header.get("memory"):
            process.end()
            raise too_much_memory(limits)
        if "refused" in header:
            raise _refusal(header)
        return header, body


@contextmanager
def _file(data: memoryview | Path) -> Iterator[Path]:
    """Yield a path to a file's bytes, which is removed in the end if it is a copy."""
    if isinstance(data, Path):
        yield data.resolve()
        return
    handle, name = tempfile.mkstemp(prefix="unrolled-", suffix=".bin")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        yield Path(name)
    finally:
        try:
            os.unlink(name)
        except OSError:  # Windows: the process still has it open
            _left_over.append(name)


_left_over: list[str] = []


@atexit.register
def _remove_left_over() -> None:
    _pool.close()
    for name in _left_over:
        Path(name).unlink(missing_ok=True)


def _reason(status: int, limits: Limits) -> CheckpointError:
    """Return the error for a process that has ended with this status."""
    if status == MEMORY_EXIT:
        return too_much_memory(limits)
    if status == TOO_MUCH_TIME:
        return LimitError("This file could not be opened within {n} s. Save only the weights.", n=f"{limits.seconds:g}")
    return CheckpointError("This file is damaged. Copy or save it again.")


def _refusal(header: dict[str, Any]) -> CheckpointError:
    """Return the error of a process's refusal, if it is a sentence of plain values."""
    sentence, values = header.get("refused"), header.get("values")
    try:
        if not isinstance(sentence, str) or not isinstance(values, dict) or len(sentence) > MAX_SENTENCE:
            raise ValueError
        for _, name, form, conversion in string.Formatter().parse(sentence):
            if name is not None and (name not in values or form or conversion):
                raise ValueError
        plain = {
            str(name): value if type(value) is int and abs(value) < 1 << 63 else str(value)[:MAX_VALUE]
            for name, value in values.items()
        }
        if sentence != "damaged":
            return CheckpointError(sentence, **plain)
    except (ValueError, KeyError, TypeError):
        pass
    return CheckpointError("This file is damaged. Copy or save it again.")
