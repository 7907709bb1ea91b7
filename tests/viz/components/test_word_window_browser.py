"""The sliding window in a plain page: it moves, stops, and reports its place; without motion each press is one word."""

import pytest
from playwright.sync_api import expect

from models.language.word_vectors import window_pairs
from tests.support.plain_page import plain_page
from viz.components.word_window import WORD_WINDOW, word_window_data

pytestmark = pytest.mark.browser

WORDS = ["He", "is", "a", "good", "good", "man"]


@pytest.fixture
def page(browser):
    with plain_page(browser, [(WORD_WINDOW, word_window_data(WORDS, 3, 2))]) as opened:
        opened.clock.install()
        yield opened


def shows(page, middle):
    root = page.locator(".unrolled-word-window")
    expect(root).to_have_attribute("data-middle", str(middle))
    around = window_pairs(WORDS, middle, 2)
    expect(root.locator("dd").first).to_have_text(f"{' + '.join(around)} → {WORDS[middle]}")
    expect(root.locator("dd").last).to_have_text(", ".join(f"{WORDS[middle]} → {each}" for each in around))
    expect(root.locator("[aria-pressed=true]")).to_have_text(WORDS[middle])
    expect(root.locator(".around")).to_have_count(len(around))


def reported(page):
    return [[event, value["middle"]] for _name, event, value in page.evaluate("reports")]


def test_the_window_slides_stops_at_the_end_and_goes_where_it_is_pointed(page):
    shows(page, 3)
    button = page.locator(".unrolled-word-window .move")
    button.click()
    shows(page, 4)
    expect(button).to_have_text("Stop")
    page.clock.run_for(1300)
    shows(page, 5)
    expect(button).to_have_text("Slide the window")
    assert reported(page) == [["middle", 5]]
    page.evaluate("data => mounted[0].update(data)", word_window_data(WORDS, 5, 2))
    button.click()  # from the start
    page.clock.run_for(1300)
    shows(page, 1)
    button.click()
    page.clock.run_for(5000)
    shows(page, 1)
    page.locator(".sentence button").nth(2).click()
    shows(page, 2)
    assert reported(page) == [["middle", 5], ["middle", 1], ["middle", 2]]
    page.evaluate("data => mounted[0].update(data)", word_window_data(WORDS, 3, 2))  # as the browser's Back
    shows(page, 3)


def test_without_motion_each_press_moves_by_one_word(page):
    page.emulate_media(reduced_motion="reduce")
    button = page.locator(".unrolled-word-window .move")
    expect(button).to_have_text("Next word")
    button.click()
    page.clock.run_for(5000)
    shows(page, 4)
    assert reported(page) == [["middle", 4]]
