"""Rooms in the memory of one process."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from viz.rooms.room_store import LIFE_SECONDS, MAX_ROOMS, MAX_WRONG_LETTERS

MAX_WAITING = 256
"""Messages that wait for one subscriber at most; the oldest are dropped."""


@dataclass
class _Room:
    secret: str
    letters: str
    wrong_before: int  # wrong letters that had been typed when it got its letters
    ends: float
    fields: dict[str, Any] = field(default_factory=dict)
    groups: dict[str, dict[str, Any]] = field(default_factory=dict)


class MemoryStore:
    """The rooms of one process. Its functions are called in one event loop."""

    def __init__(self) -> None:
        self._rooms: dict[str, _Room] = {}
        self._wrong = 0
        self._subscribers: dict[str, set[asyncio.Queue[dict[str, Any]]]] = {}

    def _found(self, room: str) -> _Room | None:
        found = self._rooms.get(room)
        if found is not None and found.ends < time.monotonic():
            del self._rooms[room]
            return None
        return found

    async def open_room(self, room: str, secret: str, letters: str) -> bool:
        """Open a room, or take new letters for it; return False if another room has these letters or there are too many."""
        for name in list(self._rooms):
            other = self._found(name)
            if other is not None and name != room and other.letters == letters:
                return False
        found = self._found(room)
        if found is None:
            if len(self._rooms) >= MAX_ROOMS:
                return False
            found = self._rooms[room] = _Room(secret, "", self._wrong, 0.0)
        if found.letters != letters:
            found.letters, found.wrong_before = letters, self._wrong
        found.ends = time.monotonic() + LIFE_SECONDS
        return True

    async def end_room(self, room: str) -> None:
        """Remove a room and all that belongs to it."""
        self._rooms.pop(room, None)

    async def keep_room(self, room: str) -> None:
        """Let a room live for another ``LIFE_SECONDS``."""
        if (found := self._found(room)) is not None:
            found.ends = time.monotonic() + LIFE_SECONDS

    async def secret_of(self, room: str) -> str | None:
        """Return the secret of a room's link; None if there is no such room."""
        found = self._found(room)
        return None if found is None else found.secret

    async def room_of(self, letters: str) -> str | None:
        """Return the room with these letters; None if there is none, or its letters are no longer valid."""
        for name in list(self._rooms):
            found = self._found(name)
            if found is not None and found.letters == letters and await self.are_letters_valid(name):
                return name
        return None

    async def count_wrong_letters(self) -> None:
        """Count letters that no room has."""
        self._wrong += 1

    async def are_letters_valid(self, room: str) -> bool:
        """Return whether fewer than ``MAX_WRONG_LETTERS`` wrong letters were typed since the room got its own."""
        found = self._found(room)
        return found is not None and self._wrong - found.wrong_before < MAX_WRONG_LETTERS

    async def write_fields(self, room: str, fields: Mapping[str, Any]) -> None:
        """Set fields of a room's state; None removes one. Does nothing if there is no such room."""
        if (found := self._found(room)) is not None:
            found.fields = {name: value for name, value in {**found.fields, **fields}.items() if value is not None}

    async def read_fields(self, room: str) -> dict[str, Any]:
        """Return a room's state."""
        found = self._found(room)
        return {} if found is None else dict(found.fields)

    async def write_entry(self, room: str, group: str, name: str, value: Any, most: int) -> bool:
        """Set one entry of a group, None to remove it; return False if the group has ``most`` others already."""
        found = self._found(room)
        if found is None:
            return False
        entries = found.groups.setdefault(group, {})
        if value is None:
            entries.pop(name, None)
            return True
        if name not in entries and len(entries) >= most:
            return False
        entries[name] = value
        return True

    async def read_entries(self, room: str, group: str) -> dict[str, Any]:
        """Return all entries of a group."""
        found = self._found(room)
        return {} if found is None else dict(found.groups.get(group, {}))

    async def clear_group(self, room: str, group: str) -> None:
        """Remove a group."""
        if (found := self._found(room)) is not None:
            found.groups.pop(group, None)

    async def publish(self, room: str, message: dict[str, Any]) -> None:
        """Send a message to all subscribers of a room."""
        for queue in self._subscribers.get(room, ()):
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(message)

    @asynccontextmanager
    async def subscribe(self, room: str) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
        """Return the messages to a room from now on."""
        queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue(MAX_WAITING)
        self._subscribers.setdefault(room, set()).add(queue)

        async def messages() -> AsyncIterator[dict[str, Any]]:
            while True:
                yield await queue.get()

        try:
            yield messages()
        finally:
            self._subscribers[room].discard(queue)
            if not self._subscribers[room]:
                del self._subscribers[room]
