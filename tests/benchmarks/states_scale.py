"""How fast the States lens is on large runs: `python -m tests.benchmarks.states_scale [--quick]`.

Two runs are saved and opened, each by its own server: 2,000 tokens through 2 x 128 LSTM units, and
10,000 steps through a random `nn.LSTM(512, 1024, 2)` (left out with `--quick`). Measured are

- first paint: from opening the address, all panels open, until the heatmap and the player are drawn; and again, with the run
  in the cache;
- zoom: from the drag over a part of a heatmap until the browser has that part's exact numbers;
- a step: from the key until the player shows it (no round trip), and the rerun that reports it to the server;
- the rerun of an empty app, the floor that Streamlit sets, and each of these as a multiple of it;
- bytes: of the layer's payload (at most 2 MB), and of everything that the websocket carried for the first paint;
- memory: the most that the server took beyond one where the same was done with a run of ten steps, as a multiple of what the
  run's arrays take (every gate and state of every layer, and the inputs). The bar is 2.
"""

import argparse
import tempfile
import time
from pathlib import Path
from statistics import median

import torch
from playwright.sync_api import Page
from torch import nn

from models import capture
from tests.support.browser import NO_CHROMIUM, TRACK_RUNS, find_chromium, launch_browser, opened_page, serve, settle

EMPTY = Path(__file__).with_name("empty_app.py")
ROUNDS = 5


def save(path: Path, module: nn.LSTM, steps: int) -> int:
    """Save a random run; return the bytes of its arrays, gates included."""
    torch.manual_seed(0)
    x = torch.randn(1, steps, module.input_size)
    with torch.inference_mode(), capture(module) as trace:
        module(x)
    trace.save(path)
    return sum(
        layer.input.nbytes + sum(layer[quantity].nbytes for quantity in layer.quantities)
        for layer in trace.layers.values()
    )


def peak_memory(url: str) -> int:
    """Return the peak memory in bytes of the server at ``url``."""
    port = f"--server.port={url.rpartition(':')[2]}".encode()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if port in (process / "cmdline").read_bytes().split(b"\0"):
                lines = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
                return 1024 * int(lines["VmHWM"].split()[0])
        except OSError:
            continue
    raise RuntimeError(f"There is no server at {url}.")


def wait_until_drawn(page: Page) -> None:
    """Wait until the first heatmap, the player and the path are drawn."""
    page.wait_for_function(
        """() => window.unrolled?.store?.("states").trace && document.querySelector(".unrolled-plot canvas")
            && document.querySelector(".unrolled-scrubber")
            && document.querySelector(".unrolled-state-trajectory-readout")?.dataset.step""",
        timeout=300_000,
    )
    settle(page)


def zoom(page: Page, place: int) -> float:
    """Seconds from the end of a drag over the hidden states until their exact numbers are there."""
    plot = page.locator('.unrolled-plot[data-name="hidden"]')
    plot.evaluate("node => node.scrollIntoView({ block: 'center' })")
    box = plot.bounding_box()
    assert box
    page.mouse.move(box["x"] + 200 + 40 * place, box["y"] + 30)
    page.mouse.down()
    page.mouse.move(box["x"] + 209 + 40 * place, box["y"] + 42, steps=3)
    start = time.perf_counter()
    page.mouse.up()
    page.wait_for_function("""() => !unrolled.store("states").trace.arrays["detail_low:hidden"]""", timeout=300_000)
    taken = time.perf_counter() - start
    settle(page)
    page.get_by_role("button", name="Show the whole map").click()
    page.wait_for_function("""() => unrolled.store("states").trace.arrays["detail_low:hidden"]""", timeout=300_000)
    wait_until_reported(page)
    return taken


def wait_until_reported(page: Page) -> None:
    """Wait until the player's step has been reported to the server."""
    page.wait_for_function(
        "() => new URLSearchParams(location.search).get('step') === document.querySelector('.unrolled-scrubber').value"
    )
    settle(page)


def step(page: Page) -> tuple[float, float]:
    """Seconds from an arrow key until the player shows the step, and until the server's answer is drawn."""
    page.evaluate("document.activeElement.blur()")
    before = page.locator(".unrolled-scrubber").input_value()
    start = time.perf_counter()
    page.keyboard.press("ArrowLeft")
    page.wait_for_function("before => document.querySelector('.unrolled-scrubber').value !== before", arg=before)
    shown = time.perf_counter() - start
    wait_until_reported(page)
    return shown, time.perf_counter() - start - 0.4  # the player reports after 400 ms


def empty_rerun(browser) -> float:
    """Seconds that a rerun of an empty app takes."""
    with serve(script=EMPTY) as url, opened_page(browser, url) as page:
        times = []
        for count in range(ROUNDS):
            start = time.perf_counter()
            page.get_by_role("button", name="again").click()
            page.wait_for_function("n => document.querySelector('#clicks').textContent == n", arg=str(count + 1))
            times.append(time.perf_counter() - start)
        return median(times)


def measure(browser, name: str, path: Path, own: int, floor: float, base: int | None) -> int:
    """Open one saved run, and print what it cost; without ``base`` only open it. Return the peak memory in bytes."""
    with serve(str(path)) as url:
        context = browser.new_context(viewport={"width": 1440, "height": 900})
        context.add_init_script(TRACK_RUNS)
        page = context.new_page()
        frames: list[int] = []
        page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: frames.append(len(frame))))
        paints = []
        for _round in range(2):
            start = time.perf_counter()
            page.goto(f"{url}/states?panel=*")
            wait_until_drawn(page)
            paints.append(time.perf_counter() - start)
            received = sum(frames)
            frames.clear()
        payload = page.evaluate(
            """() => Object.values(unrolled.store("states").trace.arrays)
                .reduce((sum, { data }) => sum + data.byteLength, 0)"""
        )
        zooms = [zoom(page, place) for place in range(ROUNDS)] if base is not None else []
        steps = [step(page) for _ in range(ROUNDS)]
        most = peak_memory(url)
        context.close()
    if base is None:
        return most
    shown, answered = (median(times) for times in zip(*steps, strict=True))
    print(f"{name}: its arrays take {own / 1e6:.0f} MB")
    print(f"  first paint  {paints[0]:6.2f} s, known {paints[1]:.2f} s ({paints[1] / floor:.0f} x an empty rerun)")
    print(f"  zoom         {median(zooms):6.2f} s ({median(zooms) / floor:.1f} x an empty rerun)")
    print(
        f"  a step       {1e3 * shown:6.0f} ms to show, {answered:.2f} s to tell ({answered / floor:.1f} x an empty rerun)"
    )
    print(
        f"  bytes        {payload / 1e6:6.2f} MB in the layer's arrays, {received / 1e6:.2f} MB by the websocket in all"
    )
    print(f"  memory       {(most - base) / 1e6:6.0f} MB at most, {(most - base) / own:.2f} x the arrays\n")
    return most


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="leave the largest run out")
    quick = parser.parse_args().quick
    if not find_chromium():
        raise SystemExit(NO_CHROMIUM)
    torch.set_num_threads(1)
    runs = {"2,000 steps, 2 x 128": (nn.LSTM(110, 128, 2, batch_first=True), 2000)}
    if not quick:
        runs["10,000 steps, 2 x 1024"] = (nn.LSTM(512, 1024, 2, batch_first=True), 10_000)
    with tempfile.TemporaryDirectory() as folder, launch_browser() as browser:
        floor = empty_rerun(browser)
        small = Path(folder) / "small.npz"
        save(small, nn.LSTM(4, 8, 2, batch_first=True), 10)
        base = measure(browser, "ten steps", small, 0, floor, None)
        print(f"an empty app's rerun: {1e3 * floor:.0f} ms\n")
        for place, (name, (module, steps)) in enumerate(runs.items()):
            path = Path(folder) / f"run{place}.npz"
            measure(browser, name, path, save(path, module, steps), floor, base)
            path.unlink()


if __name__ == "__main__":
    main()
