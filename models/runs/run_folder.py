"""The files of a run folder: its description, the heartbeat of its writer, and what became of the run.

``run.json`` describes the run; ``scalars.sqlite`` has the scalars and the newest rows of the maps; ``arrays/`` has the older
rows as .npy files, a folder for each layer; ``snapshots/<training step>.safetensors`` has the weights. Every file is replaced
as a whole or in one transaction, so that a process that is killed leaves no half of one.
"""

from __future__ import annotations

import json
import os
import socket
import stat
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from models.core.messages import Problem

FORMAT = "unrolled run 1"
DESCRIPTION, DATABASE, HEARTBEAT, ARRAYS, SNAPSHOTS = "run.json", "scalars.sqlite", "heartbeat", "arrays", "snapshots"

BEAT_SECONDS = 5.0
"""The time between two updates of the heartbeat while a run is being written."""
STALE_SECONDS = 30.0
"""After this time without an update, a run that did not end counts as interrupted."""
MAX_DESCRIPTION = 1 << 22
"""The largest ``run.json`` that is read, in bytes."""
ENDED = ("finished", "stopped", "failed")
"""How a run can end by its own program; without an end it is ``"running"`` or ``"interrupted"``."""


def replace_file(path: Path, data: bytes) -> None:
    """Write a file so that a reader finds either the old contents or the new ones, whole."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(data)
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def write_description(folder: Path, description: dict[str, Any]) -> None:
    """Write ``run.json``."""
    replace_file(folder / DESCRIPTION, json.dumps(description, ensure_ascii=False, indent=1).encode())


def is_run_folder(folder: str | os.PathLike[str]) -> bool:
    """Return whether a folder has the description of a run."""
    return is_plain_file(Path(folder) / DESCRIPTION)


def is_plain_file(path: Path) -> bool:
    """Return whether a path is a file, not a link to one or a device."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def read_description(folder: Path) -> dict[str, Any]:
    """Return the contents of ``run.json``.

    Raises:
        Problem: there is none, or it does not describe a run.
    """
    path = folder / DESCRIPTION
    if not is_plain_file(path):
        raise Problem(
            "{folder} is not a run folder: it contains no run.json. Choose a folder written by watch(...).",
            folder=str(folder),
        )
    try:
        with path.open("rb") as file:
            data = file.read(MAX_DESCRIPTION + 1)
        description = json.loads(data) if len(data) <= MAX_DESCRIPTION else None
    except (OSError, ValueError, RecursionError):
        description = None
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        raise Problem(
            "The run.json in {folder} does not describe a run. Choose a folder written by watch(...).",
            folder=str(folder),
        )
    return description


class Heartbeat:
    """Updates of a file's time from a thread, while the program of the run is alive."""

    def __init__(self, folder: Path) -> None:
        """Create the file; ``start`` begins the updates."""
        self._path, self._ended = folder / HEARTBEAT, threading.Event()
        self._path.touch()
        self._thread = threading.Thread(target=self._run, name="run heartbeat", daemon=True)

    def start(self) -> None:
        """Begin the updates."""
        self._thread.start()

    def _run(self) -> None:
        while not self._ended.wait(BEAT_SECONDS):
            with suppress(OSError):  # a full disk, or the folder was removed
                os.utime(self._path)

    def stop(self) -> None:
        """End the updates."""
        self._ended.set()
        self._thread.join()


def writer_identity() -> dict[str, Any]:
    """Return what ``run.json`` stores about the process that writes a run."""
    return {"host": socket.gethostname(), "process": os.getpid()}


def run_status(folder: Path, description: dict[str, Any]) -> str:
    """Return ``"running"``, ``"finished"``, ``"stopped"``, ``"failed"`` or ``"interrupted"``.

    A run without an end is interrupted if its heartbeat is older than ``STALE_SECONDS``, or if it was written on this machine
    by a process that no longer exists.
    """
    status = description.get("status")
    if status in ENDED:
        return str(status)
    try:
        age = time.time() - (folder / HEARTBEAT).lstat().st_mtime
    except OSError:
        return "interrupted"
    process = description.get("process")
    if description.get("host") == socket.gethostname() and type(process) is int and not _exists(process):
        return "interrupted"
    return "running" if age < STALE_SECONDS else "interrupted"


def _exists(process: int) -> bool:
    """Return whether there is a process with this number on this machine."""
    if process <= 0:
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # of another user; or not a number of a process
        return True
    return True
