"""A cookie that identifies a reader's browser, so that a reload of the page still lists the reader's own training runs.

It is random, is sent to this server alone, and is read by no script.
"""

import re
from http.cookies import CookieError, SimpleCookie
from secrets import token_hex

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

NAME = "unrolled_reader"
SECONDS = 365 * 24 * 3600
_READER = re.compile(r"[0-9a-f]{32}")


def reader_of(value: object) -> str | None:
    """Return the reader of a cookie's value; None if this server did not write it.

    >>> reader_of("no"), len(reader_of("0" * 32))
    (None, 32)
    """
    return value if isinstance(value, str) and _READER.fullmatch(value) else None


class ReaderCookie:
    """The middleware that gives a browser its cookie together with a page."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or open one connection."""
        if scope["type"] != "http" or _reader_in(Headers(scope=scope).get("cookie", "")):
            return await self.app(scope, receive, send)

        async def send_with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if headers.get("content-type", "").startswith("text/html"):
                    secure = "; Secure" if scope.get("scheme") == "https" else ""
                    headers.append(
                        "set-cookie",
                        f"{NAME}={token_hex(16)}; Path=/; Max-Age={SECONDS}; HttpOnly; SameSite=Lax{secure}",
                    )
            await send(message)

        return await self.app(scope, receive, send_with_cookie)


def _reader_in(header: str) -> str | None:
    """Return the reader that a request's ``Cookie`` header names, or None."""
    try:
        cookie = SimpleCookie(header).get(NAME)
    except CookieError:
        return None
    return None if cookie is None else reader_of(cookie.value)
