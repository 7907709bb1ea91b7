"""What the server answers to whom: headers, foreign host names, metrics, and frames of other sites."""

import asyncio
import base64
import hashlib
import re
import socket
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Route
from streamlit.web.server.app_discovery import discover_asgi_app

from tests.support.browser import ROOT
from viz.server import (
    FRAME_ANCESTORS,
    METRICS,
    GuardedServer,
    PageScript,
    content_policy,
    frame_ancestors,
    host_of,
    page_script,
    send_at_once,
)

ENTRY = ROOT / "app.py"


@contextmanager
def framing_site(url):
    """Serve a page of another site, which shows `url` in a frame; yields its address."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(f'<iframe src="{url}"></iframe>'.encode())

        def log_message(self, *_arguments):
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as site:
        Thread(target=site.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{site.server_port}"
        site.shutdown()


async def answered(scope, receive, send):
    """Answer as Streamlit would."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
    else:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})


def ask(guard, path="/", host="localhost:8501", kind="http"):
    """Return the first message of the answer and its headers."""
    sent = []

    async def send(message):
        sent.append(message)

    async def receive():
        return {"type": "http.request"}

    scope = {"type": kind, "path": path, "method": "GET", "headers": [(b"host", host.encode("latin-1", "replace"))]}
    asyncio.run(guard(scope, receive, send))
    return sent[0], {name.decode(): value.decode() for name, value in sent[0].get("headers", [])}


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST.:8501", "127.0.0.1:80", "[::1]:8501"])
def test_a_server_on_this_machine_answers_to_its_own_names(host):
    guard = GuardedServer(answered, "localhost")
    assert ask(guard, host=host)[0]["status"] == 200
    assert ask(guard, host=host, kind="websocket")[0]["type"] == "websocket.accept"


@given(st.text(max_size=40) | st.sampled_from(["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:80"]))
def test_a_server_on_this_machine_refuses_every_other_host(host):
    own = host_of(host.encode("latin-1", "replace").decode("latin-1")) in ("localhost", "127.0.0.1", "::1")
    guard = GuardedServer(answered, "localhost")
    message, headers = ask(guard, host=host)
    assert (message["status"] == 200) == own and "content-security-policy" in headers
    assert (ask(guard, host=host, kind="websocket")[0]["type"] == "websocket.accept") == own


def test_a_server_for_a_classroom_answers_to_every_name_and_one_behind_a_proxy_to_the_proxys():
    assert ask(GuardedServer(answered, "0.0.0.0"), host="10.0.0.7:8501")[0]["status"] == 200
    assert ask(GuardedServer(answered, None), host="class.example")[0]["status"] == 200
    proxied = GuardedServer(answered, "localhost", ["Class.example"])
    assert ask(proxied, host="class.example")[0]["status"] == 200
    assert ask(proxied, host="evil.example")[0]["status"] == 421


@pytest.mark.parametrize("path", [METRICS, METRICS + "/", "/base" + METRICS])
def test_metrics_are_not_public(path):
    assert ask(GuardedServer(answered, "localhost"), path)[0]["status"] == 404


def test_other_sites_may_not_show_the_app_in_a_frame_unless_they_are_named():
    _message, headers = ask(GuardedServer(answered, "localhost"))
    assert headers["x-frame-options"] == "SAMEORIGIN"
    assert headers["content-security-policy"].endswith("frame-ancestors 'self'")
    sites = frame_ancestors({FRAME_ANCESTORS: "https://moodle.example *.school.example"})
    _message, headers = ask(GuardedServer(answered, "localhost", ancestors=sites))
    assert "x-frame-options" not in headers
    assert headers["content-security-policy"].endswith("'self' https://moodle.example *.school.example")
    for wrong in ("https://a.example;script-src", "'none'", "*", "https://a.example/page", "a,b"):
        with pytest.raises(ValueError, match="is not a site"):
            frame_ancestors({FRAME_ANCESTORS: wrong})


def test_the_policy_allows_nothing_from_elsewhere_and_no_code_in_strings():
    policy = content_policy()
    assert "unsafe-eval" not in policy and "http" not in policy
    scripts = re.search("script-src ([^;]*)", policy)[1]
    assert "unsafe-inline" not in scripts and "data:" not in scripts and "*" not in scripts


def test_a_connection_to_a_listening_socket_sends_at_once():
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.socket() as other:
        send_at_once()
        with socket.create_connection(listening.getsockname()) as client:
            accepted = listening.accept()[0]
            options = [each.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) for each in (accepted, client, other)]
            accepted.close()
    assert options[0] and not any(options[1:])


def test_streamlit_finds_the_server_in_the_entry_and_binds_it_to_this_machine():
    assert discover_asgi_app(Path(ENTRY)).import_string == "app:app"
    assert '\naddress = "localhost"' in (ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8")


def test_the_running_app_sends_the_headers_and_refuses_a_foreign_host(app, browser):
    opener = build_opener(ProxyHandler({}))
    with opener.open(app) as answer:
        assert answer.headers["Content-Security-Policy"] == content_policy()
    for path, headers in ((METRICS, {}), ("/", {"Host": "evil.example"})):
        with pytest.raises(HTTPError):
            opener.open(Request(app + path, headers=headers))
    with framing_site(app) as site:
        page = browser.new_page()
        with page.expect_event("requestfailed", lambda request: request.url.startswith(app)) as refused:
            page.goto(site)
        assert "BLOCKED_BY_RESPONSE" in refused.value.failure or "BLOCKED_BY_CSP" in refused.value.failure
        page.close()


@pytest.mark.parametrize("path", ["/", "/states"])
def test_the_page_has_our_script_before_its_others_and_the_policy_allows_it(path):
    app = Starlette(
        routes=[Route(path, lambda _request: HTMLResponse("<html><head><script src=x></script></head></html>"))]
    )
    sent = []

    async def receive():
        return {"type": "http.request"}

    async def send(message):
        sent.append(message)

    headers = [(b"accept-encoding", b"gzip")]
    asyncio.run(PageScript(app)({"type": "http", "path": path, "method": "GET", "headers": headers}, receive, send))
    start, body = sent
    html = body["body"].decode()
    assert html.index(page_script()) < html.index("<script src=x>")
    assert dict(start["headers"])[b"content-length"] == str(len(body["body"])).encode()
    digest = base64.b64encode(hashlib.sha256(page_script().encode()).digest()).decode()
    assert f"'sha256-{digest}'" in content_policy()


def test_a_lens_opened_by_its_address_finds_the_server_at_once_and_adds_no_entry_to_the_history(app, browser):
    page = browser.new_context().new_page()
    with page.expect_websocket() as stream:
        refused = []
        page.on("response", lambda answer: refused.append(answer.url) if answer.status >= 400 else None)
        page.goto(f"{app}/states?net=counter")
    assert "/states/" not in stream.value.url
    page.wait_for_function("() => new URLSearchParams(location.search).get('layer') !== null")
    assert page.evaluate("history.length") == 2 and refused == []  # the blank page, and this one
    page.context.close()
