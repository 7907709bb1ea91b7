"""Streamlit's own scripts, styles and fonts: answered from memory, and loaded before the page's elements ask for them.

Streamlit reads each of some hundred files from the disk in pieces, and its page asks for the script of an element, such as a
chart, only when the first such element arrives. Both delay the first number of a page.
"""

import gzip
import mimetypes
import re
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path

from anyio import to_thread
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from viz.components.streamlit_host import component_script, script_file
from viz.components.updated_figure import plotly_file, plotly_script

STATIC = Path(str(files("streamlit"))) / "static"
"""Streamlit's page, with its scripts, styles and fonts below it in ``static``."""

_PATH = re.compile(r"/static/((?:js|css|media)/[\w.~+-]+)$")
_IMPORT = re.compile(r'(?:\bfrom|\bimport)"\./([\w.~+-]+\.js)"')
_LINKED = re.compile(r'"\./static/js/([\w.~+-]+\.js)"')
_LOOPBACK = ("127.0.0.1", "::1")

_TEXT = ("text/", "application/javascript")
"""Kinds of content that become smaller by gzip; fonts and pictures are compressed already."""


def _content(name: str) -> bytes | None:
    """Return a file below ``STATIC / "static"``, the script of our components or plotly's; None if there is none."""
    if name == f"js/{script_file()}":
        return component_script().encode()
    if name.startswith("js/plotly.") and name == f"js/{plotly_file()}":
        return plotly_script()
    path = STATIC / "static" / name
    return (
        _read(path) if path.is_file() else None
    )  # only these are kept: the names that a stranger can ask for are endless


@cache
def _read(path: Path) -> bytes:
    return path.read_bytes()


@cache
def _compressed(name: str) -> bytes:
    return gzip.compress(_content(name) or b"", 6, mtime=0)


class StaticAssets:
    """The middleware that answers requests for Streamlit's static files from memory.

    Their names contain a hash of their content, so that a browser keeps them. They are compressed, once, for browsers on
    other machines; on this one it would take longer to unpack them than to send them.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or open one connection."""
        found = _PATH.search(scope["path"]) if scope["type"] == "http" and scope["method"] == "GET" else None
        headers = Headers(scope=scope) if found else {}
        content = None if found is None or "range" in headers else _content(found[1])
        if found is None or content is None:
            await self.app(scope, receive, send)
            return
        kind = mimetypes.guess_type(found[1])[0] or "application/octet-stream"
        answer = {
            "content-type": f"{kind}; charset=utf-8" if kind.startswith(_TEXT) else kind,
            "cache-control": "public, immutable, max-age=31536000",
            "vary": "Accept-Encoding",
        }
        is_near = scope.get("client") is None or scope["client"][0] in _LOOPBACK
        if not is_near and kind.startswith(_TEXT) and "gzip" in headers.get("accept-encoding", ""):
            content = await to_thread.run_sync(_compressed, found[1])
            answer["content-encoding"] = "gzip"
        answer["content-length"] = str(len(content))
        pairs = [(name.encode(), value.encode()) for name, value in answer.items()]
        await send({"type": "http.response.start", "status": 200, "headers": pairs})
        await send({"type": "http.response.body", "body": content})


@cache
def _scripts() -> dict[str, str]:
    """Return the file of each script by its name without the hash; of scripts of one name none, as which is which is open."""
    found: dict[str, list[str]] = {}
    for path in (STATIC / "static" / "js").glob("*.js"):
        found.setdefault(path.name.split(".")[0], []).append(path.name)
    return {name: names[0] for name, names in found.items() if len(names) == 1}


def _with_imports(name: str, found: dict[str, None]) -> Iterator[str]:
    """Yield a script and all that it imports, directly or not, each once over all calls with the same ``found``."""
    content = None if name in found else _content(f"js/{name}")
    if content is None:
        return
    found[name] = None
    for each in _IMPORT.findall(content.decode()):
        yield from _with_imports(each, found)
    yield name


@cache
def early_scripts(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the files of these scripts and of all that they import, without those that Streamlit's page loads anyway.

    Args:
        names: of elements as Streamlit calls their scripts, such as "PlotlyChart"; unknown ones are ignored.
    """
    found: dict[str, None] = {}
    for linked in _LINKED.findall((STATIC / "index.html").read_text(encoding="utf-8")):
        for _each in _with_imports(linked, found):
            pass
    return tuple(each for name in names if name in _scripts() for each in _with_imports(_scripts()[name], found))


def preload_links(names: Iterable[str]) -> str:
    """Return the elements of a page that make the browser load these scripts, our components' and the icons at once."""
    scripts = (script_file(), *early_scripts(tuple(names)))
    links = [f'<link rel="modulepreload" crossorigin href="./static/js/{each}">' for each in scripts]
    links += [
        f'<link rel="preload" as="font" type="font/woff2" crossorigin href="./static/media/{path.name}">'
        for path in (STATIC / "static" / "media").glob("MaterialSymbols-*.woff2")
    ]
    return "".join(links)
