"""How long an edit takes to show: `python -m tests.benchmarks.edit_latency [--net NAME] [--tokens N] [--all-panels]`.

One browser, two pages, turn and turn about, so that both meet the same load: an app that is empty, and the Edit lens with
the panels that are open at first or all of them (by default of python-lm: LSTM, 384 units; the text is the network's own).
The bar is twice the empty app. Of the first, from the click to the frame with its answer. Of the second, from the
slider's input event to the frame in which prediction, states, difference and weight matrix are those of the new value; and to
the moment when the whole page is drawn, figures included. Then a drag: a new value every 16 ms for two seconds.
"""

import argparse
import os
from urllib.parse import urlencode

from playwright.sync_api import Page

from models import load_network
from tests.benchmarks.browser_latency import EMPTY, WATCH, once, report, watch_clicks
from tests.support.browser import NO_CHROMIUM, find_chromium, launch_browser, opened_page, serve, with_open_panels

WARM = 3

# All that an edit repaints: the two traces, the words, and the picked entry's value under the matrix.
WATCH_EDIT = """
(() => {
  const wanted = ["edit", "edit_changed", "matrix"];
  let missing = new Set();
  const begin = watch.begin;
  watch.begin = (type) => { missing = new Set(wanted); begin(type); };
  const came = (name) => { missing.delete(name); if (!missing.size) watch.drawn?.(); };
  for (const name of ["edit", "edit_changed"]) {
    unrolled.store(name).subscribe((changed) => { if (changed.has("trace")) came(name); });
  }
  const said = () => document.querySelector(".unrolled-weight-matrix-readout")?.textContent ?? last;
  let last = "";
  last = said();
  new MutationObserver(() => { // of the whole page: the matrix may be mounted anew
    if (said() === last) return;
    last = said();
    came("matrix");
  }).observe(document.body, { childList: true, characterData: true, subtree: true });
})()
"""

# Drags the first slider; returns what was sent meanwhile, and how long after the last value the page showed it.
DRAG = """
async ([count, pause]) => {
  const slider = document.querySelector(".unrolled-slider input");
  let drawn = 0;
  const stop = unrolled.store("edit_changed").subscribe((changed) => { if (changed.has("trace")) drawn++; });
  drawn = 0;
  for (let k = 0; k < count; k++) {
    slider.value = Number(slider.max) * (0.9 - (0.7 * k) / count);
    slider.dispatchEvent(new Event("input", { bubbles: true }));
    await new Promise((done) => setTimeout(done, pause));
  }
  slider.dispatchEvent(new Event("change", { bubbles: true })); // the hand lets go
  const start = performance.now(), last = Number(slider.value);
  const edits = () => new URLSearchParams(location.search).get("edits");
  const state = () => document.querySelector('[data-testid="stApp"]').getAttribute("data-test-script-state");
  const stands = () => Number(edits().split("=").pop()) === last && state() === "notRunning";
  while (!stands()) await new Promise((done) => setTimeout(done, 5));
  stop();
  return [drawn, performance.now() - start];
}
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--net", default="python-lm")
    parser.add_argument("--tokens", type=int, help="repeat the network's default text to this many characters")
    parser.add_argument("--all-panels", action="store_true", help="open all panels of the lens")
    options = parser.parse_args()
    rounds = options.rounds
    if not find_chromium():
        raise SystemExit(NO_CHROMIUM)
    text = load_network(options.net).card.default.text
    if options.tokens:
        text = (text * (1 + options.tokens // len(text)))[: options.tokens]
    address = urlencode({"net": options.net, "text": text, "edits": "rnn.l0.weight_hh[forget_gate.0,0]=0.25"})
    path = f"/edit?{address}"
    empty, edited = [], []
    with (
        launch_browser() as browser,
        serve(script=EMPTY) as nothing,
        serve() as url,
        opened_page(browser, nothing) as floor,
        opened_page(browser, url + (with_open_panels(path) if options.all_panels else path)) as page,
    ):
        for each in (floor, page):
            each.evaluate(WATCH)
        watch_clicks(floor)
        page.evaluate(WATCH_EDIT)
        for k in range(-WARM, rounds):
            floor.bring_to_front()  # the timers of a page behind another one fire once a second
            told = once(floor, "click", lambda: floor.get_by_role("button", name="again").click())
            page.bring_to_front()
            shown = once(page, "input", lambda k=k: turn(page, 0.1 + 0.8 * (k + WARM + 1) / (rounds + WARM + 1)))
            if k >= 0:
                empty.append(told)
                edited.append(shown)
        drawn, rested = page.evaluate(DRAG, [120, 16])
    print(f"{rounds} rounds; load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    base = report("rerun of an empty app, to repaint", [drew for drew, _whole in empty])
    report("an entry turned, to repaint", [drew for drew, _whole in edited], base)
    report("  to the whole page", [whole for _drew, whole in edited], base)
    ratios("repaint, ratio of each round", [e[0] / f[0] for e, f in zip(edited, empty, strict=True)])
    print(f"a drag of 120 values in about 2 s: {drawn} drawn, the last one stood {rested:.0f} ms after the hand rested")


def turn(page: Page, share: float) -> None:
    """Put the first slider elsewhere."""
    page.locator(".unrolled-slider input").first.evaluate(
        "(it, share) => { it.value = Number(it.max) * share; it.dispatchEvent(new Event('input', { bubbles: true })); }",
        share,
    )


def ratios(name: str, values: list[float]) -> None:
    """Print the median and the 95th percentile."""
    ordered = sorted(values)
    print(f"{name:<38}{ordered[len(ordered) // 2]:8.2f} x    p95 {ordered[int(0.95 * (len(ordered) - 1))]:8.2f} x")


if __name__ == "__main__":
    main()
