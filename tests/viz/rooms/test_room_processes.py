"""Two processes of the app that share rooms through a real Redis server; one of them is killed."""

import json
import re
from contextlib import ExitStack

import pytest
from websockets.sync.client import connect

from tests.support.browser import serve
from tests.viz.rooms.test_room_store import redis_address  # noqa: F401 - a fixture
from viz.rooms.room_keys import derive_keys
from viz.rooms.room_store import REDIS

KEY = "fedcba9876543210" * 2


def joined(stack, url, **first):
    """Connect to a room's socket of a process, and send the first message."""
    socket = stack.enter_context(connect(re.sub("^http", "ws", url) + "/_room/socket", proxy=None))
    socket.send(json.dumps(first))
    return socket


def received(socket, kind, **fields):
    """Return the next message of a kind with these fields."""
    while True:
        message = json.loads(socket.recv(timeout=60))
        if message["type"] == kind and all(message.get(name) == value for name, value in fields.items()):
            return message


@pytest.mark.slow
def test_a_room_lives_in_two_processes_and_outlives_one(redis_address, monkeypatch):  # noqa: F811
    monkeypatch.setenv(REDIS, redis_address)
    keys = derive_keys(KEY)
    student = {"type": "join", "room": keys.room, "secret": keys.secret, "me": "1" * 32, "name": "Mina"}
    with serve() as one, ExitStack() as sockets:
        with serve() as other:
            teacher = joined(sockets, one, type="open", key=KEY)
            received(teacher, "opened")
            mina = joined(sockets, other, **student)
            received(mina, "joined")
            received(teacher, "members", count=1)
            teacher.send(json.dumps({"type": "view", "address": "/?net=counter", "at": {}}))
            assert received(mina, "view")["view"]["address"] == "/?net=counter"
            ask = {
                "form": "number", "ask": {"en": "How many?"}, "right": 2, "tolerance": 0, "explain": {"en": ""}
            }  # fmt: skip
            teacher.send(json.dumps({"type": "ask", "question": ask}))
            question = received(mina, "question")["question"]["id"]
            mina.send(json.dumps({"type": "answer", "question": question, "value": 2}))
            while received(teacher, "answers")["result"]["count"] != 1:
                pass
        # the second process is gone: the student's page connects to the first, its answer is still there
        mina = joined(sockets, one, **student)
        received(mina, "joined")
        teacher.send(json.dumps({"type": "show"}))
        assert received(mina, "shown")["result"] == {"count": 1, "numbers": [[2.0, 1]], "right": 1}
        received(teacher, "members", count=1)
