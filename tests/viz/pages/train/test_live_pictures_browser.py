"""The pictures of a run that is being written: drawn into their place, only where they are seen, and never all the time."""

import subprocess
import sys

import pytest
from playwright.sync_api import expect

from tests.support.browser import ROOT, opened_page, rerun, serve, settle, until

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PROGRAM = """
import sys
from models.training.training_loop import train
from models.training.training_options import TrainingOptions

train(TrainingOptions(task="counting", units=8, embedding=0, examples=200, steps=1_000_000, record_every=5), sys.argv[1])
"""
NEWEST = "(plot) => Math.max(...plot._fullData.map(({ x }) => Number([...x].at(-1))))"


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """The address of an app that shows a run which another process writes."""
    folder = tmp_path_factory.mktemp("runs")
    trainer = subprocess.Popen([sys.executable, "-c", PROGRAM, str(folder / "counting-a")], cwd=ROOT)
    try:
        with serve(str(folder)) as address:
            yield address
    finally:
        trainer.kill()


@pytest.fixture
def page(url, browser):
    """The page of the run, as soon as its first chart is drawn."""
    with opened_page(browser, f"{url}/train?panel=-none", height=700) as opened:
        expect(plot_of(opened, "gradient_map")).to_be_visible()
        yield opened


def plot_of(page, name):
    """Return the chart of a name."""
    return page.locator(f".st-key-train_live_{name} .js-plotly-plot")


def until_newer(page, plot):
    """Wait until a chart shows a training step that it did not show."""
    before = plot.evaluate(NEWEST)
    until(page, lambda: plot.evaluate(NEWEST) > before)


def test_a_new_picture_is_drawn_into_the_place_of_the_last_and_keeps_what_the_reader_zoomed(page):
    plot = plot_of(page, "gradient_map")
    plot.evaluate("(plot) => { plot.mark = 1; Plotly.relayout(plot, { 'xaxis.range': [2, 30] }); }")
    for _ in range(3):
        until_newer(page, plot)
    assert plot.evaluate("({ mark, _fullLayout }) => [mark, ..._fullLayout.xaxis.range]") == [1, 2, 30]
    assert page.locator(".js-plotly-plot").count() == page.locator(".unrolled-updated-figure.js-plotly-plot").count()


def test_a_chart_out_of_sight_is_drawn_when_it_comes_into_sight(page):
    maps, norms = plot_of(page, "gradient_map"), plot_of(page, "norms")
    assert norms.count() == 0
    page.locator(".st-key-train_live_norms").scroll_into_view_if_needed()
    expect(norms).to_be_visible()
    expect(page.locator(".unrolled-updated-figure[data-name=train_live_gradient_map][data-in-sight]")).to_have_count(0)
    until_newer(page, norms)  # a picture that was on its way had the maps
    last = maps.evaluate(NEWEST)
    for _ in range(3):
        until_newer(page, norms)
    assert maps.evaluate(NEWEST) == last < norms.evaluate(NEWEST)
    maps.scroll_into_view_if_needed()
    until(page, lambda: maps.evaluate(NEWEST) > last)


def test_the_page_comes_to_rest_between_pictures_in_a_slow_browser(page):
    slow = page.context.new_cdp_session(page)
    slow.send("Emulation.setCPUThrottlingRate", {"rate": 6})
    for _ in range(3):
        until_newer(page, plot_of(page, "gradient_map"))
        settle(page)
    rerun(page, page.locator(".st-key-unfold_recurrent_weights button").click)
    expect(page.locator(".st-key-train_live_radii")).to_be_attached()
    slow.send("Emulation.setCPUThrottlingRate", {"rate": 1})
