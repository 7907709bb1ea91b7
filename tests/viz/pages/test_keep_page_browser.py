""" "Keep this page": the file that a page downloads has the numbers and the view of the page, and needs no server."""

import pytest
from playwright.sync_api import expect

from tests.support.offline_page import offline_page

VIEWS = [
    ("/?net=counter&text=aabb&step=2&unit=1&quantity=cell&lang=ko", ".unrolled-player [data-unit][data-quantity]"),
    (
        "/?net=counter&text=aabb&step=1&edits=rnn.l0.forget_bias%3D1",
        ".unrolled-player [data-unit][data-quantity]",
    ),
    ("/states?net=counter&text=aabb&step=2&unit=1&quantity=hidden", ".unrolled-player [data-unit][data-quantity]"),
    ("/gradients?net=counter&text=aabb&step=3", '[data-quantity="pair_norm"]'),
    ("/attention?net=dates-dot&text=April 3, 2024&step=1", '[data-quantity="attention_weight"]'),
]


def values(page, selector: str) -> list[list[str]]:
    page.wait_for_selector(selector, state="attached")
    return page.eval_on_selector_all(
        selector, "found => found.map(({ dataset: d }) => [d.quantity, d.unit ?? '', d.step, d.source ?? '', d.value])"
    )


@pytest.mark.parametrize(("path", "numbers"), VIEWS)
def test_the_file_shows_what_the_page_shows(open_page, browser, tmp_path, path, numbers):
    page = open_page(f"{path}&panel=-none")
    shown = values(page, numbers)
    with page.expect_download() as download:
        page.locator(".st-key-keep_page button").first.click()
    kept = tmp_path / download.value.suggested_filename
    download.value.save_as(kept)
    assert kept.suffix == ".html"
    with offline_page(browser, kept) as offline:
        assert values(offline, numbers) == shown
        expect(offline.locator("html")).to_have_attribute("lang", "ko" if "lang=ko" in path else "en")
        link = offline.locator("footer a").get_attribute("href")
        assert link.startswith(page.url.split("?")[0])
        assert ("edited" in offline.locator(".unrolled-document-sentences").inner_text()) == ("edits=" in path)
