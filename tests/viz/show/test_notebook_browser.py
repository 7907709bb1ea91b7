"""`show` in a real JupyterLab: the numbers are torch's, both sides move the view, and it stays without a kernel."""

import nbformat
import pytest
import torch
from playwright.sync_api import Browser, Page, expect

from models import load_network
from tests.support.browser import TIMEOUT
from tests.support.jupyter_lab import jupyter_lab, write_notebook
from viz.show import show

pytestmark = pytest.mark.browser

TEXT = "aaabbb"
CELLS = (
    f"from viz.show import show\nw = show('counter', '{TEXT}', step=1, unit=0, lang='en')\n"
    "seen = []\nw.observe(lambda change: seen.append((change['name'], change['new'])))\nw",
    "print('step is', w.step, seen[-1:])",
    "w.step = 4",
)


@pytest.fixture(scope="module")
def hidden():
    """Return torch's own hidden states, (T, H)."""
    net = load_network("counter")
    with torch.no_grad():
        ids = net.encode(TEXT)
        output, _state = net.module.rnn(net.module.embedding(ids))
    return output[0]


def run_cell(page: Page, place: int) -> None:
    cell = page.locator(".jp-CodeCell").nth(place)
    cell.locator(".cm-content").click()
    page.keyboard.press("Shift+Enter")
    expect(cell.locator(".jp-InputPrompt")).to_have_text(f"[{place + 1}]:")


def check_step(page: Page, hidden, step: int) -> None:
    """Wait until the frame of the output shows this step; its values are torch's."""
    frame = page.frame_locator(".jp-OutputArea iframe")
    for unit in range(2):
        value = frame.locator(f'.unrolled-player [data-quantity="hidden"][data-unit="{unit}"][data-step="{step}"]')
        expect(value).to_have_count(1)
        assert abs(float(value.get_attribute("data-value")) - float(hidden[step, unit])) <= 1e-5


def opened(browser: Browser, address: str) -> Page:
    page = browser.new_page(viewport={"width": 1300, "height": 1000})
    page.set_default_timeout(TIMEOUT)
    page.goto(address)
    page.wait_for_selector(".jp-CodeCell .cm-content")
    return page


def test_a_notebook_and_its_reader_move_one_view(browser, tmp_path, hidden):
    write_notebook(tmp_path / "a.ipynb", CELLS)
    with jupyter_lab(tmp_path) as address:
        page = opened(browser, address.format("a.ipynb"))
        page.get_by_text("(ipykernel) | Idle").wait_for()
        run_cell(page, 0)
        check_step(page, hidden, 1)
        expect(page.get_by_text("This view needs JavaScript")).to_be_hidden()
        page.frame_locator(".jp-OutputArea iframe").get_by_role("button", name="Next time step").first.click()
        check_step(page, hidden, 2)
        run_cell(page, 1)
        expect(page.locator(".jp-OutputArea-output").nth(1)).to_have_text("step is 2 [('step', 2)]")
        run_cell(page, 2)
        check_step(page, hidden, 4)
        page.keyboard.press("Control+s")
        page.wait_for_function("() => !document.querySelector('.jp-mod-dirty') && !document.title.startsWith('*')")
        page.close()
        assert "unrolled-numbers" in (tmp_path / "a.ipynb").read_text(encoding="utf-8")
    with jupyter_lab(tmp_path) as address:  # no kernel: the notebook is opened, and no cell is run
        page = opened(browser, address.format("a.ipynb") + "&reset")
        check_step(page, hidden, 1)
        page.frame_locator(".jp-OutputArea iframe").get_by_role("button", name="Next time step").first.click()
        check_step(page, hidden, 2)
        page.close()


def test_a_notebook_that_is_not_trusted_says_what_it_would_show(browser, tmp_path):
    html = show("counter", TEXT, step=1, lang="en")._repr_html_()
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("w")])
    output = nbformat.v4.new_output("execute_result", {"text/html": html, "text/plain": "w"}, execution_count=1)
    notebook.cells[0].outputs = [output]
    nbformat.write(notebook, tmp_path / "a.ipynb")  # by somebody else: this server has not signed it
    with jupyter_lab(tmp_path) as address:
        page = opened(browser, address.format("a.ipynb"))
        said = page.locator(".jp-OutputArea-output").get_by_text("This view needs JavaScript")
        expect(said).to_be_visible()
        expect(said).to_contain_text("The numbers are those of the network")
        expect(page.locator(".jp-OutputArea iframe")).to_have_count(0)
        page.close()


def test_without_anywidget_the_view_is_a_frame(monkeypatch):
    from viz.show import show_lens

    monkeypatch.setattr(show_lens, "notebook_bridge", lambda channel, place: None)
    shown = show("counter", TEXT, step=2)
    html = shown._repr_html_()
    assert html.startswith("<iframe srcdoc=") and 'sandbox="allow-scripts' in html and shown.step == 2
