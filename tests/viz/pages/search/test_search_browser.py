"""A journey: a bracketed span brushed on States, its units elsewhere in the corpus, the third place opened in Step."""

import pytest
from playwright.sync_api import expect

from models import load_network
from models.corpus.pattern_search import find_pattern, pattern_of_span
from models.networks.network import Network
from tests.support.browser import opened_page, serve, until
from viz.pages.search.index_store import start_index
from viz.pages.search.sample_corpora import sample_documents

pytestmark = [pytest.mark.browser, pytest.mark.slow]

TEXT = 'def f(x, y):\n    print("hello", x)\n'
FIRST, LAST = TEXT.index("("), TEXT.index(")")


def states(network: Network, text: str):
    import torch

    from models import capture

    with torch.inference_mode(), capture(network) as trace:
        network.run(network.encode(text))
    return trace.layers["rnn.l0"].hidden[0]


def test_the_third_place_of_a_span_opens_in_step(browser):
    network = load_network("python-lm")
    index = start_index(network, sample_documents(network)).result()
    pattern = pattern_of_span(states(network, TEXT), FIRST, LAST + 1, 0.3)
    found = find_pattern(index, "rnn.l0", "hidden", pattern)
    place = index.document_at(int(found.start[2]))
    step = int(found.stop[2]) - 1 - place.start
    assert found.total >= 3
    address = f"states?net=python-lm&layer=rnn.l0&quantity=hidden&unit={pattern.units[0]}"
    with (
        serve() as url,
        opened_page(
            browser, f"{url}/{address}&panel=span,-tracking,-colored_text,-units_over_time&text={_quoted()}"
        ) as page,
    ):
        tokens = page.locator(".unrolled-span-picker-text [data-step]")
        tokens.nth(LAST).scroll_into_view_if_needed()
        start, end = tokens.nth(FIRST).bounding_box(), tokens.nth(LAST).bounding_box()
        page.mouse.move(start["x"] + 2, start["y"] + start["height"] / 2)
        page.mouse.down()
        page.mouse.move(end["x"] + end["width"] / 2, end["y"] + end["height"] / 2, steps=6)
        page.mouse.up()
        until(page, lambda: f"span%3A{FIRST}-{LAST}" in page.url or f"span:{FIRST}-{LAST}" in page.url)
        page.get_by_role("button", name="Find this span's units elsewhere in a corpus").click()
        expect(page.locator(".unrolled-hits").first).to_have_attribute("data-hits", str(min(20, found.total)))
        page.locator(".st-key-found_spans_open").get_by_text("3", exact=True).click()
        until(page, lambda: f"step={step}" in page.url and "/search" not in page.url)
        for unit, negative in zip(pattern.units, pattern.negative, strict=True):
            at = f'[data-quantity="hidden"][data-layer="rnn.l0"][data-unit="{unit}"][data-step="{step}"]'
            value = until(page, lambda at=at: page.locator(at).first.get_attribute("data-value", timeout=1000))
            assert float(value) <= -0.299 if negative else float(value) >= 0.299


def _quoted() -> str:
    from urllib.parse import quote

    return quote(TEXT)
