"""The running app, a real browser, and how tests wait: for a condition, never for a time."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Literal, TypeVar
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener
from weakref import WeakKeyDictionary

from playwright.sync_api import Browser, BrowserContext, Error, Page, expect, sync_playwright

ROOT = Path(__file__).parents[2]
PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--process-per-site",  # see `_keep_process`
)
NO_CHROMIUM = "No Chromium: install one (`apt install chromium fonts-noto-cjk`) or name it in $CHROMIUM."
TIMEOUT = 120_000
"""Milliseconds after which a wait fails: many times what a slow, busy machine takes, so that no test depends on speed."""

expect.set_options(timeout=TIMEOUT)

Result = TypeVar("Result")

# Run in every page before its own scripts: `streamlitRuns` says whether the server has answered the page's last request to
# run the script. The fields are those of Streamlit's BackMsg (11: rerun_script) and ForwardMsg (4: new_session,
# 6: script_finished, whose value 2 means that a newer request cut the run short).
TRACK_RUNS = """
(() => {
  const runs = window.streamlitRuns = { requested: 0, pending: false, running: false, held: null };
  function* fields(bytes) {
    let at = 0;
    const varint = () => {
      for (let value = 0, scale = 1; ; scale *= 128) {
        value += (bytes[at] & 127) * scale;
        if (bytes[at++] < 128) return value;
      }
    };
    while (at < bytes.length) {
      const tag = varint();
      const value = varint();
      yield [tag >> 3, value];
      if ((tag & 7) === 2) at += value;
    }
  }
  // Whether a message that is held says that a run has finished.
  runs.heldFinish = () => runs.held.some(([, data]) => [...fields(new Uint8Array(data))].some(([field]) => field === 6));
  runs.release = () => {
    const held = runs.held;
    runs.held = null;
    for (const [socket, data] of held) socket.dispatchEvent(new MessageEvent("message", { data }));
  };
  const WebSocket = window.WebSocket;
  window.WebSocket = class extends WebSocket {
    constructor(...options) {
      super(...options);
      this.addEventListener("message", (event) => {
        const { data } = event;
        if (!(data instanceof ArrayBuffer)) return;
        if (runs.held) {
          event.stopImmediatePropagation();
          runs.held.push([this, data]);
          return;
        }
        for (const [field, value] of fields(new Uint8Array(data))) {
          if (field === 4) Object.assign(runs, { pending: false, running: true });
          if (field === 6 && value !== 2) runs.running = false;
        }
      });
      this.addEventListener("close", () => Object.assign(runs, { pending: false, running: false }));
    }
    send(data) {
      if (data instanceof Uint8Array && [...fields(data)].some(([field]) => field === 11)) {
        runs.requested++;
        runs.pending = true;
      }
      super.send(data);
    }
  };
})();
"""

# Whether the page has been settled for several frames in a row, counted from the first call with this `wait`.
SETTLED = """
(wait) => {
  const app = document.querySelector('[data-testid="stApp"]');
  const settled = !streamlitRuns.pending && !streamlitRuns.running
    && app?.getAttribute("data-test-script-state") === "notRunning"
    && app.getAttribute("data-test-connection-state") === "CONNECTED"
    && document.querySelector('[data-testid="stMainBlockContainer"]')
    && !document.querySelector('[data-testid*="Skeleton"], [data-stale="true"], .unrolled[data-later]')
    && [...document.querySelectorAll('[data-testid="stBidiComponentRegular"]')].every(
      (component) => !component.querySelector("style") || component.querySelector(".unrolled"))
    && document.fonts.status === "loaded";
  const before = streamlitRuns.wait === wait ? streamlitRuns.frames : 0;
  Object.assign(streamlitRuns, { wait, frames: settled ? before + 1 : 0 });
  return streamlitRuns.frames > 5;
}
"""
_waits = count()
SHARED: WeakKeyDictionary[BrowserContext, tuple[str, bool]] = WeakKeyDictionary()
"""The locale of each context that pages share, and whether its pages are touched by a finger."""


def find_chromium() -> str | None:
    """Return the browser's program: $CHROMIUM, else one on the PATH; None if there is none."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, PROGRAMS)), None)


@contextmanager
def serve(
    *arguments: str,
    script: Path = ROOT / "app.py",
    warm_up: bool = False,
    command: Path | None = None,
    folder: Path = ROOT,
) -> Iterator[str]:
    """Run `streamlit run app.py -- ARGUMENTS` on a free port; yields its address.

    Args:
        arguments: those after the `--`.
        script: of the app.
        warm_up: whether the server opens its pages at its start.
        command: the installed command, which is run instead: `unrolled ARGUMENTS`.
        folder: in which it is run.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = {"address": "127.0.0.1", "port": port, "headless": "true", "fileWatcherType": "none"}
    flags = ["--client.showErrorDetails=full", *(f"--server.{name}={value}" for name, value in options.items())]
    if command is not None:
        line = [str(command), *flags, *arguments]
    else:
        line = [sys.executable, "-m", "streamlit", "run", str(script), *flags, "--", *arguments]
    with tempfile.TemporaryFile("w+") as log:
        environment = os.environ | {"UNROLLED_WARM_UP": str(int(warm_up))}
        server = subprocess.Popen(line, cwd=folder, stdout=log, stderr=subprocess.STDOUT, env=environment)
        try:
            url = f"http://127.0.0.1:{port}"
            wait_until_answered(f"{url}/_stcore/health", server, log)
            yield url
        finally:
            stop_server(server)


def wait_until_answered(address: str, server: subprocess.Popen, log) -> None:
    """Wait until a server answers at an address. Raises RuntimeError: it ended, or did not in time; with its ``log``."""
    opener = build_opener(ProxyHandler({}))
    end = time.monotonic() + TIMEOUT / 1000
    while time.monotonic() < end and server.poll() is None:
        try:
            with opener.open(address, timeout=5):
                return
        except (URLError, OSError):
            time.sleep(0.1)
    log.seek(0)
    raise RuntimeError(f"The server did not start:\n{log.read()}")


def stop_server(server: subprocess.Popen) -> None:
    """End a server, killed where it has not ended after 20 seconds."""
    server.terminate()
    try:
        server.wait(20)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


@contextmanager
def launch_browser() -> Iterator[Browser]:
    """Start a headless Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=list(FLAGS))
        yield browser
        browser.close()


@contextmanager
def opened_page(
    browser: Browser,
    url: str,
    *,
    scheme: str = "light",
    locale: str = "en-US",
    width: int = 1440,
    height: int = 900,
    clock: bool = False,
    touch: bool = False,
) -> Iterator[Page]:
    """Open a page at `url` and settle it; yields it. With `touch`, the page is on a screen that a finger touches.

    Pages of one locale share the browser's cache of scripts. With `clock`, `page.clock.run_for(milliseconds)` runs the
    page's timers at once.

    Raises:
        AssertionError: on leaving, if the page wrote an error to the browser's console.
    """
    errors: list[str] = []
    context = _context(browser, locale, clock, touch)
    page = context.new_page()
    try:
        page.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": height})
        page.goto(url)
        settle(page)
        yield page
    finally:
        page.close()
        if clock:
            context.close()
    assert not errors, "Errors in the console: " + "; ".join(errors)


def _context(browser: Browser, locale: str, clock: bool, touch: bool) -> BrowserContext:
    """Return the browser's context of a locale; with `clock` a new one, whose pages have a clock of their own."""
    shared = next((each for each in browser.contexts if SHARED.get(each) == (locale, touch)), None)
    if shared is not None and not clock:
        return shared
    context = browser.new_context(locale=locale, has_touch=touch)
    context.set_default_timeout(TIMEOUT)
    context.add_init_script(TRACK_RUNS)
    if clock:
        context.clock.install()
    else:
        SHARED[context] = locale, touch
        _keep_process(context)
    return context


def _keep_process(context: BrowserContext) -> None:
    """Open an empty page of the app's site, so that the pages of this context have one process after each other.

    The process has compiled the scripts of the first page for all that follow.
    """
    page = context.new_page()
    page.route("**/*", lambda route: route.fulfill(content_type="text/html", body=""))
    page.goto("http://127.0.0.1/")


def with_open_panels(path: str) -> str:
    """Return a path of the app with all panels of its page open, unless it has ``panel`` already.

    >>> with_open_panels("/states?step=3")
    '/states?step=3&panel=*'
    """
    if "panel=" in path:
        return path
    return path + ("&" if "?" in path else "?") + "panel=*"


def settle(page: Page) -> None:
    """Wait until the server has answered all requests, every component is mounted, and what was drawn is painted.

    Raises:
        AssertionError: the page shows a traceback.
    """
    page.wait_for_function(SETTLED, arg=next(_waits), timeout=TIMEOUT)
    errors = page.locator('[data-testid="stException"]').all_inner_texts()
    assert not errors, "\n".join(errors)


def until(page: Page, condition: Callable[[], Result]) -> Result:
    """Call `condition` again and again until it neither raises an AssertionError nor returns False; return its value.

    After `TIMEOUT` it fails with what was raised last. Conditions on the document alone, which the browser can check at
    every frame, are better written with `page.wait_for_function` or `expect`.
    """
    end = time.monotonic() + TIMEOUT / 1000
    while True:
        try:
            value = condition()
            assert value is not False, "The condition is still false."
            return value
        except (AssertionError, Error):
            if time.monotonic() > end:
                raise
        page.wait_for_timeout(50)


def rerun(page: Page, act: Callable[[], object]) -> None:
    """Do what makes the page request a run of the script, and wait until the answer is drawn."""
    page.evaluate("() => { streamlitRuns.mark = streamlitRuns.requested; }")
    act()
    page.wait_for_function("() => streamlitRuns.mark === undefined || streamlitRuns.requested > streamlitRuns.mark")
    settle(page)


@contextmanager
def late_answers(page: Page, act: Callable[[], object]) -> Iterator[None]:
    """Do what makes the page request a run of the script; the body runs once the server has finished it.

    The page gets the server's messages only after the body, as on a slow connection; then it is settled.
    """
    page.evaluate("() => { streamlitRuns.held = []; }")
    act()
    page.wait_for_function("() => streamlitRuns.heldFinish()")
    yield
    page.evaluate("() => streamlitRuns.release()")
    settle(page)


def show_dark(page: Page, *, width: int) -> None:
    """Change the system's colours to dark and the window's width, and wait until the page is settled."""
    show_scheme(page, "dark", width=width)


def show_scheme(page: Page, scheme: Literal["light", "dark"], *, width: int) -> None:
    """Change the system's colours and the window's width, and wait until the page is settled."""
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": page.viewport_size["height"]})
    settle(page)
    page.wait_for_function(
        """(scheme) => getComputedStyle(document.querySelector('[data-testid="stApp"]')).colorScheme === scheme""",
        arg=scheme,
    )
    settle(page)


def requests(page: Page) -> int:
    """Return how many runs of the script the page has requested since it was loaded."""
    return page.evaluate("streamlitRuns.requested")


def save_screenshot(page: Page, path: Path) -> None:
    """Save a picture of the whole page: Streamlit scrolls inside the window, so the window is made as tall as the page."""
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
        settle(page)
    page.screenshot(path=path)
    page.set_viewport_size(size)
