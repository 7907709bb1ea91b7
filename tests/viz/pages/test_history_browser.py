"""The browser's history: one entry for a change of page, network or text, none for a step; Back takes one press."""

from playwright.sync_api import Page, expect

from tests.support.browser import rerun, settle, until
from tests.support.step_page import address_has, enter_text, pick

# Writing the language of the page, even the same one, makes the browser match the styles of all its elements again.
COUNT_LANGUAGES = """
() => {
  window.languageWrites = 0;
  new MutationObserver((changes) => { window.languageWrites += changes.length; })
    .observe(document.documentElement, { attributeFilter: ["lang"] });
}
"""


def entries(page: Page) -> int:
    """Return the number of entries of the page's history."""
    return page.evaluate("history.length")


def test_each_change_adds_one_entry_and_a_step_none(open_page):
    page = open_page("/?net=counter&panel=-cell,-equations,-prediction,-sum&step=3")
    begin = entries(page)
    page.evaluate(COUNT_LANGUAGES)
    rerun(page, lambda: page.keyboard.press("ArrowRight"))
    address_has(page, step=4)
    assert entries(page) == begin
    assert page.evaluate("[languageWrites, document.documentElement.lang]") == [0, "en"]
    pick(page, "Network", "sentiment")
    address_has(page, net="sentiment")
    assert entries(page) == begin + 1
    enter_text(page, "a good film")
    address_has(page, text="a good film")
    assert entries(page) == begin + 2
    page.locator('[data-testid="stTopNavLink"]', has_text="States").click()
    page.wait_for_url("**/states?*net=sentiment*")
    settle(page)
    assert entries(page) == begin + 3
    page.go_back()
    page.wait_for_url(lambda url: "/states" not in url)
    address_has(page, net="sentiment", text="a good film")
    page.go_back()
    page.go_back()
    address_has(page, net="counter", step=4)
    until(page, lambda: page.locator(".unrolled-scrubber").input_value() == "4")


def test_the_menu_of_a_telephone_closes_once_a_page_is_chosen(open_page):
    page = open_page("/?net=counter&panel=-cell,-equations,-prediction,-sum", width=390, height=844)
    page.locator('[data-testid="stExpandSidebarButton"]').click()
    page.locator('[data-testid="stSidebarNavLink"]', has_text="Edit").click()
    page.wait_for_url("**/edit?*")
    expect(page.locator('[data-testid="stExpandSidebarButton"]')).to_be_visible()
