"""The States lens in a real browser: what a reader does there, and numbers read from the page."""

import itertools
from urllib.parse import urlencode

import numpy as np
import pytest
import torch
from playwright.sync_api import Page
from torch import nn

from models import capture, load_network
from models.decoding.run_network import run_network
from models.states.pca import principal_plane
from models.states.text_properties import text_properties
from tests.support.browser import opened_page, serve, settle, until
from tests.support.step_page import address_has

pytestmark = pytest.mark.browser

OPENING = load_network("python-lm").card.default


def tinted(page: Page) -> tuple[dict[str, str], np.ndarray]:
    """Return the quantity, layer and unit that color the running text, and every token's value."""
    tokens = page.evaluate(
        "[...document.querySelectorAll('.unrolled-running-text [data-value]')].map(({ dataset }) => ({ ...dataset }))"
    )
    assert [int(token["step"]) for token in tokens] == list(range(len(tokens)))
    (what,) = {(token["quantity"], token["layer"], token["unit"]) for token in tokens}
    return dict(zip(("quantity", "layer", "unit"), what, strict=True)), np.array(
        [float(token["value"]) for token in tokens]
    )


def row(page: Page, place: int) -> dict[str, str]:
    return page.locator(f'.unrolled-unit-ranking tr[data-row="{place}"]').evaluate("({ dataset }) => ({ ...dataset })")


def open_row(page: Page, place: int) -> dict[str, str]:
    """Click a row of the list, and wait until the text shows its unit."""
    wanted = row(page, place)
    page.locator(f'.unrolled-unit-ranking tr[data-row="{place}"] button').click()
    page.wait_for_function(
        """({ layer, unit, quantity }) => { const at = document.querySelector(".unrolled-running-text [data-value]")?.dataset;
            return at?.layer === layer && at?.unit === unit && at?.quantity === quantity; }""",
        arg=wanted,
    )
    address_has(page, layer=wanted["layer"], unit=wanted["unit"])
    return wanted


def test_the_first_row_tracks_what_it_says(open_page):
    page = open_page("/states?panel=colored_text,tracking")
    for place in (0, 1):
        wanted = open_row(page, place)
        what, values = tinted(page)
        assert what == {name: wanted[name] for name in ("quantity", "layer", "unit")}
        truth = run_network(load_network("python-lm"), OPENING.text).trace.layers[what["layer"]][what["quantity"]]
        np.testing.assert_allclose(values, truth[0, :, int(what["unit"])], rtol=0, atol=1e-5)
        told = text_properties(list(OPENING.text))[wanted["property"]]
        correlation = float(wanted["correlation"])
        assert np.corrcoef(values, told)[0, 1] == pytest.approx(correlation, abs=1e-4)
        assert float(wanted["heldOut"]) * correlation > 0 and abs(correlation) >= 0.5
        inside, outside = values[told > 0], values[told == 0]
        assert len(inside) and len(outside)
        assert np.sign(inside.mean() - outside.mean()) == np.sign(correlation)


def test_a_row_of_the_shown_layer_asks_the_server_nothing_and_then_tells_it(open_page):
    page = open_page("/states?panel=colored_text,tracking")
    wanted = open_row(page, 0)
    page.wait_for_function("unit => new URLSearchParams(location.search).get('unit') === unit", arg=wanted["unit"])
    assert page.locator(".unrolled-unit").input_value() == wanted["unit"]
    assert page.locator('.unrolled-unit-ranking tr[data-row="0"]').get_attribute("aria-current") == "true"


def test_stepping_moves_the_path_and_the_text_with_no_round_trip(open_page):
    page = open_page("/states?panel=colored_text,path")
    plane = principal_plane(run_network(load_network("python-lm"), OPENING.text).trace.layers[OPENING.layer].hidden[0])
    page.keyboard.press("ArrowRight")
    page.wait_for_function(
        "step => document.querySelector('.unrolled-state-trajectory-readout').dataset.step == step",
        arg=OPENING.step + 1,
    )
    at = page.locator(".unrolled-state-trajectory-readout").evaluate("({ dataset: d }) => [Number(d.x), Number(d.y)]")
    assert at == pytest.approx(plane.points[OPENING.step + 1].tolist(), abs=1e-3)
    assert page.locator(".unrolled-running-text [aria-current=step]").get_attribute("data-step") == str(
        OPENING.step + 1
    )
    address_has(page, step=OPENING.step + 1)


def test_the_brush_follows_its_span(open_page):
    page = open_page("/states?panel=span&net=sentiment")
    page.get_by_text("Best match: unit").wait_for()
    for name, told in (("≤ −threshold", "≤ −0.3"), ("≥ threshold", "≥ 0.3")):  # one of them is there already
        if page.get_by_role("radio", name=name).get_attribute("aria-checked") != "true":
            page.get_by_role("radio", name=name).click()
        page.get_by_text(told).wait_for()
    settle(page)


def test_a_span_is_chosen_by_dragging_over_its_tokens(open_page):
    text = "We talked about it. Although the play was dull, the hotel was not at all slow. I went there on Tuesday."
    page = open_page("/states?" + urlencode({"panel": "span", "net": "sentiment", "text": text}))
    tokens = page.locator(".unrolled-span-picker-text [data-step]")
    tokens.nth(20).scroll_into_view_if_needed()
    start, end = tokens.nth(14).bounding_box(), tokens.nth(16).bounding_box()
    page.mouse.move(start["x"] + 4, start["y"] + start["height"] / 2)
    page.mouse.down()
    page.mouse.move(end["x"] + end["width"] / 2, end["y"] + end["height"] / 2, steps=6)
    chosen = """[...document.querySelectorAll('.unrolled-span-picker-text [data-chosen]')]
        .map((token) => Number(token.dataset.step))"""
    until(page, lambda: page.evaluate(chosen) == [14, 15, 16])
    page.mouse.up()
    page.wait_for_function("() => new URLSearchParams(location.search).get('look') === 'span:14-16'")
    page.get_by_text("Span: not at all").wait_for()
    settle(page)
    until(page, lambda: page.evaluate(chosen) == [14, 15, 16])
    slider = page.get_by_role("slider", name="Span (time steps)")
    assert [slider.nth(k).input_value() for k in (0, 1)] == ["15", "17"]
    slider.nth(1).press("ArrowRight")  # the same by keyboard
    page.wait_for_function("() => new URLSearchParams(location.search).get('look') === 'span:14-17'")
    settle(page)
    until(page, lambda: page.evaluate(chosen) == [14, 15, 16, 17])


def test_a_spike_of_one_step_is_seen_among_blocks_of_many(browser, tmp_path):
    torch.manual_seed(0)
    module, x = nn.LSTM(1, 96, batch_first=True), torch.zeros(1, 2500, 1)
    x[0, 1200] = 50
    with torch.inference_mode(), capture(module) as trace:
        module(x)
    trace.save(tmp_path / "spike.npz")
    gate = trace.layers["l0"]["input_gate"][0]
    with serve(str(tmp_path / "spike.npz")) as url, opened_page(browser, f"{url}/states?panel=-none") as page:
        drawn, mean, edges, places = page.evaluate(
            """() => { const store = unrolled.store("states"), { arrays } = store.trace;
                const read = (shows) => [...unrolled.heatmapField(store, "input_gate", { shows }).array.data];
                const whole = ["steps", "places"].map((part) => [...arrays[`detail_${part}:input_gate`].data]);
                return [read("spikes"), read("mean"), ...whole]; }"""
        )
        shape = len(edges) - 1, len(places) - 1
        drawn, mean = np.reshape(drawn, shape), np.reshape(mean, shape)
        column = int(np.searchsorted(edges, 1200, side="right")) - 1
        assert edges[column + 1] - edges[column] > 5
        for row, (first, last) in enumerate(itertools.pairwise(places)):
            block = gate[edges[column] : edges[column + 1], first:last]
            if np.ptp(block) > 0.3:
                assert drawn[column, row] in (block.min(), block.max())
        assert (np.abs(drawn - mean)[column] > 0.2).any()
        quiet = np.delete(drawn, [0, column, column + 1], axis=0)  # elsewhere nothing happens
        np.testing.assert_array_equal(quiet, np.delete(mean, [0, column, column + 1], axis=0))


def test_a_large_run_is_shown_in_blocks_and_dragging_fetches_the_exact_numbers(browser, tmp_path):
    torch.manual_seed(0)
    module, x = nn.LSTM(4, 96, batch_first=True), torch.randn(1, 2500, 4)
    with torch.inference_mode(), capture(module) as trace:
        module(x)
    trace.save(tmp_path / "large.npz")
    with serve(str(tmp_path / "large.npz")) as url, opened_page(browser, f"{url}/states?panel=-none") as page:
        plot = page.locator('.unrolled-plot[data-name="hidden"]')
        plot.scroll_into_view_if_needed()
        box = plot.bounding_box()
        assert box
        page.mouse.move(box["x"] + 140, box["y"] + 40)
        page.mouse.down()
        page.mouse.move(box["x"] + 190, box["y"] + 90, steps=4)
        page.mouse.up()
        page.get_by_role("button", name="Show the whole map").wait_for()
        settle(page)
        page.wait_for_function(
            '() => !unrolled.store("states").trace.arrays["detail_low:hidden"]'
        )  # a picture's numbers come after the words
        kept = page.evaluate(
            """(() => { const { arrays } = unrolled.store("states").trace;
                const [steps, units] = ["steps", "units"].map((part) => [...arrays[`detail_${part}:hidden`].data]);
                return { steps, units, values: [...arrays["detail_mean:hidden"].data], exact: !arrays["detail_low:hidden"] };
            })()"""
        )
        assert kept["exact"], (kept["steps"][0], kept["steps"][-1], len(kept["units"]))
        hidden = trace.layers["l0"].hidden[0][kept["steps"][0] : kept["steps"][-1]][:, kept["units"]]
        np.testing.assert_allclose(np.reshape(kept["values"], hidden.shape), hidden, rtol=0, atol=1e-6)
        page.get_by_role("button", name="Show the whole map").click()
        page.get_by_role("button", name="Show the whole map").wait_for(state="detached")
        settle(page)
