"""A store of opened checkpoints that bounds their number and their memory, shared by all sessions."""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import Generic, Protocol, TypeVar

import streamlit as st

MAX_CHECKPOINTS, MAX_BYTES = 32, 2 << 30
"""Opened checkpoints (a file may be run in several ways), and bytes of files and decoded tensors, that are kept."""

MAX_REMOVED = 64 << 20
"""Bytes of removed checkpoints that cached results may go on referring to."""


class StoredFile(Protocol):
    """A file: the hash of its content, and the bytes of it that are kept in memory."""

    @property
    def digest(self) -> str: ...

    @property
    def memory(self) -> int: ...


class StoredCheckpoint(Protocol):
    """A checkpoint: its name, its file, and the bytes in memory besides those of the file."""

    @property
    def name(self) -> str: ...

    @property
    def file(self) -> StoredFile: ...

    @property
    def memory(self) -> int: ...


T = TypeVar("T", bound=StoredCheckpoint)


@dataclass(eq=False)
class _Entry(Generic[T]):
    """A stored checkpoint, the readers that opened or used it, when it was stored, and whether it has been used since."""

    opened: T
    readers: set[str]
    stored: float
    used: bool = False


class CheckpointStore(Generic[T]):
    """A bounded, thread-safe store of opened checkpoints.

    The least recently used one of the same reader is removed first. One that is not used within minutes is removed too.
    """

    def __init__(self, count: int = MAX_CHECKPOINTS, size: int = MAX_BYTES, unused: float = 600.0) -> None:
        """Keep at most ``count`` checkpoints and ``size`` bytes of memory, and always the newest one."""
        self.count, self.size, self.unused = count, size, unused
        self._stored: OrderedDict[str, _Entry[T]] = OrderedDict()
        self._lock = Lock()
        self._removed = 0

    def put(self, opened: T, reader: str = "") -> T:
        """Add a checkpoint that a reader opened and return it, or the stored one of the same name."""
        with self._lock:
            entry = self._stored.setdefault(opened.name, _Entry(opened, set(), time.monotonic()))
            entry.readers.add(reader)
            self._stored.move_to_end(opened.name)
            self._remove_unused()
            while len(self._stored) > 1 and (len(self._stored) > self.count or self._memory() > self.size):
                self._remove(self._oldest(reader))
        self._clear_caches()
        return entry.opened

    def get(self, name: str, reader: str = "") -> T | None:
        """Return the checkpoint of this name for a reader, or None."""
        with self._lock:
            entry = self._stored.get(name)
            if entry is None:
                return None
            self._stored.move_to_end(name)
            entry.used = True
            entry.readers.add(reader)
            return entry.opened

    def with_file(self, digest: str) -> T | None:
        """Return a checkpoint of the file with this content, or None."""
        with self._lock:
            opened = (entry.opened for entry in self._stored.values())
            return next((each for each in opened if each.file.digest == digest), None)

    def remove_unused(self) -> None:
        """Remove the checkpoints that have not been used for ``unused`` seconds since they were stored."""
        with self._lock:
            self._remove_unused()
        self._clear_caches()

    def _remove_unused(self) -> None:
        newest, now = next(reversed(self._stored), None), time.monotonic()
        for name in [name for name, entry in self._stored.items() if not entry.used and name != newest]:
            if now - self._stored[name].stored > self.unused:
                self._remove(name)

    def _oldest(self, reader: str) -> str:
        """Return the name of the checkpoint to remove: of those of this reader alone, of this reader, of all."""
        names = list(self._stored)[:-1]
        alone = (name for name in names if self._stored[name].readers == {reader})
        shared = (name for name in names if reader in self._stored[name].readers)
        return next(alone, None) or next(shared, None) or names[0]

    def _remove(self, name: str) -> None:
        opened = self._stored.pop(name).opened
        self._removed += opened.file.memory + opened.memory

    def _clear_caches(self) -> None:
        """Clear the cached results, which refer to the weights of removed checkpoints, once these are many bytes."""
        if self._removed > MAX_REMOVED:
            self._removed = 0
            st.cache_resource.clear()

    def _memory(self) -> int:
        files = {entry.opened.file.digest: entry.opened.file.memory for entry in self._stored.values()}
        return sum(files.values()) + sum(entry.opened.memory for entry in self._stored.values())
