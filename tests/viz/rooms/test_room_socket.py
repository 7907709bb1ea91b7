"""A room over its websocket: what a teacher and students are sent, and what nobody but the teacher can do."""

import json
import re
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from tests.viz.rooms.test_room_question import CHOICES
from viz.rooms import room_hub, room_routes, room_socket
from viz.rooms.memory_store import MemoryStore
from viz.rooms.redis_store import RedisStore
from viz.rooms.room_keys import derive_keys

KEY = "0123456789abcdef" * 2
VIEW = {"address": "/?net=counter&step=3", "at": {"player": {"step": 3, "unit": 1}}}


class Page:
    """One browser's connection."""

    def __init__(self, socket):
        self.socket = socket

    def send(self, kind, **fields):
        self.socket.send_text(json.dumps({"type": kind, **fields}))

    def until(self, kind, **fields):
        """Return the next message of a kind with these fields."""
        while True:
            message = self.socket.receive_json()
            if message["type"] == kind and all(message.get(name) == value for name, value in fields.items()):
                return message

    def until_closed(self):
        """Receive all messages until the server ends the connection."""
        with pytest.raises(WebSocketDisconnect):
            while True:
                self.socket.receive_json()

    def waiting(self):
        """Return all messages that wait: those before the answer to a ping."""
        self.send("ping")
        found = []
        while (message := self.socket.receive_json())["type"] != "pong":
            found.append(message)
        return found


class Room:
    """A server with a room's routes, and its clients."""

    def __init__(self, questions=lambda address, at: []):
        self.store = MemoryStore()
        self.client = TestClient(Starlette(routes=room_routes.room_routes(self.store, questions, None)))

    @contextmanager
    def connected(self, **headers):
        with self.client.websocket_connect("/_room/socket", headers=headers) as socket:
            yield Page(socket)

    @contextmanager
    def teacher(self, key=KEY):
        with self.connected() as page:
            page.send("open", key=key)
            page.opened = page.until("opened")
            yield page

    @contextmanager
    def student(self, name="", me="1" * 32, key=KEY, **fields):
        keys = derive_keys(key)
        with self.connected() as page:
            page.send("join", room=keys.room, secret=keys.secret, me=me, name=name, **fields)
            page.until("joined")
            yield page


@pytest.fixture
def room():
    found = Room()
    with found.client:
        yield found


def test_a_class_follows_the_teacher(room):
    with room.teacher() as teacher, room.student("Mina") as mina, room.student("", me="2" * 32) as other:
        teacher.send("view", **VIEW)
        for student in (mina, other):
            assert student.until("view")["view"] == VIEW
        teacher.send("at", at={"player": {"step": 4, "unit": 1, "quantity": "cell"}})
        for student in (mina, other):
            assert student.until("at")["at"]["player"]["step"] == 4
        with room.student("Late", me="3" * 32) as late:
            assert late.until("view")["view"]["at"]["player"]["step"] == 4
            report = teacher.until("members", count=3)
            assert report["following"] == 3 and report["names"] == [["", True], ["Late", True], ["Mina", True]]
        teacher.until("members", count=2)
        mina.send("following", value=False)
        assert teacher.until("members", following=1)["names"] == [["", True], ["Mina", False]]


@pytest.mark.parametrize("screen", [False, True])
def test_nobody_but_the_teacher_moves_or_asks(room, screen):
    forbidden = [
        {"type": "view", **VIEW}, {"type": "at", "at": {}}, {"type": "ask", "question": CHOICES}, {"type": "show"},
        {"type": "done"}, {"type": "end"}, {"type": "csv"}, {"type": "code", "link": "http://a.example"},
        {"type": "questions", "address": "/"}, {"type": "open", "key": KEY}, {"type": "members"}, {"type": "unknown"}, {},
    ]  # fmt: skip
    with room.teacher() as teacher:
        teacher.send("view", address="/?net=counter", at={})
        for message in forbidden:
            with room.student(screen=screen) as student:
                student.until("view")
                student.socket.send_text(json.dumps(message))
                student.until_closed()
        with room.student() as student:
            assert student.until("view")["view"]["address"] == "/?net=counter"
            assert not [each for each in student.waiting() if each["type"] == "question"]


@pytest.mark.parametrize(
    "fields",
    [
        {"secret": "0" * 32},
        {"secret": ""},
        {"room": "f" * 32},
        {"room": None},
        {"me": "short"},
        {"secret": derive_keys(KEY).room},
    ],
)
def test_a_room_opens_to_its_link_alone(room, fields):
    keys = derive_keys(KEY)
    with room.teacher(), room.connected() as page:
        page.send("join", **{"room": keys.room, "secret": keys.secret, "me": "1" * 32} | fields)
        with pytest.raises(WebSocketDisconnect):
            while True:
                assert page.socket.receive_json() == {"type": "refused", "why": "gone"}


def test_pages_of_other_sites_are_refused(room):
    with pytest.raises(WebSocketDisconnect), room.connected(origin="http://elsewhere.example") as page:
        page.send("open", key=KEY)
        page.socket.receive_json()
    with room.connected(origin="http://testserver") as page:
        page.send("open", key=KEY)
        assert page.until("opened")["letters"] == derive_keys(KEY).letters


def test_answers_are_secret_until_they_are_shown(room):
    with ExitStack() as stack:
        teacher = stack.enter_context(room.teacher())
        students = [stack.enter_context(room.student(me=str(k) * 32)) for k in range(3)]
        screen = stack.enter_context(room.student(screen=True, me="9" * 32))
        teacher.send("ask", question=CHOICES)
        asked = teacher.until("question")["question"]
        assert asked["right"] == "yes"
        for page in (*students, screen):
            public = page.until("question")["question"]
            assert public["ask"] == CHOICES["ask"] and not {"right", "explain", "after", "tolerance"} & set(public)
        for student, value in zip(students, ("yes", "no", "no"), strict=True):
            student.send("answer", question=asked["id"], value=value)
            student.until("received")
        students[2].send("answer", question=asked["id"], value="yes")  # changed
        students[2].until("received")
        while teacher.until("answers")["result"]["counts"] != {"yes": 2, "no": 1}:
            pass
        for page in (*students, screen):
            assert not page.waiting()
        teacher.send("show")
        for page in (*students, screen):
            shown = page.until("shown")
            assert (
                shown["result"] == {"count": 3, "counts": {"yes": 2, "no": 1}} and shown["question"]["right"] == "yes"
            )
        students[0].send("answer", question=asked["id"], value="no")  # too late
        teacher.send("csv", lang="en")
        assert teacher.until("csv")["text"].splitlines()[1:] == ["open,2,1", "'=1+1,1,0"]
        with room.student(me="5" * 32) as late:
            assert late.until("shown")["result"]["count"] == 3
        teacher.send("done")
        students[0].until("done")
        with room.student(me="6" * 32) as late:
            assert not [each for each in late.waiting() if each["type"] in ("question", "shown")]


def test_a_student_cannot_answer_for_another_or_with_anything_else(room):
    with room.teacher() as teacher, room.student(me="1" * 32) as student:
        teacher.send("ask", question=CHOICES)
        asked = student.until("question")["question"]["id"]
        for value in ("maybe", 1, None, ["yes"], {"key": "yes"}):
            student.send("answer", question=asked, value=value)
        student.send("answer", question="another", value="yes")
        student.send("answer", question=asked, value="no", me="2" * 32)
        student.until("received")
        while teacher.until("answers")["result"]["count"] != 1:
            pass


def test_the_same_room_opens_again_after_a_restart_and_only_with_the_key(room):
    with room.teacher() as teacher:
        first = teacher.opened
    restarted = Room()
    with restarted.client, restarted.connected() as page:
        keys = derive_keys(KEY)
        page.send("join", room=keys.room, secret=keys.secret, me="1" * 32)
        assert page.socket.receive_json() == {"type": "refused", "why": "gone"}
        with restarted.teacher("f" * 32) as stranger:
            assert stranger.opened["room"] != first["room"]
        with restarted.teacher() as teacher:
            assert {name: teacher.opened[name] for name in ("room", "secret", "letters")} == {
                name: first[name] for name in ("room", "secret", "letters")
            }
            with restarted.student() as student:
                assert student.waiting() == []


def test_letters_find_the_room_and_wrong_ones_are_limited(room, monkeypatch):
    monkeypatch.setattr(room_socket, "WRONG_SECONDS", 0)
    with room.teacher() as teacher:
        letters = teacher.opened["letters"]
        with room.connected() as page:
            page.send("find", letters="WRNG"[:3])
            assert page.socket.receive_json()["why"] == "letters"
            page.send("find", letters=letters.lower())
            found = page.until("found")
            assert (found["room"], found["secret"]) == (teacher.opened["room"], teacher.opened["secret"])
        wrong = "BBBB" if letters != "BBBB" else "CCCC"
        with room.connected() as page:
            for _try in range(room_socket.WRONG_LETTERS):
                page.send("find", letters=wrong)
                assert page.socket.receive_json()["why"] == "letters"
            with pytest.raises(WebSocketDisconnect):
                page.socket.receive_json()


def test_a_flood_ends_its_own_connection_alone(room, monkeypatch):
    monkeypatch.setattr(room_socket, "MESSAGES_PER_SECOND", 0.0)
    with room.teacher() as teacher, room.student() as student, room.student(me="2" * 32) as other:
        for _each in range(int(room_socket.BURST) + 1):
            other.send("ping")
        other.until_closed()
        teacher.send("view", address="/states?net=counter", at={})
        student.until("view")


@pytest.mark.parametrize(
    "text", ["[1]", "{", '{"type": "at", "at": ' + "[" * 5000, "x" * (room_socket.MAX_MESSAGE + 1), "1e999"]
)
def test_messages_that_are_none_end_the_connection(room, text):
    with room.teacher() as teacher:
        teacher.socket.send_text(text)
        teacher.until_closed()


@pytest.mark.parametrize(
    "message",
    [
        {"type": "view", "address": "http://elsewhere.example/", "at": {}},
        {"type": "view", "address": "//elsewhere.example/", "at": {}},
        {"type": "view", "address": "/" + "a" * room_socket.MAX_ADDRESS, "at": {}},
        {"type": "view", "at": {}},
        {"type": "at", "at": {"player": {"step": -1}}},
        {"type": "at", "at": {"player": {"step": "1"}}},
        {"type": "at", "at": [1]},
        {"type": "ask", "question": {**CHOICES, "right": "other"}},
        {"type": "code", "link": "javascript:alert(1)"},
    ],
)
def test_values_that_do_not_fit_are_ignored(room, message):
    with room.teacher() as teacher, room.student() as student:
        teacher.socket.send_text(json.dumps(message))
        assert not [each for each in teacher.waiting() if each["type"] != "members"]
        assert student.waiting() == []


def test_rooms_and_connections_are_bounded(room, monkeypatch):
    monkeypatch.setattr(room_hub, "MAX_MEMBERS", 1)
    monkeypatch.setattr(room_socket, "MAX_CONNECTIONS", 3)
    with room.teacher(), room.student():
        with room.student(me="2" * 32) as second:
            assert second.until("refused")["why"] == "full"
        with room.student(screen=True), pytest.raises(WebSocketDisconnect), room.connected() as fourth:
            fourth.send("open", key="f" * 32)
            fourth.socket.receive_json()


def test_the_end_of_a_room_reaches_everybody_and_leaves_nothing(room):
    with room.teacher() as teacher, room.student("Mina") as student:
        teacher.send("ask", question=CHOICES)
        teacher.until("question")
        teacher.send("end")
        student.until("ended")
        student.until_closed()
    assert not room.store._rooms and not room.store._subscribers


def test_a_store_that_is_away_is_said_in_one_sentence():
    room = Room()
    room.client = TestClient(Starlette(routes=room_routes.room_routes(RedisStore("redis://127.0.0.1:1/0"), None, None)))
    with room.client, room.connected() as page:
        page.send("open", key=KEY)
        assert page.socket.receive_json() == {"type": "refused", "why": "away"}


def test_a_room_that_its_store_has_lost_ends_its_connections(room, monkeypatch):
    monkeypatch.setattr(room_hub, "SEEN_SECONDS", 0.01)
    with room.teacher() as teacher, room.student() as student:
        room.store._rooms.clear()  # as a Redis server that was restarted
        for page in (teacher, student):
            page.until_closed()


def test_questions_about_a_view_are_computed_off_the_event_loop():
    computing, go_on = Event(), Event()

    def questions(address, at):
        computing.set()
        go_on.wait(60)
        return [{**CHOICES, "ask": {"en": address}}]

    room = Room(questions)
    with room.client, room.teacher() as teacher, room.student() as student:
        teacher.send("questions", address="/states?net=counter", at={}, serial=7)
        assert computing.wait(60)
        student.send("ping")
        student.until("pong")  # answered meanwhile
        go_on.set()
        assert teacher.until("questions", serial=7)["questions"][0]["ask"] == {"en": "/states?net=counter"}


def test_the_scripts_need_no_words_that_the_server_lacks(room):
    script = room.client.get("/_room/client.js").text
    used = set(re.findall(r'\bwords\("(\w+)"', script)) | set(re.findall(r'words\(\w[^()]*\? "(\w+)"', script))
    for lang in ("en", "ko"):
        answer = room.client.get(f"/_room/words?lang={lang}").json()
        assert answer["lang"] == lang and used <= set(answer["words"])
    assert room.client.get("/_room/words?lang=xx").json()["lang"] == "en"
    assert Path(room_routes.CLIENT, "room.css").read_text(encoding="utf-8") in room.client.get("/_room/client.css").text
