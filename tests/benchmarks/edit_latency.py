"""How long an edit takes to show: `python -m tests.benchmarks.edit_latency [--rounds N]`.

One browser run of the Edit lens (python-lm, 2 x 128 LSTM, 200 tokens) and of an app that is empty, as in ``browser_latency``:
from the slider's input event to the frame with the new states, and to the moment when the whole page stands.
"""

import argparse
from urllib.parse import urlencode

from models import load_network
from tests.benchmarks.browser_latency import WATCH, repeat, report, rerun_floor
from tests.browser import MISSING, chromium, launch, look, serve

TOKENS = 200


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    rounds = parser.parse_args().rounds
    if not chromium():
        raise SystemExit(MISSING)
    text = (load_network("python-lm").card.default.text * 2)[:TOKENS]
    with launch() as browser:
        floor = rerun_floor(browser, rounds)
        address = urlencode({"net": "python-lm", "text": text, "edits": "rnn.l0.weight_hh[forget_gate.0,0]=0.5"})
        with serve() as url, look(browser, f"{url}/edit?{address}") as page:
            page.evaluate(WATCH)
            page.evaluate(
                """() => {
                    unrolled.store("edit").subscribe((changed) => { if (changed.has("trace")) watch.drawn?.(); });
                }"""
            )
            slider = page.locator(".unrolled-knob input").first

            def turn(k: int) -> None:
                slider.evaluate(
                    "(it, share) => { it.value = Number(it.max) * share;"
                    " it.dispatchEvent(new Event('input', { bubbles: true })); }",
                    0.1 + 0.8 * (k + 1) / (rounds + 1),
                )

            times = repeat(page, rounds, lambda k: ("input", lambda: turn(k)))
    shown = report("rerun floor (empty app) to repaint", [drew for drew, _whole in floor])
    stood = report("  to the whole page", [whole for _drew, whole in floor])
    report("an entry turned, to repaint", [drew for drew, _whole in times], shown)
    report("  to the whole page", [whole for _drew, whole in times], stood)


if __name__ == "__main__":
    main()
