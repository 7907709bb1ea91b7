"""The time of a step in a kept file beside the app's: ``python -m tests.benchmarks.kept_file_latency [--rounds N]``.

The Step lens at its opening view (python-lm, an LSTM of 384 units) is kept by the button of its page. Steps of both are timed
in turns in one browser, so that a busy machine slows both: from the key to the frame, and of that the drawing.
"""

import argparse
import tempfile
from pathlib import Path
from statistics import median

from tests.benchmarks.browser_latency import WATCH, report, step_times
from tests.support.browser import NO_CHROMIUM, find_chromium, launch_browser, opened_page, serve, settle
from tests.support.offline_page import offline_page

STEPS = 10
"""In a turn."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--rounds", type=int, default=8, help="turns of ten steps each")
    rounds = parser.parse_args().rounds
    if not find_chromium():
        raise SystemExit(NO_CHROMIUM)
    with (
        tempfile.TemporaryDirectory() as folder,
        serve() as url,
        launch_browser() as browser,
        opened_page(browser, url) as app,
    ):
        with app.expect_download() as download:
            app.locator(".st-key-keep_page button").first.click()
        path = Path(folder) / "kept.html"
        download.value.save_as(path)
        place = f"step={app.locator('.unrolled-scrubber').first.input_value()}"
        with offline_page(browser, path, place=place) as file:
            file.set_viewport_size({"width": 1440, "height": 900})
            for page in (app, file):
                page.evaluate(WATCH)
                step_times(page, STEPS)
            times: dict[str, list[list[float]]] = {"app": [], "kept file": []}
            for _ in range(rounds):
                for name, page in zip(times, (app, file), strict=True):
                    page.bring_to_front()
                    times[name] += step_times(page, STEPS)
        settle(app)
    for part, title in enumerate(("key to frame", "  of which drawing")):
        for name, found in times.items():
            report(f"{title}, {name}", [each[part] for each in found])
        app_time, file_time = (median(each[part] for each in found) for found in times.values())
        print(f"    the kept file takes {file_time / app_time:.2f} times as long as the app")


if __name__ == "__main__":
    main()
