"""How long a visitor waits for each lens: `python -m tests.benchmarks.lens_latency [--rounds N] [LENS ...]`.

Visits of an empty app and of a lens take turns, each in a browser context of its own, so that both meet the same load and
none finds scripts in its cache. Times are the page's own, from the beginning of its navigation: to its first number, and
until the run has ended and everything is drawn. A visit right after the start of a server that warms up is compared with
the later ones. Of the last visit it is printed where the time went: the run of the script, the bytes received, and the
processor time of the page's main thread.
"""

import argparse
import os
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

from playwright.sync_api import Browser

from tests.benchmarks.browser_latency import EMPTY
from tests.support.browser import NO_CHROMIUM, TIMEOUT, TRACK_RUNS, find_chromium, launch_browser, serve, settle
from viz.pages import LENSES

NUMBER = "#clicks, [data-value], .js-plotly-plot .main-svg, [data-testid=stTable] td, [data-testid=stDataFrame] canvas"
"""What shows a number: the empty app's, a component's, a chart's, a table's."""

FIRST, WHOLE, FIRST_VISITOR = 1.5, 2.5, 1.5
"""The bars: first number and whole lens against the empty app's page, first visitor against a later one."""


@dataclass
class Visit:
    """One visit.

    Attributes:
        first, whole: ms to the first number, and until everything is drawn.
        script: ms from the request of the first run to its end.
        received: bytes of websocket messages.
        browser: ms of processor time of the page's main thread.
    """

    first: float
    whole: float
    script: float
    received: int
    browser: float


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("lenses", nargs="*", default=[lens.name for lens in LENSES])
    parser.add_argument("--rounds", type=int, default=5, help="later visits of each")
    options = parser.parse_args()
    if not find_chromium():
        raise SystemExit(NO_CHROMIUM)
    print(f"bars: first number {FIRST}x, whole {WHOLE}x an empty app; first visitor {FIRST_VISITOR}x a later one")
    with launch_browser() as browser, serve(script=EMPTY) as nothing:
        visit(browser, nothing)
        for name in options.lenses:
            report(name, *compare(browser, nothing, name, options.rounds))


def compare(browser: Browser, nothing: str, name: str, rounds: int) -> tuple[list[Visit], Visit, list[Visit]]:
    """Return visits of the empty app, the first one of the lens, and its later ones."""
    path = "" if name == LENSES[0].name else name
    empty, later = [], []
    with serve(warm_up=True) as url:
        first = visit(browser, f"{url}/{path}")
        for _ in range(rounds):
            empty.append(visit(browser, nothing))
            later.append(visit(browser, f"{url}/{path}"))
    return empty, first, later


def visit(browser: Browser, url: str) -> Visit:
    """Open a page in a new context, and measure."""
    context = browser.new_context(locale="en-US", viewport={"width": 1440, "height": 900})
    context.set_default_timeout(TIMEOUT)
    context.add_init_script(TRACK_RUNS)
    page = context.new_page()
    page.bring_to_front()
    session = context.new_cdp_session(page)
    sent: list[float] = []
    frames: list[tuple[float, bytes]] = []
    session.on("Network.webSocketFrameSent", lambda frame: sent.append(frame["timestamp"]))
    session.on(
        "Network.webSocketFrameReceived",
        lambda frame: frames.append((frame["timestamp"], b64decode(frame["response"]["payloadData"]))),
    )
    session.send("Network.enable")
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    page.goto(url)
    shows = "(selector) => document.querySelector(selector) && performance.now()"
    first = page.wait_for_function(shows, arg=NUMBER).json_value()
    settle(page)
    whole = page.evaluate("performance.now()")
    metrics = {each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]}
    ends = [time for time, data in frames if 6 in _fields(data)]  # script_finished, as TRACK_RUNS has it
    context.close()
    script = 1000 * (ends[-1] - sent[0]) if ends and sent else float("nan")
    return Visit(first, whole, script, sum(len(data) for _time, data in frames), 1000 * metrics["TaskDuration"])


def _fields(message: bytes) -> Iterator[int]:
    """Yield the numbers of the fields of a protobuf message."""
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at, value, shift = at + 1, value | (byte & 127) << shift, shift + 7
            if byte < 128:
                return value

    while at < len(message):
        tag = varint()
        value = varint()
        yield tag >> 3
        at += value if tag & 7 == 2 else 0


def report(name: str, empty: list[Visit], first: Visit, later: list[Visit]) -> None:
    """Print the medians and their ratios, the load, and where the time went."""
    print(f"{name} (load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores)")
    for what, bar in (("first", FIRST), ("whole", WHOLE)):
        pairs = [getattr(a, what) / getattr(b, what) for a, b in zip(later, empty, strict=True)]
        floor, own = (median(getattr(each, what) for each in visits) for visits in (empty, later))
        print(
            f"  {what}: empty {floor:7.0f} ms, later visitor {own:7.0f} ms, {median(pairs):5.2f}x (bar {bar}x);"
            f" first visitor {getattr(first, what):7.0f} ms, {getattr(first, what) / own:5.2f}x a later one"
        )
    last, base = later[-1], empty[-1]
    print(
        f"  a later visit: script {last.script:.0f} ms (empty {base.script:.0f}), {last.received:,} bytes,"
        f" main thread {last.browser:.0f} ms (empty {base.browser:.0f})"
    )


if __name__ == "__main__":
    main()
