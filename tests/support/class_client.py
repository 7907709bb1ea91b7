"""Sessions of the app without a browser, of which many run in one event loop."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.proto.Element_pb2 import Element
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect

from viz.payloads.binary_payload import unpack

HANDSHAKE = 10.0
"""Seconds after which a browser gives a websocket's handshake up."""


async def open_stream(url: str) -> ClientConnection:
    """Open a connection to the app at an address. Raises OSError, TimeoutError: it was not opened in `HANDSHAKE` seconds."""
    return await connect(
        url.replace("http", "ws", 1) + "/_stcore/stream",
        subprotocols=["streamlit"],  # type: ignore[list-item]
        open_timeout=HANDSHAKE,
        ping_interval=None,
        max_size=None,
        proxy=None,
        compression=None,
    )


async def check_health(url: str) -> None:
    """Request the app's health check, as a load balancer does. Raises AssertionError: it did not answer that all is well."""
    place = urlsplit(url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    try:
        writer.write(f"GET /_stcore/health HTTP/1.1\r\nHost: {place.netloc}\r\nConnection: close\r\n\r\n".encode())
        answer = await reader.read()
        assert b" 200 " in answer.partition(b"\r\n")[0]
    finally:
        writer.close()


@dataclass
class ClassClient:
    """One session.

    Attributes:
        url: the app's address.
        sliders: the ids of the sliders that the page was sent, by their label.
        hidden: the hidden states (T, H) of the last trace that the page was sent.
        query: the parameters of the page's address.
        page: the id of the page, once the server has sent it.
        errors: exceptions on the page.
    """

    url: str
    sliders: dict[str, str] = field(default_factory=dict)
    hidden: np.ndarray | None = None
    query: str = ""
    page: str = ""
    errors: list[str] = field(default_factory=list)
    _connection: ClientConnection | None = None
    _serial: int = 0

    async def open(self, query: str = "", page: str = "") -> float:
        """Connect and run a page; return the seconds until it has all arrived."""
        start = time.monotonic()
        self._connection = await open_stream(self.url)
        self.query = query
        await self.run(ClientState(query_string=query, page_name=page))
        return time.monotonic() - start

    async def rerun(self) -> float:
        """Run the page again; return the seconds until it has all arrived."""
        return await self.run(ClientState(query_string=self.query, page_script_hash=self.page))

    async def drag(self, label: str, value: float) -> float:
        """Release the slider whose label contains ``label`` at a value; return the seconds until the page has arrived."""
        self._serial += 1
        state = ClientState(query_string=self.query, page_script_hash=self.page)
        widget = state.widget_states.widgets.add()
        widget.id = next(name for shown, name in self.sliders.items() if label in shown)
        change = {"value": value, "serial": self._serial, "drag": self._serial, "released": True}
        widget.json_value = json.dumps({"values": change})
        return await self.run(state)

    async def run(self, state: ClientState) -> float:
        """Send a message; return the seconds until the end of the run of the page that it starts."""
        assert self._connection is not None
        start = time.monotonic()
        await self._connection.send(BackMsg(rerun_script=state).SerializeToString())
        while True:
            data = await self._connection.recv()
            assert isinstance(data, bytes)
            message = ForwardMsg.FromString(data)
            kind = message.WhichOneof("type")
            if kind == "delta" and message.delta.WhichOneof("type") == "new_element":
                self._read(message.delta.new_element)
            elif kind == "navigation":
                self.page = message.navigation.page_script_hash
            elif kind == "page_info_changed":
                self.query = message.page_info_changed.query_string
            elif kind == "script_finished" and message.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN:
                return time.monotonic() - start

    def _read(self, element: Element) -> None:
        kind = element.WhichOneof("type")
        if kind == "exception":
            self.errors.append(f"{element.exception.type}: {element.exception.message}")
        elif kind == "bidi_component":
            component = element.bidi_component
            if component.WhichOneof("data") == "bytes":
                with suppress(ValueError, KeyError, IndexError):  # bytes of another kind
                    self.hidden = unpack(component.bytes)[1].get("hidden", self.hidden)
            elif '"sliders"' in component.json:
                for slider in json.loads(component.json)["sliders"]:
                    self.sliders[slider["label"]] = component.id

    async def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            await self._connection.close()


class ServerProcess:
    """The process of a server that this one started, by the port of its address."""

    def __init__(self, url: str) -> None:
        option = f"--server.port={urlsplit(url).port}".encode()
        found = [folder for folder in Path("/proc").glob("[0-9]*") if option in _read_bytes(folder / "cmdline")]
        self._folder = found[0]

    def memory(self) -> float:
        """Return the memory (MB) that it holds at present."""
        lines = (self._folder / "status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024

    def processor(self) -> float:
        """Return the seconds of processor time that it has used."""
        fields = (self._folder / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / 100

    async def rest(self, share: float = 0.05, seconds: float = 2.0) -> None:
        """Wait until it computes for less than this share of some seconds."""
        while True:
            before = self.processor()
            await asyncio.sleep(seconds)
            if self.processor() - before < share * seconds:
                return


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # the process has ended
        return b""
