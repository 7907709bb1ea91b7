"""Figures of a kept file that nobody has scrolled to: all are drawn, so that they are on paper too."""

from playwright.sync_api import expect

from tests.support.offline_page import offline_page

FIGURES = ".unrolled-updated-figure"


def test_figures_out_of_sight_are_drawn_without_scrolling(open_page, browser, tmp_path):
    page = open_page("/states?net=counter&text=aabbaabb&panel=*")
    with page.expect_download() as download:
        page.locator(".st-key-keep_panels button").first.click()
    kept = tmp_path / "kept.html"
    download.value.save_as(kept)
    with offline_page(browser, kept, ready=FIGURES) as offline:
        expect(offline.locator(f"{FIGURES}:not(:has(.main-svg))")).to_have_count(0)
        assert offline.locator(FIGURES).count() > 1
        assert offline.locator(f"{FIGURES}:not([data-in-sight])").count() > 0
        assert offline.evaluate("scrollY") == 0
