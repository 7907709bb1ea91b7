"""The connections of this process to its rooms, and what each of them is sent."""

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal

from viz.rooms.room_question import public_question, summarize_answers
from viz.rooms.room_store import RoomStore, StoreAwayError

Role = Literal["teacher", "student", "screen"]
"""Of a connection: "screen" is a projector, which follows like a student, but is not counted and asked nothing."""

MEMBERS, ANSWERS = "members", "answers"
"""Groups of a room's entries: of each student the nickname and whether the page follows; each student's answer."""

MAX_MEMBERS, MAX_CONNECTIONS = 300, 2000
"""Students of a room, and connections of this process, at most."""

SEEN_SECONDS, FORGOTTEN_SECONDS = 20.0, 65.0
"""Seconds between two signs of life of a student in the store, and after which one without any is forgotten."""

REPORT_SECONDS = 0.25
"""Seconds between two reports of students and answers to a teacher, at least."""

MAX_OUTBOX = 200
"""Messages that wait for one browser at most. One that is slower is disconnected; it comes back to the present state."""


@dataclass(eq=False)
class Member:
    """One connection to a room.

    Attributes:
        room: the room's name.
        role: of the connection.
        name: the student's in this room, random; the nickname is ``nickname``, "" for none.
        following: whether the student's page follows the teacher's.
        outbox: messages to send; None ends the connection.
    """

    room: str
    role: Role
    name: str = ""
    nickname: str = ""
    following: bool = True
    outbox: asyncio.Queue[dict[str, Any] | None] = field(default_factory=lambda: asyncio.Queue(MAX_OUTBOX))

    def send(self, message: dict[str, Any] | None) -> None:
        """Queue a message; None, and a queue that is full, end the connection."""
        if self.outbox.full():
            while not self.outbox.empty():
                self.outbox.get_nowait()
            message = None
        self.outbox.put_nowait(message)

    def send_question(self, question: Mapping[str, Any]) -> None:
        """Queue a question, to all but the teacher without what its answer shows."""
        self.send({"type": "question", "question": question if self.role == "teacher" else public_question(question)})

    @property
    def entry(self) -> dict[str, Any]:
        """The student's entry in the store, with the time of this sign of life."""
        return {"name": self.nickname, "following": self.following, "seen": time.time()}


class RoomHub:
    """All connections of this process. Its functions are called in the server's event loop."""

    def __init__(self, store: RoomStore) -> None:
        self.store = store
        self._members: dict[str, set[Member]] = {}
        self._tasks: dict[str, list[asyncio.Task[None]]] = {}
        self._stale: dict[str, asyncio.Event] = {}

    @property
    def connections(self) -> int:
        """The number of connections."""
        return sum(map(len, self._members.values()))

    async def add(self, member: Member) -> bool:
        """Add a connection and send it the present state; return False if the room is full."""
        if member.role == "student" and not await self._write_member(member):
            return False
        first = member.room not in self._members
        self._members.setdefault(member.room, set()).add(member)
        if first:
            self._stale[member.room] = asyncio.Event()
            ready = asyncio.Event()
            self._tasks[member.room] = [
                asyncio.create_task(self._pass_on(member.room, ready)),
                asyncio.create_task(self._report(member.room)),
                asyncio.create_task(self._stay(member.room)),
            ]
            await ready.wait()
        await self._send_state(member)
        await self.store.publish(member.room, {"type": MEMBERS})
        return True

    async def remove(self, member: Member) -> None:
        """Remove a connection."""
        members = self._members.get(member.room, set())
        members.discard(member)
        if member.role == "student" and not any(each.name == member.name for each in members):
            await self.store.write_entry(member.room, MEMBERS, member.name, None, MAX_MEMBERS)
            await self.store.publish(member.room, {"type": MEMBERS})
        if not members:
            self._members.pop(member.room, None)
            self._stale.pop(member.room, None)
            for task in self._tasks.pop(member.room, []):
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

    async def set_following(self, member: Member, following: bool) -> None:
        """Store whether a student's page follows."""
        member.following = following
        await self._write_member(member)
        await self.store.publish(member.room, {"type": MEMBERS})

    async def publish_result(self, room: str, question: Mapping[str, Any]) -> None:
        """Send everybody the right answer and the summary of all answers."""
        await self.store.publish(room, await self._shown(room, question))

    async def _shown(self, room: str, question: Mapping[str, Any]) -> dict[str, Any]:
        result = summarize_answers(question, await self.store.read_entries(room, ANSWERS))
        return {"type": "shown", "question": question, "result": result}

    async def _write_member(self, member: Member) -> bool:
        return await self.store.write_entry(member.room, MEMBERS, member.name, member.entry, MAX_MEMBERS)

    async def _send_state(self, member: Member) -> None:
        state = await self.store.read_fields(member.room)
        if "view" in state:
            member.send({"type": "view", "view": state["view"], "from": None})
        if "question" in state and state.get("shown"):
            member.send(await self._shown(member.room, state["question"]))
        elif "question" in state:
            member.send_question(state["question"])
        if member.role == "teacher":
            await self._send_report(member.room, [member])

    async def _pass_on(self, room: str, ready: asyncio.Event) -> None:
        """Send every message of the room to those whom it concerns."""
        async with self.store.subscribe(room) as messages:
            ready.set()
            async for message in messages:
                members = tuple(self._members.get(room, ()))
                match message["type"]:
                    case "members" | "answers":
                        self._stale[room].set()
                    case "question":
                        for each in members:
                            each.send_question(message["question"])
                        self._stale[room].set()
                    case "ended":
                        for each in members:
                            each.send(message)
                            each.send(None)
                    case _:
                        for each in members:
                            each.send(message)

    async def _report(self, room: str) -> None:
        """Send the teacher's pages the students and answers, whenever they changed."""
        stale = self._stale[room]
        while True:
            await stale.wait()
            stale.clear()
            teachers = [each for each in self._members.get(room, ()) if each.role == "teacher"]
            with suppress(StoreAwayError):  # the next change is reported
                if teachers:
                    await self._send_report(room, teachers)
            await asyncio.sleep(REPORT_SECONDS)

    async def _send_report(self, room: str, teachers: list[Member]) -> None:
        entries = await self.store.read_entries(room, MEMBERS)
        present = [each for each in entries.values() if time.time() - each["seen"] < FORGOTTEN_SECONDS]
        names = sorted([each["name"], each["following"]] for each in present)
        report: dict[str, Any] = {
            "type": MEMBERS,
            "count": len(present),
            "following": sum(each["following"] for each in present),
            "names": names,
            "letters_valid": await self.store.are_letters_valid(room),
        }
        for each in teachers:
            each.send(report)
        state = await self.store.read_fields(room)
        if "question" in state:
            answers = await self.store.read_entries(room, ANSWERS)
            result = summarize_answers(state["question"], answers)
            for each in teachers:
                each.send({"type": ANSWERS, "question": state["question"]["id"], "result": result})

    async def _stay(self, room: str) -> None:
        """Renew what the store has of this process's students, and the room's life while a teacher is connected."""
        while True:
            await asyncio.sleep(SEEN_SECONDS)
            with suppress(StoreAwayError):  # tried again
                await self._renew(room)

    async def _renew(self, room: str) -> None:
        members = tuple(self._members.get(room, ()))
        if await self.store.secret_of(room) is None:  # the store has lost it: the teacher's page opens it again
            for each in members:
                each.send(None)
            return
        if any(each.role == "teacher" for each in members):
            await self.store.keep_room(room)
        for each in members:
            if each.role == "student":
                await self._write_member(each)
        self._stale[room].set()
