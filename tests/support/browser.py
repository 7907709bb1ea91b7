"""The running app, and a real browser that looks at it."""

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

ROOT = Path(__file__).parents[2]
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
MISSING = "No Chromium: install one (`apt install chromium fonts-noto-cjk`) or name it in $CHROMIUM."
PATIENCE = 60_000
"""Milliseconds until a page has to stand still; the first one loads torch."""


def chromium() -> str | None:
    """The browser's program: $CHROMIUM, else one on the PATH."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def serve(*arguments: str, script: Path = ROOT / "app.py") -> Iterator[str]:
    """`streamlit run app.py -- ARGUMENTS` on a port of its own; gives its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = {"address": "127.0.0.1", "port": port, "headless": "true", "fileWatcherType": "none"}
    command = [sys.executable, "-m", "streamlit", "run", str(script)]
    command += [f"--server.{name}={value}" for name, value in options.items()]
    with tempfile.TemporaryFile("w+") as log:
        server = subprocess.Popen([*command, "--", *arguments], cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_until_healthy(url, server, log)
            yield url
        finally:
            server.terminate()
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _wait_until_healthy(url: str, server: subprocess.Popen, log) -> None:
    opener = build_opener(ProxyHandler({}))
    end = time.monotonic() + 60
    while time.monotonic() < end and server.poll() is None:
        try:
            with opener.open(f"{url}/_stcore/health", timeout=2):
                return
        except (URLError, OSError):
            time.sleep(0.1)
    log.seek(0)
    raise RuntimeError(f"The app did not start:\n{log.read()}")


@contextmanager
def launch() -> Iterator[Browser]:
    """A headless Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=list(FLAGS))
        yield browser
        browser.close()


@contextmanager
def look(
    browser: Browser,
    url: str,
    *,
    scheme: str = "light",
    locale: str = "en-US",
    width: int = 1440,
    height: int = 900,
) -> Iterator[Page]:
    """A page at `url`, settled. On leaving, whatever it complained of to the console is an AssertionError."""
    complaints: list[str] = []
    context = browser.new_context(color_scheme=scheme, locale=locale, viewport={"width": width, "height": height})
    try:
        page = context.new_page()
        page.on("console", lambda line: complaints.append(line.text) if _complains(line) else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(url)
        settle(page)
        yield page
    finally:
        context.close()
    assert not complaints, "The page complained: " + "; ".join(complaints)


def _complains(line: ConsoleMessage) -> bool:
    # Opened by a lens's own address, Streamlit first asks for its server below it, which is not there.
    return line.type == "error" and not re.search(r"/\w+/_stcore/", line.location.get("url", ""))


def settle(page: Page) -> None:
    """Wait until the script has run, nothing is still to be loaded, and what it drew has been painted."""
    page.wait_for_function(
        """() => {
            const app = document.querySelector('[data-testid="stApp"]');
            return app?.getAttribute("data-test-script-state") === "notRunning"
                && app.getAttribute("data-test-connection-state") === "CONNECTED"
                && document.querySelector('[data-testid="stMainBlockContainer"]')
                && !document.querySelector('[data-testid*="Skeleton"], [data-stale="true"]');
        }""",
        timeout=PATIENCE,
    )
    page.evaluate(
        """() => document.fonts.ready.then(() => new Promise((done) =>
            requestAnimationFrame(() => requestAnimationFrame(done))))"""
    )


def photograph(page: Page, path: Path) -> None:
    """The whole page as a picture: Streamlit scrolls inside the window, so the window is made as tall as the page."""
    size = page.viewport_size
    assert size is not None
    for _ in range(3):  # what is laid out by the window's height grows with it
        height = page.evaluate(
            """() => Math.max(...["stMain", "stMainBlockContainer"].map(
                (name) => document.querySelector(`[data-testid="${name}"]`)?.scrollHeight ?? 0))"""
        )
        if page.viewport_size["height"] >= height:
            break
        page.set_viewport_size({"width": size["width"], "height": height})
        page.wait_for_timeout(300)
        settle(page)
    page.screenshot(path=path)
    page.set_viewport_size(size)
