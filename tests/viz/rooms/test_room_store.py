"""What the connections of a room share, in memory and in a real Redis server alike."""

import asyncio
import shutil
import socket
import subprocess

import pytest

from viz.rooms import memory_store, redis_store
from viz.rooms.choose_store import room_store
from viz.rooms.memory_store import MemoryStore
from viz.rooms.redis_store import RedisStore
from viz.rooms.room_store import REDIS


@pytest.fixture(scope="module")
def redis_address(tmp_path_factory):
    """A Redis server of this test's own."""
    program = shutil.which("redis-server")
    assert program, "No Redis server: install one (`apt install redis-server`)."
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = tmp_path_factory.mktemp("redis")
    line = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    server = subprocess.Popen(line, stdout=subprocess.DEVNULL)
    while True:
        assert server.poll() is None, "The Redis server did not start."
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        except OSError:
            continue
    yield f"redis://127.0.0.1:{port}/0"
    server.terminate()
    server.wait()


@pytest.fixture(params=["memory", "redis"])
def run(request):
    """Run a function of two stores: those of two processes in Redis; in memory there is one."""
    address = request.getfixturevalue("redis_address") if request.param == "redis" else None

    def run(check):
        async def call():
            one = RedisStore(address) if address else MemoryStore()
            if address:
                await one._redis.flushall()
            await check(one, RedisStore(address) if address else one)

        asyncio.run(call())

    return run


def test_state_is_shared_and_ends_with_the_room(run):
    async def check(one, other):
        assert await one.open_room("a", "secret", "BCDF")
        assert await other.secret_of("a") == "secret"
        assert await other.room_of("BCDF") == "a"
        await one.write_fields("a", {"view": {"address": "/states?text=안녕"}, "shown": True})
        assert await other.read_fields("a") == {"view": {"address": "/states?text=안녕"}, "shown": True}
        await other.write_fields("a", {"shown": None})
        assert await one.read_fields("a") == {"view": {"address": "/states?text=안녕"}}
        assert await other.write_entry("a", "answers", "me", [1.5, None], 10)
        assert await one.read_entries("a", "answers") == {"me": [1.5, None]}
        await one.end_room("a")
        assert await other.secret_of("a") is None
        assert await other.room_of("BCDF") is None
        assert await other.read_fields("a") == {} == await other.read_entries("a", "answers")
        await other.write_fields("a", {"view": {}})
        assert not await other.write_entry("a", "answers", "me", 1, 10)
        assert await one.read_fields("a") == {}

    run(check)


def test_letters_belong_to_one_room_and_the_old_ones_end(run):
    async def check(one, other):
        assert await one.open_room("a", "s", "BCDF")
        assert not await other.open_room("b", "s", "BCDF")
        assert await one.open_room("a", "s", "GHJK")
        assert await other.room_of("BCDF") is None
        assert await other.room_of("GHJK") == "a"
        assert await other.open_room("b", "s", "BCDF")

    run(check)


def test_wrong_letters_end_those_of_the_rooms_that_were_open(run, monkeypatch):
    for module in (memory_store, redis_store):
        monkeypatch.setattr(module, "MAX_WRONG_LETTERS", 3)

    async def check(one, other):
        await one.open_room("a", "s", "BCDF")
        for _try in range(3):
            await other.count_wrong_letters()
        assert await one.room_of("BCDF") is None
        assert not await one.are_letters_valid("a")
        assert await one.secret_of("a") == "s"  # the link stays
        await one.open_room("a", "s", "GHJK")
        assert await other.room_of("GHJK") == "a"

    run(check)


def test_groups_and_rooms_are_bounded(run, monkeypatch):
    for module in (memory_store, redis_store):
        monkeypatch.setattr(module, "MAX_ROOMS", 2)

    async def check(one, other):
        assert await one.open_room("a", "s", "BCDF")
        assert await other.open_room("b", "s", "GHJK")
        assert not await one.open_room("c", "s", "LMNP")
        assert await one.open_room("a", "s", "BCDF")  # the same again
        assert [await one.write_entry("a", "members", name, 1, 2) for name in "xyz"] == [True, True, False]
        assert await one.write_entry("a", "members", "x", 2, 2)
        await one.write_entry("a", "members", "y", None, 2)
        assert await one.read_entries("a", "members") == {"x": 2}

    run(check)


def test_rooms_without_a_teacher_end_after_a_while(run, monkeypatch):
    for module in (memory_store, redis_store):
        monkeypatch.setattr(module, "LIFE_SECONDS", 1)

    async def check(one, other):
        await one.open_room("a", "s", "BCDF")
        while await other.secret_of("a") is not None:
            await asyncio.sleep(0.05)
        assert await one.open_room("b", "s", "BCDF")

    run(check)


def test_messages_reach_every_subscriber_in_order(run):
    async def check(one, other):
        async with one.subscribe("a") as mine, other.subscribe("a") as theirs, one.subscribe("b") as elsewhere:
            for number in range(5):
                await other.publish("a", {"number": number})
            await one.publish("b", {"number": -1})
            for messages in (mine, theirs):
                assert [(await anext(messages))["number"] for _each in range(5)] == list(range(5))
            assert (await anext(elsewhere))["number"] == -1

    run(check)


def test_the_environment_names_the_server(monkeypatch, redis_address):
    monkeypatch.delenv(REDIS, raising=False)
    assert isinstance(room_store(), MemoryStore)
    monkeypatch.setenv(REDIS, redis_address)
    assert isinstance(room_store(), RedisStore)
    monkeypatch.setenv(REDIS, "http://elsewhere")
    with pytest.raises(ValueError, match="not the address of a Redis server"):
        room_store()
