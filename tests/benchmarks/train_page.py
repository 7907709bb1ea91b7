"""The Train page while a run goes on, and a long run: ``python -m tests.benchmarks.train_page [--seconds N] [--updates N]``.

Pictures: a run that the page started trains in its own process; another tab steps through a sequence and changes its text
meanwhile. Printed: new pictures of the loss a second, the longest time between two, and how long the other tab waits.

Opening: the folder of a run of a million steps, written by the run's own writer. Printed beside the rerun of an empty app:
the time to read from it what the page shows first, and the visit of the page that shows it beside one of the empty app.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from statistics import median

from playwright.sync_api import Browser

from models import open_run
from models.training.training_loop import prepare
from models.training.training_options import TrainingOptions
from tests.benchmarks.browser_latency import EMPTY, rerun_floor
from tests.benchmarks.lens_latency import visit
from tests.benchmarks.watch_cost import opening_seconds, write_long_run
from tests.support.browser import NO_CHROMIUM, find_chromium, launch_browser, opened_page, serve, settle
from tests.support.step_page import enter_text
from viz.reader_cookie import NAME

RUN = "recall-lstm-0123456789ab"
ENDLESS = TrainingOptions(examples=2000, steps=1_000_000, validate_every=500, snapshots=4, minutes=10.0)
PICTURES_A_SECOND, EMPTY_RERUNS = 1.0, 2.0
"""The bars: new pictures of a run that is trained, and the opening of a long run in reruns of an empty page."""
HEIGHT = 1800
"""Of the window, in which all charts that are drawn at first are in sight: those out of sight are not drawn again."""

WATCH_PICTURES = """
() => {
  window.pictures = [];
  let newest = -1;
  setInterval(() => {
    const plots = [...document.querySelectorAll('[class*="train_live_loss"] .js-plotly-plot')];
    const curves = plots.flatMap((plot) => plot.data ?? []);
    const last = Math.max(-1, ...curves.map((curve) => Number([...(curve.x ?? [])].at(-1) ?? -1)));
    if (last > newest) { newest = last; pictures.push(performance.now()); }
  }, 25);
}
"""


def picture_rate(browser: Browser, seconds: float) -> None:
    """Print the picture rate of the page of a run that is trained, while another tab is used."""
    with (
        tempfile.TemporaryDirectory() as folder,
        serve(folder, warm_up=True) as url,
        opened_page(browser, f"{url}/train?panel=-none", height=HEIGHT) as page,
    ):
        prepare(ENDLESS, Path(folder) / RUN)
        reader = next(each["value"] for each in page.context.cookies() if each["name"] == NAME)
        (Path(folder) / RUN / "reader").write_text(sha256(reader.encode()).hexdigest())
        page.goto(f"{url}/train?run={RUN}&panel=-none")
        page.locator(".st-key-train_continue button").click()
        page.locator('[class*="train_live_loss"] .js-plotly-plot').first.wait_for(timeout=600_000)  # of a busy machine
        with opened_page(browser, url) as other:
            page.evaluate(WATCH_PICTURES)
            before = open_run(Path(folder) / RUN).last_step or 0
            waits, end = list[float](), time.monotonic() + seconds
            while time.monotonic() < end:
                start = time.monotonic()
                enter_text(other, f"def f{len(waits)}(x):")
                waits.append(time.monotonic() - start)
                other.evaluate("document.activeElement.blur()")
                for key in ("ArrowLeft", "ArrowRight") * 5:
                    other.keyboard.press(key)
                    other.wait_for_timeout(100)
            times = page.evaluate("[...pictures, performance.now()]")
            trained = (open_run(Path(folder) / RUN).last_step or 0) - before
        page.locator(".st-key-train_stop button").click()
        settle(page)
    gaps = [(after - before) / 1e3 for before, after in pairwise(times)]
    rate = (len(times) - 2) / ((times[-2] - times[0]) / 1e3)
    print(f"pictures: {rate:.2f} a second (bar {PICTURES_A_SECOND:g}), {median(gaps):.2f} s apart in the middle, at most "
          f"{max(gaps):.2f} s; the run recorded {trained / ENDLESS.record_every / seconds:.1f} steps a second")  # fmt: skip
    print(f"the other tab's text changes took {median(waits):.2f} s, {len(waits)} of them")


def opening(browser: Browser, updates: int, rounds: int) -> None:
    """Print how long a long run takes to open."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "long"
        writer, _seconds = write_long_run(path, updates, 10)
        writer.close("finished")
        floor = median(whole for _shown, whole in rerun_floor(browser, rounds)) / 1e3
        seconds = median(opening_seconds(path) for _ in range(rounds))
        print(f"a run of {updates:,} steps is read in {seconds * 1e3:.0f} ms, {seconds / floor:.2f} x a rerun of an empty "
              f"app, {floor * 1e3:.0f} ms (bar {EMPTY_RERUNS:g} x)")  # fmt: skip
        with serve(script=EMPTY) as nothing, serve(folder, warm_up=True) as url:
            visit(browser, nothing)
            visit(browser, f"{url}/train")
            pairs = [(visit(browser, nothing), visit(browser, f"{url}/train")) for _ in range(max(2, rounds // 2))]
        empty, whole = (median(each[place].whole for each in pairs) for place in (0, 1))
        print(f"its page is whole {whole:.0f} ms after the visit begins, that of an empty app {empty:.0f} ms; the run of "
              f"the script takes {median(each.script for _empty, each in pairs):.0f} ms")  # fmt: skip


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=30.0, help="of the picture rate")
    parser.add_argument("--updates", type=int, default=1_000_000, help="training steps of the long run")
    parser.add_argument("--rounds", type=int, default=8)
    options = parser.parse_args()
    if not find_chromium():
        raise SystemExit(NO_CHROMIUM)
    with launch_browser() as browser:
        print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
        picture_rate(browser, options.seconds)
        print(f"load {os.getloadavg()[0]:.1f}")
        opening(browser, options.updates, options.rounds)
        print(f"load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
