"""Rooms in Redis, which several processes of the app share.

Keys: ``unrolled:room:NAME`` (a hash of secret, letters and fields of the state), ``unrolled:room:NAME:GROUP`` (a hash of
entries), ``unrolled:letters:ABCD`` (the room's name), ``unrolled:wrong`` (the number of wrong letters); the channel of a
room's messages has the name of its first key. All keys of a room expire.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from redis.asyncio import from_url
from redis.exceptions import ConnectionError as NoConnection
from redis.exceptions import RedisError

from viz.rooms.room_store import LIFE_SECONDS, MAX_ROOMS, MAX_WRONG_LETTERS, REDIS, StoreAwayError

P = ParamSpec("P")
T = TypeVar("T")

RETRY_SECONDS = 0.5
"""Seconds between two attempts to subscribe again after the connection was lost."""

_FIELD, _PREFIX = "field:", "unrolled:"

# Creates a room, or gives it new letters, at once for all processes: two rooms never have the same letters.
_OPEN = """
local owner = redis.call('GET', KEYS[2])
if owner and owner ~= ARGV[1] then return 0 end
if redis.call('EXISTS', KEYS[1]) == 0 then
  redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', redis.call('TIME')[1])
  if redis.call('ZCARD', KEYS[4]) >= tonumber(ARGV[5]) then return 0 end
end
local before = redis.call('HGET', KEYS[1], 'letters')
if before ~= ARGV[3] then
  if before then redis.call('DEL', ARGV[6] .. before) end
  redis.call('HSET', KEYS[1], 'letters', ARGV[3], 'wrong', redis.call('GET', KEYS[3]) or 0)
end
redis.call('HSET', KEYS[1], 'secret', ARGV[2])
redis.call('SET', KEYS[2], ARGV[1], 'EX', ARGV[4])
redis.call('EXPIRE', KEYS[1], ARGV[4])
redis.call('ZADD', KEYS[4], redis.call('TIME')[1] + ARGV[4], ARGV[1])
return 1
"""
# Sets an entry of a group that is not full.
_ENTRY = """
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
if redis.call('HEXISTS', KEYS[2], ARGV[1]) == 0 and redis.call('HLEN', KEYS[2]) >= tonumber(ARGV[3]) then return 0 end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
redis.call('EXPIRE', KEYS[2], ARGV[4])
redis.call('SADD', KEYS[1] .. ':groups', KEYS[2])
redis.call('EXPIRE', KEYS[1] .. ':groups', ARGV[4])
return 1
"""


def _answered(function: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Return the function, which raises StoreAwayError where the server does not answer."""

    @wraps(function)
    async def call(*arguments: P.args, **named: P.kwargs) -> T:
        try:
            return await function(*arguments, **named)
        except (RedisError, OSError) as error:
            raise StoreAwayError(str(error)) from error

    return call


class RedisStore:
    """The rooms of several processes. All functions may raise `StoreAwayError`.

    Args:
        address: of the server, such as ``redis://localhost:6379/0``.

    Raises:
        ValueError: this is not the address of a Redis server.
    """

    def __init__(self, address: str) -> None:
        try:
            self._redis: Any = from_url(address, decode_responses=True, health_check_interval=15)
        except ValueError as error:
            text = f"{REDIS} is {address!r}, which is not the address of a Redis server. Use redis://HOST:6379/0."
            raise ValueError(text) from error
        self._open = self._redis.register_script(_OPEN)
        self._entry = self._redis.register_script(_ENTRY)

    @_answered
    async def open_room(self, room: str, secret: str, letters: str) -> bool:
        """Open a room, or take new letters for it; return False if another room has these letters or there are too many."""
        keys = [_room(room), _letters(letters), f"{_PREFIX}wrong", f"{_PREFIX}rooms"]
        return bool(await self._open(keys, [room, secret, letters, LIFE_SECONDS, MAX_ROOMS, _letters("")]))

    @_answered
    async def end_room(self, room: str) -> None:
        """Remove a room and all that belongs to it."""
        letters = await self._redis.hget(_room(room), "letters")
        groups = await self._redis.smembers(f"{_room(room)}:groups")
        await self._redis.delete(
            _room(room), f"{_room(room)}:groups", *groups, *([_letters(letters)] if letters else [])
        )
        await self._redis.zrem(f"{_PREFIX}rooms", room)

    @_answered
    async def keep_room(self, room: str) -> None:
        """Let a room live for another ``LIFE_SECONDS``."""
        letters = await self._redis.hget(_room(room), "letters")
        if letters is None:
            return
        groups = await self._redis.smembers(f"{_room(room)}:groups")
        seconds, _microseconds = await self._redis.time()
        async with self._redis.pipeline() as pipeline:
            for key in (_room(room), _letters(letters), f"{_room(room)}:groups", *groups):
                pipeline.expire(key, LIFE_SECONDS)
            pipeline.zadd(f"{_PREFIX}rooms", {room: seconds + LIFE_SECONDS})
            await pipeline.execute()

    @_answered
    async def secret_of(self, room: str) -> str | None:
        """Return the secret of a room's link; None if there is no such room."""
        return await self._redis.hget(_room(room), "secret")

    @_answered
    async def room_of(self, letters: str) -> str | None:
        """Return the room with these letters; None if there is none, or its letters are no longer valid."""
        found = await self._redis.get(_letters(letters))
        return found if found is not None and await self.are_letters_valid(found) else None

    @_answered
    async def count_wrong_letters(self) -> None:
        """Count letters that no room has."""
        await self._redis.incr(f"{_PREFIX}wrong")

    @_answered
    async def are_letters_valid(self, room: str) -> bool:
        """Return whether fewer than ``MAX_WRONG_LETTERS`` wrong letters were typed since the room got its own."""
        before = await self._redis.hget(_room(room), "wrong")
        now = await self._redis.get(f"{_PREFIX}wrong")
        return before is not None and int(now or 0) - int(before) < MAX_WRONG_LETTERS

    @_answered
    async def write_fields(self, room: str, fields: Mapping[str, Any]) -> None:
        """Set fields of a room's state; None removes one. Does nothing if there is no such room."""
        if not await self._redis.exists(_room(room)):
            return
        kept = {f"{_FIELD}{name}": json.dumps(value) for name, value in fields.items() if value is not None}
        gone = [f"{_FIELD}{name}" for name, value in fields.items() if value is None]
        if kept:
            await self._redis.hset(_room(room), mapping=kept)
        if gone:
            await self._redis.hdel(_room(room), *gone)

    @_answered
    async def read_fields(self, room: str) -> dict[str, Any]:
        """Return a room's state."""
        found = await self._redis.hgetall(_room(room))
        return {
            name.removeprefix(_FIELD): json.loads(value) for name, value in found.items() if name.startswith(_FIELD)
        }

    @_answered
    async def write_entry(self, room: str, group: str, name: str, value: Any, most: int) -> bool:
        """Set one entry of a group, None to remove it; return False if the group has ``most`` others already."""
        if value is None:
            await self._redis.hdel(_group(room, group), name)
            return True
        return bool(
            await self._entry([_room(room), _group(room, group)], [name, json.dumps(value), most, LIFE_SECONDS])
        )

    @_answered
    async def read_entries(self, room: str, group: str) -> dict[str, Any]:
        """Return all entries of a group."""
        found = await self._redis.hgetall(_group(room, group))
        return {name: json.loads(value) for name, value in found.items()}

    @_answered
    async def clear_group(self, room: str, group: str) -> None:
        """Remove a group."""
        await self._redis.delete(_group(room, group))

    @_answered
    async def publish(self, room: str, message: dict[str, Any]) -> None:
        """Send a message to all subscribers of a room."""
        await self._redis.publish(_room(room), json.dumps(message))

    @asynccontextmanager
    async def subscribe(self, room: str) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
        """Return the messages to a room from now on. After a lost connection it subscribes again."""
        channel = self._redis.pubsub()
        try:
            await channel.subscribe(_room(room))
        except (RedisError, OSError) as error:
            raise StoreAwayError(str(error)) from error

        async def messages() -> AsyncIterator[dict[str, Any]]:
            while True:
                try:
                    found = await channel.get_message(ignore_subscribe_messages=True, timeout=None)
                except (NoConnection, OSError):  # the package subscribes again at the next call
                    await asyncio.sleep(RETRY_SECONDS)
                    continue
                if found is not None:
                    yield json.loads(found["data"])

        try:
            yield messages()
        finally:
            with suppress(RedisError, OSError):
                await channel.aclose()


def _room(room: str) -> str:
    return f"{_PREFIX}room:{room}"


def _group(room: str, group: str) -> str:
    return f"{_room(room)}:{group}"


def _letters(letters: str) -> str:
    return f"{_PREFIX}letters:{letters}"
