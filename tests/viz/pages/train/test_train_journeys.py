"""Journeys through the Train lens in a browser: a gradient that explodes, a run that goes on, an LSTM that recalls more."""

import re
import sys
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path
from secrets import token_hex
from types import ModuleType
from urllib.parse import urlencode

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from models import open_run
from models.training.dask_cluster import SCHEDULER
from models.training.training_control import send_command
from models.training.training_loop import prepare
from models.training.training_options import TrainingOptions
from tests.support.browser import opened_page, rerun, serve, until
from tests.support.step_page import query
from viz.reader_cookie import NAME
from viz.view_options import format_options, parse_options

pytestmark = [pytest.mark.browser, pytest.mark.slow]

ENDLESS = TrainingOptions(task="counting", units=6, embedding=0, examples=64, steps=1_000_000, record_every=5)
RECALL = (
    '{"rate":0.02,"forget_bias":5.0,"steps":100,"examples":3300,"validate_every":50,"record_every":50,"snapshots":2}'
)
"""Settings of the task recall with a forget gate that is open at first: 100 steps are enough for an LSTM."""
DISTANCE = 30


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The folder of the runs."""
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def url(folder):
    """The address of an app that trains in this folder, on a cluster of the test: the app's own has a low priority."""
    from distributed import LocalCluster

    options = {"n_workers": 1, "threads_per_worker": 1, "host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        # a worker process would run the main module, which in a process with page tests is the script of one of them
        patch.setitem(sys.modules, "__main__", ModuleType("__main__"))
        cluster = stack.enter_context(LocalCluster(**options))
        patch.setenv(SCHEDULER, cluster.scheduler_address)
        with serve(str(folder)) as address:
            yield address


def state_line(page: Page, text: str):
    """Return the line that says how far the run is, where it has this text."""
    return page.locator(".st-key-train_part_state").get_by_text(re.compile(text))


def number_in(text: str) -> int:
    """Return the training step that a sentence names first."""
    return int(re.search(r"training step ([\d,]+)", text, re.IGNORECASE)[1].replace(",", ""))


def test_without_clipping_the_page_names_the_step_of_the_first_infinity(url, folder, browser):
    with opened_page(browser, f"{url}/train?panel=experiments") as page:
        page.get_by_text("Exploding gradient: with and without clipping").click()
        page.locator(".st-key-train_experiment_clipping button").click()
        until(page, lambda: query(page).get("run", "").startswith("clipping-off-"))
        sentence = page.get_by_text(re.compile("The first NaN or infinity is at training step"))
        expect(sentence).to_be_visible()
        step, place = open_run(folder / query(page)["run"]).first_nonfinite
        text = sentence.inner_text()
        assert number_in(text) == step > 0 and place.sentence.sentence.partition("{")[0] in text
        expect(state_line(page, "because the loss was no longer finite")).to_be_visible()
        clipped = next(each for each in folder.iterdir() if each.name.startswith("clipping-norm-"))
        until(page, lambda: state(clipped) == "finished")
        page.goto(f"{url}/train?run={clipped.name}&panel=run_comparison")
        expect(state_line(page, "Finished at training step 200")).to_be_visible()
        expect(sentence).to_have_count(0)


@pytest.fixture
def endless(folder):
    """The folder of a run that is still to begin and ends with the test: the next one needs the worker and a page at rest."""
    own = folder / f"counting-lstm-{token_hex(6)}"
    prepare(ENDLESS, own)
    yield own
    send_command(own, "stop")


def test_a_run_that_was_stopped_goes_on_after_a_reload_from_the_step_where_it_was(url, endless, browser):
    own = endless
    with opened_page(browser, f"{url}/train?panel=-none") as page:
        reader = next(each["value"] for each in page.context.cookies() if each["name"] == NAME)
        (own / "reader").write_text(sha256(reader.encode()).hexdigest())
        page.goto(f"{url}/train?run={own.name}&panel=-none")
        page.locator(".st-key-train_continue button").click()
        expect(state_line(page, r"^Training step [1-9][\d,]*")).to_be_visible()
        page.locator(".st-key-train_stop button").click()
        stopped = state_line(page, "^Stopped at training step")
        expect(stopped).to_be_visible()
        page.reload()
        expect(stopped).to_be_visible()
        before = number_in(stopped.inner_text())
        page.locator(".st-key-train_continue button").click()
        running = state_line(page, r"^Training step [1-9][\d,]*")
        until(page, lambda: number_in(running.inner_text()) > before + 10)
        page.locator(".st-key-train_stop button").click()
        expect(stopped).to_be_visible()
        steps, losses = open_run(own).scalar("loss/train")
        assert steps[-1] > before > 0 and np.array_equal(steps, np.arange(0, steps[-1] + 1, 5))
        assert np.isfinite(losses).all()


def test_an_lstm_recalls_at_distance_30_what_an_rnn_forgets(url, folder, browser):
    look = urlencode({"look": format_options({"training": RECALL, "sweep": "RNN,LSTM"})})
    with opened_page(browser, f"{url}/train?panel=new_run,run_comparison&{look}") as page:
        page.get_by_role("button", name="Start 2 runs").first.click()
        until(page, lambda: query(page).get("run", "").startswith("recall-rnn-"))
        names = parse_options(query(page)["look"])["runs"].split(",")
        until(page, lambda: all(state(folder / name) == "finished" for name in names))
        rerun(page, page.reload)
        rerun(page, page.get_by_text("Measure the accuracy by distance on new texts").click)
        chart = page.locator('[class*="by_distance"] .js-plotly-plot').last
        read = """(plot, distance) => Object.fromEntries(plot.data.map(
            (curve) => [curve.name.split("-")[1], [...curve.y][[...curve.x].indexOf(distance)]]))"""
        expect(chart).to_be_visible()
        shown = until(page, lambda: chart.evaluate(read, DISTANCE))
        assert shown["lstm"] > 0.6 > 0.3 > shown["rnn"]


def state(run: Path) -> str | None:
    """Return the state of a run; None before its first step."""
    return open_run(run).status if (run / "run.json").exists() else None
