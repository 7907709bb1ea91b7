"""Files that do not show all of their network, in a browser: the sentence beside the prediction, until it is corrected."""

import re

import pytest
import torch
from playwright.sync_api import Page, expect

from tests.models.checkpoints.test_network_of_file import Classifier, Stacked
from tests.support.browser import rerun, settle
from tests.support.step_page import pick, query
from tests.viz.pages.checkpoint.test_checkpoint_browser import upload

pytestmark = pytest.mark.browser

READOUT = "Assumed, as the file does not show it: the class scores are computed from the last hidden state."
BETWEEN = "Assumed, as the file does not show it: nothing comes between the layers rnn1 → rnn2."
NOT_RUN = "Not run from this file: norm.weight, norm.bias. The numbers below are not this network's own output."
MENU, CHECKBOX = "The class scores are computed from", "Nothing comes between these layers"


def opened(open_page, module, path) -> Page:
    """The Checkpoint page with a file of the module's tensors."""
    torch.save(module.state_dict(), path)
    page = open_page("/checkpoint?net=counter&panel=*")
    upload(page, path)
    return page


def step_through(page: Page) -> None:
    """Open the Step page of the file."""
    page.get_by_role("button", name="Step through the sequence").click()
    page.wait_for_selector(".unrolled-scrubber", state="attached")
    settle(page)


def back(page: Page, control: str) -> None:
    """Open the Checkpoint page of the same file again."""
    page.goto(re.sub(r"/\?", "/checkpoint?", page.url))
    place = page.get_by_text(control).first
    expect(place).to_be_visible()
    settle(page)
    place.scroll_into_view_if_needed()
    settle(page)  # panels that come into view may be drawn now, which closes an open menu


def beside_prediction(page: Page, sentence: str):
    """The caption in the panel of the prediction, not the message at the top of the page."""
    panel = page.locator('[data-testid="stVerticalBlock"]', has=page.locator(".unrolled-prediction"))
    return panel.last.locator('[data-testid="stCaptionContainer"]').filter(has_text=sentence)


def test_the_readout_is_named_beside_the_prediction_until_it_is_chosen(open_page, tmp_path):
    module = Classifier("mean").eval()
    page = opened(open_page, module, tmp_path / "classifier.pt")
    step_through(page)
    expect(beside_prediction(page, READOUT)).to_be_visible()
    back(page, MENU)
    pick(page, MENU, "the mean of the outputs over the time steps")
    expect(page.get_by_text("Assumed, as the file")).to_have_count(0)
    step_through(page)
    expect(page.get_by_text("Assumed, as the file")).to_have_count(0)
    ids = torch.tensor([[int(each) for each in query(page)["text"].split()]])
    with torch.no_grad():
        chances = module(ids)[0].softmax(-1)
    shown = page.locator('[data-quantity="probability"]').evaluate_all(
        "all => all.map(({ dataset }) => Number(dataset.value))"
    )
    assert sorted(shown, reverse=True) == pytest.approx(sorted(chances.tolist(), reverse=True), abs=1e-5)


def test_a_norm_that_is_not_run_stays_named_after_the_layers_are_confirmed(open_page, tmp_path):
    page = opened(open_page, Stacked("norm").eval(), tmp_path / "stacked.pt")
    step_through(page)
    expect(beside_prediction(page, f"{NOT_RUN} {BETWEEN}")).to_be_visible()
    back(page, CHECKBOX)
    rerun(page, lambda: page.get_by_text(CHECKBOX).first.click())
    expect(page.get_by_text("Assumed, as the file")).to_have_count(0)
    step_through(page)
    expect(beside_prediction(page, NOT_RUN)).to_be_visible()
    expect(page.get_by_text("Assumed, as the file")).to_have_count(0)
