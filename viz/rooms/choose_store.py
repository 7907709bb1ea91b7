"""Where the rooms of this process are stored: in its memory, or in the Redis server that the environment names."""

import os

from viz.rooms.memory_store import MemoryStore
from viz.rooms.room_store import REDIS, RoomStore


def room_store() -> RoomStore:
    """Return the store of this process: in Redis if ``UNROLLED_REDIS`` names a server.

    Raises:
        ValueError: the variable is not the address of a Redis server; one sentence says so.
    """
    address = os.environ.get(REDIS)
    if not address:
        return MemoryStore()
    from viz.rooms.redis_store import RedisStore  # which imports the package redis

    return RedisStore(address)
