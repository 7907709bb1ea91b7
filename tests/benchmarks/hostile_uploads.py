"""Hostile files uploaded to the running app: ``python -m tests.benchmarks.hostile_uploads [NAME ...]``.

Each is put into the upload box of the Checkpoint page, while a thread requests ``/_stcore/health`` all the time. Printed:
the seconds until the page has answered, the longest wait for the health check meanwhile (bar: one second), the peak memory of
the server so far, and what the page says. The first line is a file that is not hostile.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

from tests.support.browser import launch_browser, opened_page, rerun, serve
from tests.support.hostile_files import HOSTILE

BOX = '[data-testid="stFileUploaderDropzoneInput"]'


class Health(threading.Thread):
    """Requests the health check again and again; ``worst`` is the longest wait in seconds since it was reset."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self.url, self.worst, self.ended = f"{url}/_stcore/health", 0.0, False

    def run(self) -> None:
        opener = build_opener(ProxyHandler({}))
        while not self.ended:
            start = time.monotonic()
            try:
                with opener.open(self.url, timeout=60) as answer:
                    answer.read()
            finally:
                self.worst = max(self.worst, time.monotonic() - start)
            time.sleep(0.1)


def server_memory() -> int:
    """Return the peak memory in MB of the server that this process started."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            status = dict(
                line.split(":\t", 1) for line in (folder / "status").read_text().splitlines() if ":\t" in line
            )
            if (
                int(status["PPid"]) == threading.main_thread().native_id
                and b"streamlit" in (folder / "cmdline").read_bytes()
            ):
                return int(status["VmHWM"].split()[0]) >> 10
        except (OSError, KeyError, ValueError):
            continue
    return 0


def main() -> None:
    """Print the table."""
    print(f"{'file':26} {'bytes':>10} {'answer s':>9} {'health s':>9} {'MB':>6}  page")
    with serve() as url, launch_browser() as browser, tempfile.TemporaryDirectory() as folder:
        health = Health(url)
        health.start()
        with opened_page(browser, f"{url}/checkpoint?panel=-none") as page:
            for name in sys.argv[1:] or HOSTILE:
                path = Path(folder) / name
                path.write_bytes(HOSTILE[name]())
                health.worst, start = 0.0, time.monotonic()
                rerun(page, lambda path=path: page.locator(BOX).first.set_input_files(path))
                taken = time.monotonic() - start
                said = page.locator('[data-testid="stAlert"]').all_inner_texts()
                shown = " ".join(" ".join(said).split())[:90]
                size = path.stat().st_size
                print(f"{name:26} {size:10} {taken:9.2f} {health.worst:9.2f} {server_memory():6}  {shown}", flush=True)
        health.ended = True


if __name__ == "__main__":
    main()
