"""One connection of a browser to a room: a websocket whose messages are JSON texts, checked here before anything is done.

The first message opens a room (``open``, with the teacher's key), joins one (``join``, with the secret of the link), or asks
for the room with four letters (``find``). Only a teacher's connection moves the room's view and asks; a student's answers.
"""

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from hmac import compare_digest
from secrets import token_hex
from typing import Any
from urllib.parse import urlsplit

import segno
from starlette.websockets import WebSocket, WebSocketDisconnect

from viz.i18n import LANGUAGES
from viz.rooms.question_markup import with_markup
from viz.rooms.room_hub import ANSWERS, MAX_CONNECTIONS, MAX_MEMBERS, Member, Role, RoomHub
from viz.rooms.room_keys import derive_keys, is_key, normalized_letters
from viz.rooms.room_question import answers_as_csv, checked_answer, checked_place, checked_question
from viz.rooms.room_store import StoreAwayError

LOG = logging.getLogger(__name__)

MAX_MESSAGE = 128 * 1024
"""Characters of a message at most."""

MAX_ADDRESS, MAX_NICKNAME, MAX_VIEWS = 40_000, 24, 8
"""Characters of the address of a view and of a nickname, and players of a view, at most."""

MESSAGES_PER_SECOND, BURST = 40.0, 120.0
"""Messages of one connection, in the long run and at once; one that sends more is disconnected."""

FIRST_SECONDS = 15.0
"""Seconds until a connection must have sent its first message."""

WRONG_LETTERS, WRONG_SECONDS = 5, 0.5
"""Wrong letters of one connection before it is disconnected, and seconds until each is answered."""

TURNS = 8
"""Sets of letters that are tried for a new room until no other room has them."""

Questions = Callable[[str, Mapping[str, Any]], list[dict[str, Any]]]
"""Returns the possible questions about the address of a view and the places of its players; may take long."""

_CLOSED, _TOO_MUCH, _FOREIGN = 1000, 1013, 1008  # codes of RFC 6455


class RoomSocket:
    """The endpoint of all connections to rooms.

    Args:
        hub: their connections.
        questions: of a view.
    """

    def __init__(self, hub: RoomHub, questions: Questions) -> None:
        self.hub = hub
        self.questions = questions
        self.unnamed = 0  # connections that are in no room yet

    async def serve(self, socket: WebSocket) -> None:
        """Serve one connection until it ends."""
        if not is_same_origin(socket.headers.get("origin"), socket.headers.get("host")):
            await socket.close(_FOREIGN)
            return
        if self.hub.connections + self.unnamed >= MAX_CONNECTIONS:
            await socket.close(_TOO_MUCH)
            return
        await socket.accept()
        with suppress(WebSocketDisconnect, RuntimeError):  # RuntimeError: it was closed while something was sent
            try:
                member = await self._first_messages(socket)
                if member is not None:
                    await _Conversation(self, socket, member).run()
            except StoreAwayError as error:
                LOG.warning("%s: %s", StoreAwayError.__name__, error)
                await socket.send_json({"type": "refused", "why": "away"})
            await socket.close(_CLOSED)

    async def _first_messages(self, socket: WebSocket) -> Member | None:
        """Return the connection in its room, to which it is still to be added; None if it found none."""
        self.unnamed += 1
        try:
            for _try in range(WRONG_LETTERS):
                async with asyncio.timeout(FIRST_SECONDS):
                    message = _parsed(await socket.receive_text())
                match message.get("type"):
                    case "open":
                        return await self._open(socket, message)
                    case "join":
                        return await self._join(socket, message)
                    case "find":
                        if await self._find(socket, message):
                            return None
                    case _:
                        return None
        except (TimeoutError, ValueError):
            pass
        finally:
            self.unnamed -= 1
        return None

    async def _open(self, socket: WebSocket, message: dict[str, Any]) -> Member | None:
        key, turn = message.get("key"), message.get("turn", 0)
        if not is_key(key) or turn not in range(10_000):
            return None
        for each in range(turn, turn + TURNS):
            keys = derive_keys(str(key), each)
            if await self.hub.store.open_room(keys.room, keys.secret, keys.letters):
                opened = {"type": "opened", "room": keys.room, "secret": keys.secret, "letters": keys.letters}
                await socket.send_json({**opened, "turn": each})
                return Member(keys.room, "teacher")
        await socket.send_json({"type": "refused", "why": "full"})
        return None

    async def _join(self, socket: WebSocket, message: dict[str, Any]) -> Member | None:
        room, secret, name = message.get("room"), message.get("secret"), message.get("me")
        if not (is_key(room) and is_key(secret) and is_key(name)):
            raise ValueError
        known = await self.hub.store.secret_of(str(room))
        if known is None or not compare_digest(known, str(secret)):
            await socket.send_json({"type": "refused", "why": "gone"})
            return None
        nickname = "".join(each for each in str(message.get("name", ""))[:MAX_NICKNAME] if each.isprintable()).strip()
        role: Role = "screen" if message.get("screen") is True else "student"
        member = Member(str(room), role, str(name), nickname, message.get("following") is not False)
        await socket.send_json({"type": "joined"})
        return member

    async def _find(self, socket: WebSocket, message: dict[str, Any]) -> bool:
        """Answer which room has the letters; return whether one has."""
        letters = normalized_letters(str(message.get("letters", ""))[:20])
        room = None if letters is None else await self.hub.store.room_of(letters)
        secret = None if room is None else await self.hub.store.secret_of(room)
        if secret is not None:
            await socket.send_json({"type": "found", "room": room, "secret": secret})
            return True
        if letters is not None:
            await self.hub.store.count_wrong_letters()
        await asyncio.sleep(WRONG_SECONDS)
        await socket.send_json({"type": "refused", "why": "letters"})
        return False


class _Conversation:
    """The messages of one connection that is in a room."""

    def __init__(self, server: RoomSocket, socket: WebSocket, member: Member) -> None:
        self.server, self.socket, self.member = server, socket, member
        self.hub, self.store = server.hub, server.hub.store
        self.allowed, self.since = BURST, time.monotonic()
        self.handlers: dict[str, Callable[[dict[str, Any]], Awaitable[None]]] = {"ping": self.ping}
        if member.role == "teacher":
            self.handlers |= {
                "view": self.move, "at": self.step, "questions": self.list_questions, "ask": self.ask, "show": self.show,
                "done": self.end_question, "csv": self.save, "code": self.draw_code, "end": self.end,
            }  # fmt: skip
        elif member.role == "student":
            self.handlers |= {"following": self.follow, "answer": self.answer}

    async def run(self) -> None:
        """Serve the connection until one of the two sides ends it."""
        if not await self.hub.add(self.member):
            await self.socket.send_json({"type": "refused", "why": "full"})
            return
        sending = asyncio.create_task(self._send())
        receiving = asyncio.create_task(self._receive())
        try:
            await asyncio.wait((sending, receiving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sending, receiving):
                task.cancel()
                with suppress(asyncio.CancelledError, WebSocketDisconnect, RuntimeError, ValueError):
                    await task
            await self.hub.remove(self.member)

    async def _send(self) -> None:
        while (message := await self.member.outbox.get()) is not None:
            await self.socket.send_text(json.dumps(message, ensure_ascii=False))

    async def _receive(self) -> None:
        while True:
            message = _parsed(await self.socket.receive_text())
            if not self._is_allowed():
                return
            handler = self.handlers.get(str(message.get("type")))
            if handler is None:  # of another role, or no message of ours
                return
            try:
                await handler(message)
            except (ValueError, KeyError, TypeError) as error:  # a value that does not fit is ignored
                LOG.info("%s: %s", self.member.role, type(error).__name__)

    def _is_allowed(self) -> bool:
        now = time.monotonic()
        self.allowed = min(BURST, self.allowed + (now - self.since) * MESSAGES_PER_SECOND) - 1
        self.since = now
        return self.allowed >= 0

    # -- everybody

    async def ping(self, _message: dict[str, Any]) -> None:
        """Answer that the connection works."""
        self.member.send({"type": "pong"})

    # -- a teacher's page

    async def move(self, message: dict[str, Any]) -> None:
        """Show another view to the class."""
        view = {"address": _address(message["address"]), "at": _places(message.get("at", {}))}
        await self.store.write_fields(self.member.room, {"view": view})
        await self.store.publish(self.member.room, {"type": "view", "view": view, "from": _page(message)})

    async def step(self, message: dict[str, Any]) -> None:
        """Move the players of the view."""
        at = _places(message["at"])
        view = (await self.store.read_fields(self.member.room)).get("view")
        if view is not None:
            await self.store.write_fields(self.member.room, {"view": {**view, "at": at}})
        await self.store.publish(self.member.room, {"type": "at", "at": at, "from": _page(message)})

    async def list_questions(self, message: dict[str, Any]) -> None:
        """Compute the possible questions about a view, in a thread."""
        address, at = _address(message["address"]), _places(message.get("at", {}))
        try:
            found = await asyncio.to_thread(self.server.questions, address, at)
        except Exception as error:  # of a network that cannot be run: the page says so; here there is nothing to ask
            LOG.info("%s: %s", urlsplit(address).path, error)
            found = []
        self.member.send({"type": "questions", "questions": found, "serial": message.get("serial")})

    async def ask(self, message: dict[str, Any]) -> None:
        """Ask the class."""
        question = {**with_markup(checked_question(message["question"])), "id": token_hex(8)}
        await self.store.clear_group(self.member.room, ANSWERS)
        await self.store.write_fields(self.member.room, {"question": question, "shown": None})
        await self.store.publish(self.member.room, {"type": "question", "question": question})

    async def show(self, _message: dict[str, Any]) -> None:
        """Show the right answer and all answers."""
        state = await self.store.read_fields(self.member.room)
        if "question" not in state:
            return
        await self.store.write_fields(self.member.room, {"shown": True})
        await self.hub.publish_result(self.member.room, state["question"])

    async def end_question(self, _message: dict[str, Any]) -> None:
        """Remove the question and its answers."""
        await self.store.write_fields(self.member.room, {"question": None, "shown": None})
        await self.store.clear_group(self.member.room, ANSWERS)
        await self.store.publish(self.member.room, {"type": "done"})

    async def save(self, message: dict[str, Any]) -> None:
        """Send the answers as a table."""
        state = await self.store.read_fields(self.member.room)
        if "question" in state:
            lang = message.get("lang")
            answers = await self.store.read_entries(self.member.room, ANSWERS)
            text = answers_as_csv(state["question"], answers, lang if lang in LANGUAGES else "en")
            self.member.send({"type": "csv", "text": text})

    async def draw_code(self, message: dict[str, Any]) -> None:
        """Send the QR code of the students' link."""
        link = str(message["link"])
        if len(link) > 500 or not link.startswith(("http://", "https://")):
            raise ValueError
        code = segno.make(link, error="m")
        self.member.send(
            {"type": "code", "image": code.svg_data_uri(border=2, scale=8, light="#ffffff", dark="#000000")}
        )

    async def end(self, _message: dict[str, Any]) -> None:
        """End the room: nothing of it is kept."""
        await self.store.end_room(self.member.room)
        await self.store.publish(self.member.room, {"type": "ended"})

    # -- a student's page

    async def follow(self, message: dict[str, Any]) -> None:
        """Note whether the page follows."""
        await self.hub.set_following(self.member, message["value"] is True)

    async def answer(self, message: dict[str, Any]) -> None:
        """Store an answer to the current question, in place of an earlier one."""
        state = await self.store.read_fields(self.member.room)
        question = state.get("question")
        if question is None or state.get("shown") or question["id"] != message["question"]:
            return
        given = checked_answer(question, message["value"])
        if await self.store.write_entry(self.member.room, ANSWERS, self.member.name, given, MAX_MEMBERS):
            self.member.send({"type": "received", "question": question["id"]})
            await self.store.publish(self.member.room, {"type": ANSWERS})


def is_same_origin(origin: str | None, host: str | None) -> bool:
    """Return whether a page of this server opens the connection; programs other than browsers send no origin.

    >>> is_same_origin("http://a.example:8501", "a.example:8501"), is_same_origin("http://b.example", "a.example")
    (True, False)
    """
    return origin is None or (host is not None and urlsplit(origin).netloc.lower() == host.lower())


def _parsed(text: str) -> dict[str, Any]:
    """Return a message. Raises ValueError: it is too long, or no object in JSON."""
    if len(text) > MAX_MESSAGE:
        raise ValueError("too long")
    try:
        message = json.loads(text)
    except RecursionError:
        raise ValueError("nested too deep") from None
    if not isinstance(message, dict):
        raise ValueError("not an object")
    return message


def _address(value: Any) -> str:
    """Return the address of a view, below the server's. Raises ValueError: it is none."""
    if not isinstance(value, str) or len(value) > MAX_ADDRESS or not value.startswith("/") or value.startswith("//"):
        raise ValueError
    return value


def _places(value: Any) -> dict[str, Any]:
    """Return the step, unit and quantity of each player by its name. Raises ValueError: they have not this form."""
    if not isinstance(value, Mapping) or len(value) > MAX_VIEWS:
        raise ValueError
    if any(not isinstance(name, str) or len(name) > 60 for name in value):
        raise ValueError
    return {name: checked_place(each) for name, each in value.items()}


def _page(message: Mapping[str, Any]) -> str | None:
    page = message.get("page")
    return page if isinstance(page, str) and len(page) <= 20 else None
