"""The app's shell in a real browser: languages, colours, links, and the way back."""

import re
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import opened_page, rerun, serve, until
from tests.support.step_page import query
from viz.lessons.find_lessons import shipped_lessons

pytestmark = pytest.mark.browser

DEFAULT = "/?panel=-none"
"""The first page with the panels that are open at first."""


def switch(page: Page, language: str) -> None:
    rerun(page, page.get_by_role("radio", name=language).or_(page.get_by_role("button", name=language)).first.click)


@pytest.mark.parametrize(("locale", "lang", "link"), [("en-US", "en", "Copy link"), ("ko-KR", "ko", "링크 복사")])
def test_the_root_is_the_first_lens_in_the_browsers_language_with_its_view_in_the_address(
    open_page, locale, lang, link
):
    page = open_page(DEFAULT, locale=locale)
    expect(page).to_have_title(re.compile("Step|Unrolled" if lang == "en" else "Unrolled"))
    assert {"net", "text", "layer", "unit", "step", "lang"} <= query(page).keys()
    assert query(page)["lang"] == lang
    expect(page.get_by_role("button", name=link)).to_be_visible()


def test_the_switch_keeps_everything_else_and_back_returns(open_page):
    page = open_page(DEFAULT + "&unit=2")
    before = query(page)
    switch(page, "한국어")
    expect(page.get_by_role("button", name="링크 복사")).to_be_visible()
    assert query(page) == before | {"lang": "ko"}
    rerun(page, page.go_back)
    expect(page.get_by_role("button", name="Copy link")).to_be_visible()
    assert query(page) == before


def test_nonsense_in_a_link_is_named_and_the_page_still_stands(open_page):
    page = open_page(DEFAULT + "&step=soon&unit=-1&lang=xx&net=nothing")
    for value in ("soon", "-1", "xx", "nothing"):
        expect(page.get_by_text(f"“{value}”").or_(page.get_by_text(f"'{value}'")).first).to_be_visible()
    assert {"net", "text", "layer", "unit", "step"} <= query(page).keys()
    assert page.locator('[data-testid="stException"]').count() == 0


@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 1024)])
def test_the_page_has_the_colours_of_the_system_and_is_not_wider_than_the_window(open_page, scheme, width):
    page = open_page(DEFAULT, scheme=scheme, width=width)
    red = page.evaluate("""getComputedStyle(document.querySelector('[data-testid="stApp"]')).backgroundColor""")
    brightness = int(re.findall(r"\d+", red)[0])
    assert brightness > 200 if scheme == "light" else brightness < 60
    main = page.get_by_test_id("stMain")
    assert main.evaluate("(main) => main.scrollWidth - main.clientWidth") <= 0


def test_the_menus_show_what_is_looked_at_on_every_page(open_page):
    page = open_page(DEFAULT + "&net=sentiment&layer=rnn.l0_reverse")
    for lens in ("States", "Gradients", "Checkpoint", "Step"):
        rerun(page, page.get_by_role("link", name=lens, exact=True).first.click)
        for label, value in (("Network", "Sentiment analysis of a review"), ("Layer|The layer", "rnn.l0_reverse")):
            expect(page.get_by_role("combobox", name=re.compile(f"^({label})")).first).to_have_value(value)
        assert query(page)["net"] == "sentiment" and query(page)["layer"] == "rnn.l0_reverse"


def test_a_lesson_that_the_command_line_names_is_opened_once(browser):
    with serve("--lesson", "2") as url, opened_page(browser, url) as page:
        until(page, lambda: query(page).get("lesson") == shipped_lessons()[1].name)
        assert urlsplit(page.url).path == "/lessons"
        rerun(page, page.get_by_role("link", name="Step", exact=True).first.click)
        until(page, lambda: urlsplit(page.url).path == "/" and "step" in query(page))
