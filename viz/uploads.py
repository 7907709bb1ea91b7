"""Uploaded files: how many of them, and for how long, the server keeps in memory.

Streamlit keeps every file that a browser has uploaded until its session ends, whether a page uses it or not.
"""

import threading
import time
from collections.abc import Callable, Iterable
from typing import cast

from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFile, UploadedFileRec

KEPT_BYTES, KEPT_FILES = 1 << 30, 2000
"""Bytes and number of the uploaded files of all sessions that are kept; the newest is kept always."""
SMALL, KEPT_SECONDS = 1 << 20, 600.0
"""Bytes up to which a file is kept as long as its session, and the seconds for which a larger one is kept."""

Key = tuple[str, str]
"""The session and the id of a file."""


class UploadLimits:
    """The files that a manager keeps, in the order of their upload.

    Attributes:
        size, count, seconds: the limits (``KEPT_BYTES``, ``KEPT_FILES``, ``KEPT_SECONDS``).
    """

    def __init__(self, size: int = KEPT_BYTES, count: int = KEPT_FILES, seconds: float = KEPT_SECONDS) -> None:
        self.size, self.count, self.seconds = size, count, seconds
        self._added: dict[Key, tuple[float, int]] = {}  # time and bytes
        self._lock = threading.Lock()
        self._waits = False

    def note(self, manager: MemoryUploadedFileManager, session: str, file: UploadedFileRec) -> None:
        """Note that a file was added, and remove what is too old or too much: first the oldest of the same session."""
        with self._lock:
            newest = session, file.file_id
            self._added.pop(newest, None)
            self._added[newest] = time.monotonic(), len(file.data)
            self._remove_old(manager)
            while len(self._added) > 1 and (
                len(self._added) > self.count or sum(size for _, size in self._added.values()) > self.size
            ):
                others = [key for key in self._added if key != newest]
                self._remove(manager, next((key for key in others if key[0] == session), others[0]))

    def remove_later(self, manager: MemoryUploadedFileManager) -> None:
        """Remove old files in ``seconds``, and again as long as there are files; one thread waits, however many files."""
        with self._lock:
            if self._waits:
                return
            self._waits = True

        def remove() -> None:
            with self._lock:
                self._waits = False
                self._remove_old(manager)
                left = bool(self._added)
            if left:
                self.remove_later(manager)

        timer = threading.Timer(self.seconds + 1, remove)
        timer.daemon = True
        timer.start()

    def remove_old(self, manager: MemoryUploadedFileManager) -> None:
        """Remove the files that were added too long ago."""
        with self._lock:
            self._remove_old(manager)

    def _remove_old(self, manager: MemoryUploadedFileManager) -> None:
        now = time.monotonic()
        for key, (added, size) in list(self._added.items()):
            if not manager.get_files(key[0], [key[1]]):  # its session has ended, or its reader removed it
                del self._added[key]
            elif size > SMALL and now - added > self.seconds:
                self._remove(manager, key)

    def _remove(self, manager: MemoryUploadedFileManager, key: Key) -> None:
        del self._added[key]
        manager.remove_file(*key)


def limit_uploads(limits: UploadLimits | None = None) -> None:
    """Limit the uploaded files that this process keeps, by ``limits``."""
    limits = limits or UploadLimits()

    def add(manager: MemoryUploadedFileManager, session_id: str, file: UploadedFileRec) -> None:
        _add_file(manager, session_id, file)
        limits.note(manager, session_id, file)
        limits.remove_later(manager)

    setattr(MemoryUploadedFileManager, "add_file", add)  # noqa: B010 - a method of another package


_add_file: Callable[[MemoryUploadedFileManager, str, UploadedFileRec], None] = MemoryUploadedFileManager.add_file


def remove_uploads(files: Iterable[UploadedFile]) -> None:
    """Remove files of the running page that have been opened."""
    context = get_script_run_ctx(suppress_warning=True)
    for file in files:
        if context is not None:
            manager = cast(MemoryUploadedFileManager, context.uploaded_file_mgr)
            manager.remove_file(session_id=context.session_id, file_id=file.file_id)
