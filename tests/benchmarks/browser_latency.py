"""How long a reader waits: `python -m tests.benchmarks.browser_latency [--rounds N]`.

One browser run of the Step lens at its opening view (python-lm, an LSTM of 384 units) and of an app that is empty. Times are
taken in the page: from the event that the reader caused to the task after the frame that shows its effect. What needs
Python is measured twice: to the frame that shows the new numbers, and until the whole page is drawn; and as a ratio to the
rerun of the empty app, which is the floor that Streamlit sets.
"""

import argparse
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from statistics import median, quantiles

from playwright.sync_api import Browser, Page

from models import load_network
from models.decoding.run_network import run_network
from tests.support.browser import NO_CHROMIUM, TIMEOUT, find_chromium, launch_browser, opened_page, serve, settle
from viz.payloads.layer_payload import layer_payload

NETWORKS = [load_network(name).card.title["en"] for name in ("recall-lstm", "python-lm", "recall-gru")]
EMPTY = Path(__file__).with_name("empty_app.py")

# Times one wait: `begin(type)` starts at the next event of that type, `drawn()` is called when the effect is shown.
WATCH = """
(() => {
  const app = () => document.querySelector('[data-testid="stApp"]');
  const painted = () => new Promise((done) => requestAnimationFrame(() => {
    const channel = new MessageChannel();
    channel.port1.onmessage = () => { channel.port1.close(); done(performance.now()); };
    channel.port2.postMessage(0);
  }));
  const watch = window.watch = { drawing: 0 };
  const ask = window.requestAnimationFrame.bind(window);
  window.requestAnimationFrame = (draw) => ask((time) => {
    const start = performance.now();
    draw(time);
    watch.drawing += performance.now() - start;
  });
  const stands = () => app().getAttribute("data-test-script-state") === "notRunning"
    && !document.querySelector('[data-stale="true"]');
  watch.begin = (type) => {
    let start = null;
    let show;
    const shown = new Promise((done) => { show = done; });
    window.addEventListener(type, (event) => { start ??= event.timeStamp; }, { capture: true, once: true });
    watch.drawn = () => { if (start !== null) show(); };
    watch.results = shown.then(async () => {
      const repainted = await painted();
      let whole = repainted;
      while (!stands()) whole = await painted();
      return [repainted - start, whole - start];
    });
  };
  // ms that it takes to write all pixels of a canvas as large as those that are in sight together.
  watch.write = () => new Promise((done) => requestAnimationFrame(() => {
    const shown = [...document.querySelectorAll("canvas")].filter((each) => {
      const { top, bottom } = each.getBoundingClientRect();
      return bottom > 0 && top < window.innerHeight;
    });
    const pixels = shown.reduce((sum, each) => sum + each.width * each.height, 0);
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [1000, Math.max(1, Math.round(pixels / 1000))];
    const pen = canvas.getContext("2d");
    const image = new ImageData(canvas.width, canvas.height);
    const start = performance.now();
    pen.putImageData(image, 0, 0);
    pen.getImageData(0, 0, 1, 1); // the write may be delayed until the canvas is read
    done(performance.now() - start);
  }));
  watch.key = () => new Promise((done) => window.addEventListener("keydown", (event) => {
    watch.drawing = 0;
    painted().then((end) => done([end - event.timeStamp, watch.drawing]));
  }, { capture: true, once: true }));
})();
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=12, help="changes of each sort (steps: five times as many)")
    rounds = parser.parse_args().rounds
    if not find_chromium():
        raise SystemExit(NO_CHROMIUM)
    with launch_browser() as browser:
        floor = rerun_floor(browser, rounds)
        with serve() as url, opened_page(browser, url) as page:
            watch_traces(page)
            steps = keys(page, 5 * rounds)
            writes = [page.evaluate("watch.write()") for _ in range(5 * rounds)]
            changes = {
                "text change, each new": repeat(
                    page, rounds, lambda k: text(page, f"for i in range({k}):\n    print(i)\n")
                ),
                "network change": repeat(page, rounds, lambda k: pick(page, "Network", NETWORKS[k % 3])),
            }
        with serve() as url, opened_page(browser, f"{url}/?net=sentiment") as page:  # it runs in both directions
            watch_traces(page)
            layers = ("rnn.l0", "rnn.l0_reverse")
            changes["layer change"] = repeat(page, rounds, lambda k: pick(page, "Layer", layers[k % 2]))
        with serve() as url:
            received = traffic(browser, url)
    report("key to frame", [total for total, _drawing in steps])
    drawn = report("  of which drawing", [drawing for _total, drawing in steps])
    print(
        f"    {drawn / report('  a write of the same area', writes):.2f} x a write of the canvases in sight (bar 2 x)"
    )
    shown = report("rerun floor (empty app) to repaint", [drew for drew, _whole in floor])
    stood = report("  to the whole page", [whole for _drew, whole in floor])
    for name, times in changes.items():
        report(f"{name} to repaint", [drew for drew, _whole in times], shown)
        report("  to the whole page", [whole for _drew, whole in times], stood)
    net = load_network("python-lm")
    reading = run_network(net, net.card.default.text)
    size = len(layer_payload("step", reading, net.card.default.layer, None))
    print(f"{'bytes of a view':<38}{size:>12,} ({len(reading.labels)} steps of 128 units, weights included)")
    print(f"{'received until the first view stands':<38}{received:>12,} (uncompressed messages, scripts included)")


def keys(page: Page, count: int) -> list[list[float]]:
    """[key to frame, drawing] in ms of so many steps in the app."""
    times = step_times(page, count)
    page.wait_for_timeout(700)
    settle(page)
    return times


def step_times(page: Page, count: int) -> list[list[float]]:
    """[key to frame, drawing] in ms of so many steps, half of them back, in a page where `WATCH` has run."""
    page.evaluate("document.activeElement.blur()")
    times = []
    for k in range(count):
        page.evaluate("() => { watch.result = watch.key(); }")
        page.keyboard.press("ArrowLeft" if k < count / 2 else "ArrowRight")
        times.append(page.evaluate("watch.result"))
    return times


def rerun_floor(browser: Browser, rounds: int) -> list[list[float]]:
    """`repeat` on an app that is empty: what Streamlit itself takes from a click to its answer."""
    with serve(script=EMPTY) as url, opened_page(browser, url) as page:
        page.evaluate(WATCH)
        watch_clicks(page)
        return repeat(page, rounds, lambda k: ("click", lambda: page.get_by_role("button", name="again").click()))


def watch_clicks(page: Page) -> None:
    """Have the empty app's answer end a wait."""
    page.evaluate(
        """(() => {
            const clicks = () => document.querySelector("#clicks")?.textContent;
            let seen = clicks();
            new MutationObserver(() => {
                if (clicks() !== seen) { seen = clicks(); watch.drawn?.(); }
            }).observe(document.body, { childList: true, subtree: true, characterData: true });
        })()"""
    )


def watch_traces(page: Page) -> None:
    """Let the page time each change until the trace that follows from it is drawn."""
    page.evaluate(WATCH)
    page.evaluate(
        """() => {
            unrolled.store("step").subscribe((changed) => { if (changed.has("trace")) watch.drawn?.(); });
        }"""
    )


def repeat(page: Page, count: int, change: Callable[[int], tuple[str, Callable[[], None]]]) -> list[list[float]]:
    """[to repaint, to the whole page] in ms of so many changes; one more goes before them (each must change something)."""
    times = []
    for k in range(-1, count):
        times.append(once(page, *change(k)))
    return times[1:]


def once(page: Page, event: str, act: Callable[[], None]) -> list[float]:
    """[to repaint, to the whole page] in ms of one change, from the event that it begins with."""
    page.evaluate("(event) => watch.begin(event)", event)
    act()
    times = page.evaluate(
        """(patience) => Promise.race([watch.results, new Promise((done, fail) =>
            setTimeout(() => fail(new Error("Nothing new was drawn: did the change change anything?")), patience))])""",
        TIMEOUT,
    )
    page.wait_for_timeout(600)  # what the player reports comes after
    settle(page)
    return times


def pick(page: Page, label: str, option: str) -> tuple[str, Callable[[], None]]:
    """Open a menu now; then the choice that is timed."""
    page.get_by_role("combobox", name=label).click()
    chosen = page.get_by_role("option", name=option, exact=True)
    chosen.wait_for()
    return "pointerup", chosen.click


def text(page: Page, words: str) -> tuple[str, Callable[[], None]]:
    """Type now; then the key that is timed."""
    area = page.locator("textarea")
    area.fill(words)
    return "keydown", lambda: area.press("Control+Enter")


def traffic(browser, url: str) -> int:
    """Return the bytes of websocket messages until the first view is drawn."""
    with opened_page(browser, url) as page:
        session = page.context.new_cdp_session(page)
        sizes: list[int] = []
        session.on(
            "Network.webSocketFrameReceived",
            lambda frame: sizes.append(len(b64decode(frame["response"]["payloadData"]))),
        )
        session.send("Network.enable")
        page.reload()
        settle(page)
        return sum(sizes)


def report(name: str, times: list[float], floor: float | None = None) -> float:
    """Print one line and return the median."""
    middle = median(times)
    ratio = f"{middle / floor:8.2f} x the floor" if floor else ""
    print(f"{name:<38}{middle:8.1f} ms   p95 {quantiles(times, n=20, method='inclusive')[-1]:8.1f} ms{ratio}")
    return middle


if __name__ == "__main__":
    main()
