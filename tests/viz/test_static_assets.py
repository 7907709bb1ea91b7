"""Streamlit's static files from memory: the bytes of the files, compressed for other machines alone, and loaded early."""

import asyncio
import gzip
import re

import pytest

from viz import static_assets
from viz.components.streamlit_host import component_script, script_file
from viz.server import ELEMENTS, ELEMENTS_OF_LENS
from viz.static_assets import STATIC, StaticAssets, early_scripts, preload_links


def ask(path, client="127.0.0.1", headers=(), method="GET"):
    """Return the status, the headers and the body of the answer; 404 of the app behind it."""
    sent = []

    async def app(_scope, _receive, send):
        await send({"type": "http.response.start", "status": 404, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "client": (client, 1), "headers": list(headers)}
    asyncio.run(StaticAssets(app)(scope, None, send))
    start, body = sent
    return start["status"], {name.decode(): value.decode() for name, value in start["headers"]}, body["body"]


def files():
    """One file of each kind of content."""
    return {path.suffix: path for path in sorted((STATIC / "static").rglob("*.*"))}.values()


@pytest.mark.parametrize("path", files(), ids=lambda path: path.name)
@pytest.mark.parametrize("client", ["::1", "10.0.0.7"])
def test_a_file_is_answered_as_it_is_with_its_kind_and_may_be_kept(path, client):
    url = f"/base/static/{path.relative_to(STATIC / 'static').as_posix()}"
    status, headers, body = ask(url, client, [(b"accept-encoding", b"gzip, br")])
    assert status == 200 and headers["content-length"] == str(len(body)) and "immutable" in headers["cache-control"]
    is_text = path.suffix in (".js", ".css", ".svg")
    assert ("content-encoding" in headers) == (is_text and client != "::1" and path.suffix != ".svg")
    assert (gzip.decompress(body) if "content-encoding" in headers else body) == path.read_bytes()
    kinds = {".js": "javascript", ".css": "text/css", ".woff2": "font/woff2", ".png": "image/png", ".svg": "image/svg"}
    assert kinds.get(path.suffix, "") in headers["content-type"]


@pytest.mark.parametrize(
    "request_",
    [("/static/js/none.js",), ("/static/js/../../index.html",), ("/static/../index.html",), ("/",), ("/media/a.js",)],
    ids=str,
)
def test_everything_else_is_left_to_streamlit(request_):
    assert ask(*request_)[0] == 404


def test_requests_of_a_part_and_of_the_headers_alone_are_left_to_streamlit():
    path = next(iter((STATIC / "static" / "js").glob("*.js")))
    assert ask(f"/static/js/{path.name}", headers=[(b"range", b"bytes=0-9")])[0] == 404
    assert ask(f"/static/js/{path.name}", method="HEAD")[0] == 404


def test_every_script_that_a_page_is_to_load_early_exists_with_all_that_it_imports():
    for names in (ELEMENTS, *ELEMENTS_OF_LENS.values()):
        for name in names:
            scripts = early_scripts((name,))
            assert scripts and scripts[-1].startswith(f"{name}.")
            for script in scripts:
                text = (STATIC / "static" / "js" / script).read_text(encoding="utf-8")
                imported = re.findall(r'(?:from|import)"\./([^"]+)"', text)
                page = (STATIC / "index.html").read_text(encoding="utf-8")
                assert all(each in scripts or each in page or _linked(each, page) for each in imported)


def _linked(script, page):
    """Return whether a script that the page links imports this one."""
    linked = re.findall(r'\./static/js/([^"]+\.js)', page)
    return any(script in (STATIC / "static" / "js" / each).read_text(encoding="utf-8") for each in linked)


def test_links_name_each_script_once():
    names = re.findall(r'href="\./static/js/([^"]+)"', preload_links((*ELEMENTS, *ELEMENTS)))
    assert len(names) == len(set(names)) > len(ELEMENTS) and names[0] == script_file()
    [font] = re.findall(r'href="\./static/(media/[^"]+)"', preload_links(()))
    assert ask(f"/static/{font}")[1]["content-type"] == "font/woff2"


def test_the_script_of_the_components_is_a_file_too():
    status, headers, body = ask(f"/static/js/{script_file()}", "10.0.0.7", [(b"accept-encoding", b"gzip")])
    assert (status, headers["content-encoding"]) == (200, "gzip")
    assert gzip.decompress(body).decode() == component_script()


def test_names_of_no_file_take_no_memory():
    kept = static_assets._read.cache_info().currsize
    assert {ask(f"/static/js/none-{number}.js")[0] for number in range(50)} == {404}
    assert static_assets._read.cache_info().currsize == kept
    assert not hasattr(static_assets._content, "cache_info")
