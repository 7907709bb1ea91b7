"""What the connections of a room share: its state and its messages, in the memory of this process, or in Redis.

`memory_store` and `redis_store` have the functions of `RoomStore`. Values are what JSON has.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

REDIS = "UNROLLED_REDIS"
"""Environment variable: the address of a Redis server (``redis://host:6379/0``), by which several processes share rooms."""

LIFE_SECONDS = 3 * 3600
"""Seconds after which a room is gone that no teacher's page is connected to."""

MAX_ROOMS = 200
"""Open rooms at most."""

MAX_WRONG_LETTERS = 300
"""Wrong letters, typed by anybody, after which the letters of every room that was open meanwhile are no longer valid."""


class StoreAwayError(OSError):
    """The server that rooms are stored in does not answer."""


class RoomStore(Protocol):
    """The state and messages of all rooms."""

    async def open_room(self, room: str, secret: str, letters: str) -> bool:
        """Open a room, or take new letters for it; return False if another room has these letters or there are too many."""

    async def end_room(self, room: str) -> None:
        """Remove a room and all that belongs to it."""

    async def keep_room(self, room: str) -> None:
        """Let a room live for another ``LIFE_SECONDS``."""

    async def secret_of(self, room: str) -> str | None:
        """Return the secret of a room's link; None if there is no such room."""

    async def room_of(self, letters: str) -> str | None:
        """Return the room with these letters; None if there is none, or its letters are no longer valid."""

    async def count_wrong_letters(self) -> None:
        """Count letters that no room has."""

    async def are_letters_valid(self, room: str) -> bool:
        """Return whether fewer than ``MAX_WRONG_LETTERS`` wrong letters were typed since the room got its own."""

    async def write_fields(self, room: str, fields: Mapping[str, Any]) -> None:
        """Set fields of a room's state; None removes one. Does nothing if there is no such room."""

    async def read_fields(self, room: str) -> dict[str, Any]:
        """Return a room's state."""

    async def write_entry(self, room: str, group: str, name: str, value: Any, most: int) -> bool:
        """Set one entry of a group, None to remove it; return False if the group has ``most`` others already."""

    async def read_entries(self, room: str, group: str) -> dict[str, Any]:
        """Return all entries of a group."""

    async def clear_group(self, room: str, group: str) -> None:
        """Remove a group."""

    async def publish(self, room: str, message: dict[str, Any]) -> None:
        """Send a message to all subscribers of a room."""

    def subscribe(self, room: str) -> AbstractAsyncContextManager[AsyncIterator[dict[str, Any]]]:
        """Return the messages to a room from now on."""
