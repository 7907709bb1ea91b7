"""A journey through the Train lens in a browser: watch a run, stop it, come back, and see the untrained network."""

import re
import subprocess
import sys
from hashlib import sha256

import pytest
from playwright.sync_api import expect

from tests.support.browser import ROOT, opened_page, rerun, serve, until
from tests.support.step_page import query
from viz.reader_cookie import NAME

pytestmark = pytest.mark.browser

PROGRAM = """
import sys
from models.training.training_loop import train
from models.training.training_options import TrainingOptions

train(TrainingOptions(task="counting", units=8, embedding=0, examples=200, steps=1_000_000, record_every=5), sys.argv[1])
"""


@pytest.mark.slow
def test_a_run_is_followed_stopped_and_opened_at_its_start(browser, tmp_path):
    folder = tmp_path / "counting-lstm-0123456789ab"
    folder.mkdir()
    with serve(str(tmp_path)) as url, opened_page(browser, f"{url}/train?panel=-none") as page:
        # the run is this browser's own
        reader = next(each["value"] for each in page.context.cookies() if each["name"] == NAME)
        (folder / "reader").write_text(sha256(reader.encode()).hexdigest())
        trainer = subprocess.Popen([sys.executable, "-c", PROGRAM, str(folder)], cwd=ROOT)
        try:
            until(page, (folder / "run.json").exists)
            page.goto(f"{url}/train?panel=-none")
            state = page.get_by_text(re.compile(r"^Training step [1-9][\d,]* · [\d,]+ in all"))
            expect(state).to_be_visible()
            first = state.inner_text()
            until(page, lambda: state.inner_text() != first)
            expect(page.locator(".js-plotly-plot").first).to_be_visible()
            page.locator(".st-key-train_stop button").click()
            expect(page.get_by_text(re.compile("Stopped at training step"))).to_be_visible()
            assert trainer.wait(120) == 0
        finally:
            trainer.kill()
        assert query(page)["run"] == folder.name
        page.goto(f"{url}/train?run={folder.name}&training_step=0&panel=-none")
        expect(page.get_by_text("Show the network as it was at training step 0:")).to_be_visible()
        link = page.get_by_role("link", name="Step", exact=True).last
        assert link.evaluate("each => new URL(each.href).pathname") == "/"  # as a new tab opens it
        rerun(page, link.click)
        until(page, lambda: query(page).get("net", "").startswith(f"{folder.name}@0~"))
        assert query(page)["training_step"] == "0"
        expect(page.locator('[data-quantity="hidden"]').first).to_be_attached()
