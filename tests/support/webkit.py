"""WebKitGTK, driven by Debian's WebKitWebDriver in a window of Xvfb."""

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from glob import glob
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import ProxyHandler, Request, build_opener

DRIVER = shutil.which("WebKitWebDriver")
BROWSER = next(iter(glob("/usr/lib/*/webkit2gtk-4.*/MiniBrowser")), None)
IS_THERE = None not in (DRIVER, BROWSER, shutil.which("Xvfb"))
SECONDS = 120
"""After which an answer fails to come."""


@contextmanager
def webkit_page(path: Path, requests: list[str]) -> Iterator[Callable[[str], Any]]:
    """Open a file; yields a function that runs the body of a JavaScript function and returns what it returns.

    All requests of the page go to a proxy that answers none; the first line of each is appended to ``requests`` on leaving.
    """
    with ExitStack() as stack:
        proxy = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        display = _started(stack, ["Xvfb", "-displayfd", "1", "-screen", "0", "1280x900x24", "-nolisten", "tcp"])
        port = _free_port()
        driver = subprocess.Popen([str(DRIVER), f"--port={port}"], env=os.environ | {"DISPLAY": f":{display}"})
        stack.callback(_stop, driver)
        where = f"127.0.0.1:{proxy.getsockname()[1]}"
        options = {"binary": BROWSER, "args": ["--automation"]}
        wanted = {
            "webkitgtk:browserOptions": options,
            "proxy": {"proxyType": "manual", "httpProxy": where, "sslProxy": where},
        }
        session = f"/session/{_ask(port, 'POST', '/session', {'capabilities': {'alwaysMatch': wanted}})['sessionId']}"
        stack.callback(_ask, port, "DELETE", session)
        _ask(port, "POST", f"{session}/url", {"url": path.as_uri()})
        yield lambda code: _ask(port, "POST", f"{session}/execute/sync", {"script": code, "args": []})
        requests += _waiting(proxy)


def _waiting(proxy: socket.socket) -> list[str]:
    """Return the first line of each request that has come."""
    found = []
    proxy.settimeout(1)  # long enough for a page of this machine
    while True:
        try:
            connection, _address = proxy.accept()
        except TimeoutError:
            return found
        with connection:
            connection.settimeout(SECONDS)
            found.append(connection.recv(4096).decode(errors="replace").split("\r\n")[0])


def _started(stack: ExitStack, command: list[str]) -> str:
    """Start a program; return the first line that it prints."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    stack.callback(_stop, process)
    assert process.stdout is not None
    return process.stdout.readline().strip()


def _stop(process: subprocess.Popen) -> None:
    process.terminate()
    process.wait(30)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _ask(port: int, method: str, path: str, data: dict[str, Any] | None = None) -> Any:
    """Return the driver's answer, asked again while it has not started."""
    body = None if data is None else json.dumps(data).encode()
    request = Request(f"http://127.0.0.1:{port}{path}", body, {"Content-Type": "application/json"}, method=method)
    end = time.monotonic() + SECONDS
    while True:
        try:
            with build_opener(ProxyHandler({})).open(request, timeout=SECONDS) as answer:
                return json.load(answer)["value"]
        except URLError as error:
            if not isinstance(error.reason, ConnectionRefusedError) or time.monotonic() > end:
                raise
        time.sleep(0.1)
