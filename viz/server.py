"""The server's answers: their headers, and which requests are refused.

`streamlit run app.py` puts this around Streamlit's own server. It writes a script of ours into Streamlit's page. The headers
forbid other sites to show the app in a frame, and forbid the page to load or send anything elsewhere. Where the server
listens on this machine alone, requests under another host's name are refused, which a site could otherwise send by pointing
its own name at this machine.
"""

import base64
import hashlib
import json
import os
import re
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from viz.asked_state import look_up_states
from viz.browser_messages import WantedMessages, ignore_wrong_values
from viz.download_links import keep_links
from viz.page_turns import take_turns
from viz.pages import LENSES
from viz.reader_cookie import ReaderCookie
from viz.rooms.choose_store import room_store
from viz.rooms.room_routes import room_routes
from viz.static_assets import StaticAssets, preload_links
from viz.uploads import limit_uploads

FRAME_ANCESTORS = "UNROLLED_FRAME_ANCESTORS"
"""Environment variable: the sites, separated by spaces, that may show the app in a frame, beside the app's own."""

LOOPBACK = ("localhost", "127.0.0.1", "::1")
METRICS = "/_stcore/metrics"

ELEMENTS = ("BidiComponent", "ButtonGroup", "Button", "Selectbox", "TextArea", "Html", "rehype-raw", "DownloadButton")
"""Scripts of Streamlit that every page needs for its first elements, by their names."""
ELEMENTS_OF_LENS = {
    "gradients": ("Slider", "rehype-katex", "Spinner"),
    "edit": ("TextInput", "Checkbox"),
    "attention": ("PageLink",),
    "checkpoint": ("FileUploader", "Table", "rehype-katex"),
    "lessons": ("TextInput", "Radio", "Checkbox", "PageLink", "rehype-katex"),
}
"""Those that only some pages need, by the name of the page."""

STILL = """<style>
html [data-testid="stSkeleton"] { animation: none; }
html [data-testid="stSpinnerIcon"] { animation-timing-function: steps(8); }
</style>"""
"""Style of what Streamlit shows while a page waits: without it, drawing its motion takes a quarter of the processor time."""

_SITE = re.compile(r"(?:https?://)?(?:\*\.)?[a-z0-9-]+(?:\.[a-z0-9-]+)*(?::\d+)?|https?:", re.I)


def frame_ancestors(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return the sites of `FRAME_ANCESTORS`. Raises ValueError: one of them is not a site."""
    sites = tuple(environment.get(FRAME_ANCESTORS, "").split())
    for site in sites:
        if not _SITE.fullmatch(site):
            raise ValueError(
                f"{FRAME_ANCESTORS} contains {site!r}, which is not a site. Use addresses such as https://moodle.example."
            )
    return sites


@cache
def page_script() -> str:
    """Return the script that is written into Streamlit's page."""
    script = (Path(__file__).parent / "static" / "streamlit_page.js").read_text(encoding="utf-8")
    return script.replace("LENSES", json.dumps([lens.name for lens in LENSES]))


@cache
def _inline_scripts() -> tuple[str, ...]:
    """Return the hashes of the scripts written in Streamlit's page itself, and of ours."""
    page = (files("streamlit") / "static" / "index.html").read_text(encoding="utf-8")
    scripts = [*re.findall(r"<script>(.*?)</script>", page, re.S), page_script()]
    return tuple(f"'sha256-{base64.b64encode(hashlib.sha256(each.encode()).digest()).decode()}'" for each in scripts)


def content_policy(ancestors: Iterable[str] = ()) -> str:
    """Return the content security policy.

    Streamlit loads the scripts of components from ``blob:`` addresses and writes its style sheets into the page; both need
    an exception. Nothing else comes from anywhere but the server.
    """
    rules = {
        "default-src": ("'self'",),
        "script-src": ("'self'", "blob:", *_inline_scripts()),
        "style-src": ("'self'", "'unsafe-inline'"),
        "img-src": ("'self'", "data:", "blob:"),
        "font-src": ("'self'", "data:"),
        "connect-src": ("'self'",),
        "worker-src": ("'self'", "blob:"),
        "media-src": ("'none'",),
        "frame-src": ("'none'",),
        "object-src": ("'none'",),
        "base-uri": ("'self'",),
        "form-action": ("'none'",),
        "frame-ancestors": ("'self'", *ancestors),
    }
    return "; ".join(f"{name} {' '.join(sources)}" for name, sources in rules.items())


def headers(ancestors: tuple[str, ...] = ()) -> dict[str, str]:
    """Return the headers of every answer; ``ancestors``: other sites that may show the app in a frame."""
    return {
        "Content-Security-Policy": content_policy(ancestors),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",  # a link contains what its reader typed
        "Cross-Origin-Resource-Policy": "same-origin",
    } | ({} if ancestors else {"X-Frame-Options": "SAMEORIGIN"})


def host_of(header: str) -> str:
    """Return the host in a ``Host`` header, without its port.

    >>> host_of("[::1]:8501"), host_of("LocalHost")
    ('::1', 'localhost')
    """
    found = re.fullmatch(r"\[([^\]]*)\](?::\d*)?|([^:]*)(?::\d*)?", header)
    return "" if found is None else (found[1] or found[2] or "").lower().removesuffix(".")


class GuardedServer:
    """The middleware: refuses foreign host names and requests for metrics, and adds the headers.

    Args:
        app: the server that it surrounds.
        address: where the server listens; None for everywhere.
        hosts: host names allowed as well where it listens on this machine alone, such as a proxy's.
        ancestors: other sites that may show the app in a frame.
    """

    def __init__(
        self, app: ASGIApp, address: str | None = None, hosts: Iterable[str] = (), ancestors: tuple[str, ...] = ()
    ) -> None:
        self.app = app
        self.hosts = {*LOOPBACK, *(host.lower() for host in hosts)} if address in LOOPBACK else {"*"}
        self.headers = headers(ancestors)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or open one connection."""
        if scope["type"] not in ("http", "websocket"):
            return await self.app(scope, receive, send)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(self.headers)
            await send(message)

        host = host_of(Headers(scope=scope).get("host", ""))
        if not self.hosts & {host, "*"}:
            refused = "This server answers to this machine's own names only. Open it as http://localhost."
            return await self._refuse(scope, receive, send_with_headers, refused, 421)
        if scope["path"].rstrip("/").endswith(METRICS):
            return await self._refuse(scope, receive, send_with_headers, "Not found.", 404)
        return await self.app(scope, receive, send_with_headers)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send, text: str, status: int) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await PlainTextResponse(text, status)(scope, receive, send)


class PageScript:
    """The middleware that writes ``page_script`` into Streamlit's page, before its other scripts, with what to load early."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or open one connection."""
        if scope["type"] != "http" or scope["method"] != "GET":
            return await self.app(scope, receive, send)
        start: Message | None = None
        body = b""

        async def send_with_script(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if message["status"] == 200 and headers.get("content-type", "").startswith("text/html"):
                    for name in ("etag", "last-modified"):  # those of the page without the script
                        del headers[name]
                    start = message
                    return
            elif start is not None and message["type"] == "http.response.body":
                body += message.get("body", b"")
                if message.get("more_body"):
                    return
                body = body.replace(b"<head>", f"<head><script>{page_script()}</script>".encode(), 1)
                lens = scope["path"].rstrip("/").rpartition("/")[2]
                links = preload_links((*ELEMENTS, *ELEMENTS_OF_LENS.get(lens, ())))
                body = body.replace(b"</head>", f"{links}{STILL}</head>".encode(), 1)
                MutableHeaders(scope=start)["content-length"] = str(len(body))
                await send(start)
                message = {"type": "http.response.body", "body": body}
                start = None
            await send(message)

        # Pages arrive here uncompressed; scripts and data, of other addresses, as before.
        if not any(part in scope["path"] for part in ("/static/", "/_stcore/", "/media/", "/component/")):
            headers = MutableHeaders(scope=scope)
            del headers["accept-encoding"]
        return await self.app(scope, receive, send_with_script)


def send_at_once() -> None:
    """Make the server send what it writes at once, even if the browser has not acknowledged what it was sent before.

    That may take the browser 40 ms, at every file and message. asyncio sets this option (TCP_NODELAY) only if a socket was
    made with the number of its protocol, and Streamlit's is made without. The sockets of the connections inherit it.
    """
    for descriptor in os.listdir("/dev/fd") if os.path.isdir("/dev/fd") else ():
        with suppress(OSError), socket.fromfd(int(descriptor), socket.AF_INET, socket.SOCK_STREAM) as each:
            if each.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def network_address() -> str | None:
    """Return this machine's address in its network; None if it is in none. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # of no machine (RFC 5737)
            return str(probe.getsockname()[0])
        except OSError:
            return None


def routes(option: Callable[[str], Any]) -> Sequence[BaseRoute]:
    """Return the addresses of the server beside Streamlit's: those of rooms. ``option`` as of `middleware`.

    Raises:
        ValueError: ``UNROLLED_REDIS`` is not the address of a Redis server.
    """

    def questions(address: str, at: Mapping[str, Any]) -> list[dict[str, Any]]:
        from viz.pages.room.view_questions import view_questions  # which imports the networks: when it is first asked

        return view_questions(address, at)

    host = None if option("server.address") in LOOPBACK else network_address()
    return room_routes(room_store(), questions, host)


def middleware(option: Callable[[str], Any]) -> list[Middleware]:
    """Return what surrounds Streamlit's server; ``option`` returns the value of a setting of Streamlit."""
    ignore_wrong_values()
    limit_uploads()
    keep_links()
    take_turns()
    look_up_states()
    return [
        Middleware(
            GuardedServer,
            address=option("server.address"),
            hosts=option("server.allowedHosts"),
            ancestors=frame_ancestors(os.environ),
        ),
        Middleware(WantedMessages),
        Middleware(ReaderCookie),
        Middleware(StaticAssets),
        Middleware(PageScript),
    ]
