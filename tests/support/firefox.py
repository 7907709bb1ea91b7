"""Firefox, driven by WebDriver BiDi over its own port, which needs no other program."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import connect

PROGRAM = shutil.which("firefox-esr") or shutil.which("firefox")
SECONDS = 120
"""After which an answer fails to come."""


@contextmanager
def firefox_page(
    profile: Path, address: str, requests: list[str], errors: list[str] | None = None
) -> Iterator[Callable[[str], Any]]:
    """Open an address in a headless Firefox; yields a function that evaluates JavaScript and returns its value as text.

    Every address that the page requests is appended to ``requests``, every error of a script or the console to ``errors``.
    """
    command = [str(PROGRAM), "--headless", "--no-remote", "--profile", str(profile), "--remote-debugging-port=0"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    try:
        assert process.stderr is not None
        found = next(filter(None, (re.search(r"ws://\S+", line) for line in process.stderr)))
        with connect(f"{found[0]}/session", max_size=None, proxy=None) as socket:
            serial = 0

            def ask(method: str, **params: Any) -> dict[str, Any]:
                nonlocal serial
                serial += 1
                socket.send(json.dumps({"id": serial, "method": method, "params": params}))
                while True:
                    answer = json.loads(socket.recv(timeout=SECONDS))
                    if answer.get("method") == "network.beforeRequestSent":
                        requests.append(answer["params"]["request"]["url"])
                    if answer.get("method") == "log.entryAdded" and answer["params"]["level"] == "error":
                        (errors if errors is not None else []).append(answer["params"]["text"])
                    if answer.get("id") == serial:
                        assert answer["type"] == "success", answer
                        return answer["result"]

            ask("session.new", capabilities={})
            context = ask("browsingContext.getTree")["contexts"][0]["context"]
            ask("session.subscribe", events=["network.beforeRequestSent", "log.entryAdded"])
            ask("browsingContext.navigate", context=context, url=address, wait="complete")
            target = {"context": context}
            yield lambda code: ask("script.evaluate", expression=code, target=target, awaitPromise=True)["result"][
                "value"
            ]
    finally:
        process.terminate()
        process.wait(30)
