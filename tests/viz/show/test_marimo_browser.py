"""`show` in a running marimo notebook, where marimo is installed: the numbers are torch's, and both sides move the view."""

import re
import socket
import subprocess
import sys
import tempfile

import pytest
import torch
from playwright.sync_api import FrameLocator, Page, expect

from models import load_network
from tests.support.browser import ROOT, TIMEOUT, stop_server, until, wait_until_answered

pytestmark = pytest.mark.browser

TEXT = "aaabbb"
NOTEBOOK = f"""import marimo

app = marimo.App()


@app.cell
def _():
    import sys
    sys.path.insert(0, {str(ROOT)!r})
    import marimo as mo
    from viz.show import show
    w = show("counter", "{TEXT}", step=1, unit=0, lang="en")
    w
    return mo, w


@app.cell
def _(mo):
    read, move = (mo.ui.button(value=0, on_click=lambda count: count + 1, label=name) for name in ("Read", "Move"))
    mo.hstack([read, move])
    return move, read


@app.cell
def _(mo, read, w):
    mo.md(f"Python has step {{w.step}}, read {{read.value}} times")
    return


@app.cell
def _(move, w):
    if move.value:
        w.step = 4
    return
"""


def test_a_marimo_notebook_shows_and_steps(browser, tmp_path):
    pytest.importorskip("marimo", reason="marimo is not installed: it takes 154 MB.")
    net = load_network("counter")
    with torch.no_grad():
        hidden = net.module.rnn(net.module.embedding(net.encode(TEXT)))[0][0]
    (tmp_path / "a.py").write_text(NOTEBOOK, encoding="utf-8")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "marimo", "run", "a.py", "--headless", "--no-token", "--port", str(port)]
    with tempfile.TemporaryFile("w+") as log:
        server = subprocess.Popen(command, cwd=tmp_path, stdout=log, stderr=subprocess.STDOUT)
        try:
            wait_until_answered(f"http://127.0.0.1:{port}/health", server, log)
            page = browser.new_page()
            page.set_default_timeout(TIMEOUT)
            page.goto(f"http://127.0.0.1:{port}")
            frame = page.frame_locator("iframe")
            check_step(frame, hidden, 1)
            frame.get_by_role("button", name="Next time step").first.click()
            check_step(frame, hidden, 2)
            until(page, lambda: check_python(page, 2))  # again, where marimo was not ready for the press
            page.get_by_role("button", name="Move").click()
            check_step(frame, hidden, 4)
            page.close()
        finally:
            stop_server(server)


def check_python(page: Page, step: int) -> None:
    """Press the button of the cell that reads the step in Python: it reads this one."""
    page.get_by_role("button", name="Read").click()
    expect(page.get_by_text(re.compile(f"Python has step {step}, read [1-9]"))).to_be_visible(timeout=2000)


def check_step(frame: FrameLocator, hidden: torch.Tensor, step: int) -> None:
    """Wait until the frame shows this step; its values are torch's."""
    for unit in range(2):
        value = frame.locator(f'.unrolled-player [data-quantity="hidden"][data-unit="{unit}"][data-step="{step}"]')
        expect(value).to_have_count(1)
        assert abs(float(value.get_attribute("data-value")) - float(hidden[step, unit])) <= 1e-5
