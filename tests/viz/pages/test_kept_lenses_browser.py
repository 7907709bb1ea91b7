"""Files of the open panels of Train, Search, Layer and Checkpoint, downloaded from the page, have its numbers."""

import pytest

from models.training.training_loop import train
from models.training.training_options import TrainingOptions
from tests.support.browser import opened_page, serve, settle, until
from tests.support.offline_page import offline_page
from tests.viz.pages.test_keep_panels_browser import CELLS, NUMBERS, keep

CURVES = """(plots) => plots.map(({ _fullData }) => _fullData.map(({ name, x, y, z }) => [name, ...[x, y, z].map(
  (values) => values && Array.from(values).flatMap((each) => (typeof each === "object" ? Array.from(each) : [each])))]))"""

PAGES = {
    "train": ("/train?run=a&panel=learning_curves", "learning_curves"),
    "search": ("/search?net=counter&panel=text_search", "text_search"),
    "layer": ("/layer?panel=returned_states,layer_parameters", "returned_states"),
    "checkpoint": ("/checkpoint?net=counter&panel=contents,anomalies", "anomalies"),
}
"""A page of each lens, and the panel whose numbers are compared."""


@pytest.fixture(scope="module")
def lenses(tmp_path_factory):
    """The app with a training run."""
    runs = tmp_path_factory.mktemp("runs")
    train(TrainingOptions(task="counting", units=4, embedding=0, examples=24, steps=8, record_every=2), runs / "a")
    with serve(str(runs)) as url:
        yield url


def shown(page, panel: str) -> dict[str, list]:
    """Return the values, table cells and curves inside an element, by what they are."""
    return {
        "values": page.eval_on_selector_all(f"{panel} [data-quantity][data-value]", NUMBERS),
        "cells": page.locator(f"{panel} table tr").evaluate_all(CELLS),
        "curves": page.locator(f"{panel} .js-plotly-plot").evaluate_all(CURVES),
    }


@pytest.mark.parametrize("lens", PAGES)
def test_the_file_has_the_numbers_of_the_page(lenses, browser, tmp_path, lens):
    path, panel = PAGES[lens]
    with opened_page(browser, lenses + path) as page:
        page.locator(f".st-key-panel_{panel}").scroll_into_view_if_needed()
        until(page, lambda: any(shown(page, f".st-key-panel_{panel}").values()))
        settle(page)
        there = shown(page, f".st-key-panel_{panel}")
        kept = keep(page, tmp_path)
    with offline_page(browser, kept, ready=".unrolled-kept-panel") as offline:
        offline.locator(f'[data-panel="{panel}"]').scroll_into_view_if_needed()

        def equal() -> None:
            assert shown(offline, f'[data-panel="{panel}"]') == there

        until(offline, equal)
