"""`show` in a running marimo notebook, where marimo is installed: the numbers are torch's, and it steps."""

import socket
import subprocess
import sys
import tempfile

import pytest
import torch
from playwright.sync_api import expect

from models import load_network
from tests.support.browser import ROOT, TIMEOUT, stop_server, wait_until_answered

pytestmark = pytest.mark.browser

TEXT = "aaabbb"
NOTEBOOK = f"""import marimo

app = marimo.App()


@app.cell
def _():
    import sys
    sys.path.insert(0, {str(ROOT)!r})
    from viz.show import show
    show("counter", "{TEXT}", step=1, unit=0, lang="en")
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
            for step in (1, 2):
                for unit in range(2):
                    value = frame.locator(
                        f'.unrolled-player [data-quantity="hidden"][data-unit="{unit}"][data-step="{step}"]'
                    )
                    expect(value).to_have_count(1)
                    assert abs(float(value.get_attribute("data-value")) - float(hidden[step, unit])) <= 1e-5
                frame.get_by_role("button", name="Next time step").first.click()
            page.close()
        finally:
            stop_server(server)
