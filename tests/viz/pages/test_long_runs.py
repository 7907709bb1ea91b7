"""Runs that are too long to send whole, in a real browser: at every step all numbers are torch's own."""

import re

import numpy as np
import pytest
import torch
from playwright.sync_api import Page, expect
from torch import nn

from models import capture, load_network
from models.decoding.run_network import run_network
from tests.support.browser import opened_page, serve, settle, until
from tests.support.step_page import (
    OPENING,
    address_has,
    at_step,
    choose_unit,
    compare,
    computed,
    enter_text,
    go,
    link,
    mirror,
    query,
    step_of,
)
from viz.payloads.layer_payload import nearby_steps

pytestmark = pytest.mark.browser

TEXT = (OPENING.text * 30)[:2000]


@pytest.fixture(scope="module")
def long_text(app, browser):
    """The Step lens at 2,000 tokens through 384 units."""
    with opened_page(browser, app + link(panel="units_at_all_steps")) as page:
        enter_text(page, TEXT)
        page.evaluate("document.activeElement.blur()")
        yield page


def spans(page: Page) -> dict:
    return page.evaluate("""() => { const { trace, step } = unrolled.store("step");
        return { here: trace.hasStep(step), steps: trace.steps, columns: trace.excerpt.columns }; }""")


def test_every_step_that_is_reached_has_its_exact_numbers(long_text):
    layer = computed("python-lm", TEXT)[0][OPENING.layer]
    for key, step in [("Home", 0), ("ArrowRight", 1), ("End", 1999), ("ArrowLeft", 1998)]:
        long_text.keyboard.press(key)
        at_step(long_text, step)
        compare(long_text, layer, step)
    for step in (700, 44, 45, 1355):
        go(long_text, step)
        compare(long_text, layer, step)
    assert spans(long_text)["steps"] == 2000


def test_stepping_within_what_is_here_asks_the_server_nothing(long_text):
    stay = nearby_steps(run_network(load_network("python-lm"), TEXT), OPENING.layer, 1000).stay
    begin = stay[0] + 4
    assert stay[1] - begin > 8
    go(long_text, begin)
    address_has(long_text, step=begin)
    long_text.evaluate(
        """() => {
            unrolled.store("step").subscribe((changed) => { if (changed.has("near")) window.pieces++; });
            window.pieces = 0;
        }"""
    )
    for key, step in (("ArrowRight", begin + 8), ("ArrowLeft", begin)):
        for _ in range(8):
            long_text.keyboard.press(key)
        at_step(long_text, step)
        address_has(long_text, step=step)
        assert long_text.evaluate("pieces") == 0
    go(long_text, 300)
    address_has(long_text, step=300)
    assert long_text.evaluate("pieces") > 0


def test_holding_an_arrow_key_down_never_outruns_the_numbers(long_text):
    layer = computed("python-lm", TEXT)[0][OPENING.layer]
    go(long_text, 300)
    for _ in range(150):
        long_text.keyboard.press("ArrowRight")
    at_step(long_text, 450)
    compare(long_text, layer, 450)


def test_playing_goes_on_through_what_comes_piece_by_piece(long_text):
    layer = computed("python-lm", TEXT)[0][OPENING.layer]
    go(long_text, 1500)
    long_text.locator(".unrolled-speed").select_option("32")
    long_text.evaluate("document.activeElement.blur()")
    long_text.keyboard.press(" ")
    long_text.wait_for_function("() => unrolled.store('step').step > 1600")
    assert spans(long_text)["here"]
    long_text.keyboard.press(" ")
    expect(long_text.get_by_role("button", name=re.compile("Play"))).to_be_visible()
    until(long_text, lambda: query(long_text)["step"] == str(step_of(long_text)))
    settle(long_text)
    stopped = step_of(long_text)
    compare(long_text, layer, stopped)


def test_another_unit_comes_with_its_numbers_over_the_whole_sequence(long_text):
    go(long_text, 800)
    choose_unit(long_text, 101)
    long_text.wait_for_function(
        """() => { const [first, end] = unrolled.store("step").trace.excerpt.columns;
            return first <= 101 && 101 < end; }"""
    )
    cell = computed("python-lm", TEXT)[0][OPENING.layer]["cell"][:, 101].numpy()
    shown = long_text.evaluate(
        "() => Array.from({ length: 2000 }, (_, step) => unrolled.store('step').trace.value('cell', step, 101))"
    )
    np.testing.assert_allclose(shown, cell, rtol=0, atol=1e-5)
    difference = long_text.locator(".unrolled-gate-sum [data-difference]")
    until(long_text, lambda: float(difference.get_attribute("data-difference")) < 1e-5)


def test_the_heatmap_of_all_steps_is_of_blocks_that_hold_every_spike(long_text):
    hidden = computed("python-lm", TEXT)[0][OPENING.layer]["hidden"].numpy()
    seen = long_text.evaluate("""() => Object.fromEntries(["steps", "places", "low", "high"].map(
        (part) => [part, [...unrolled.store("step").trace.arrays[`detail_${part}:hidden`].data]]))""")
    steps, places = seen["steps"], seen["places"]
    shape = (len(steps) - 1, len(places) - 1)
    low, high = (np.reshape(seen[name], shape) for name in ("low", "high"))
    for k in range(0, shape[0], 7):
        for j in range(0, shape[1], 7):
            block = hidden[steps[k] : steps[k + 1], places[j] : places[j + 1]]
            assert abs(low[k, j] - block.min()) < 1e-5 and abs(high[k, j] - block.max()) < 1e-5
    plot = long_text.locator('.unrolled-plot[data-name="hidden"]')
    plot.scroll_into_view_if_needed()
    box, before = plot.bounding_box(), step_of(long_text)
    long_text.mouse.click(box["x"] + box["width"] / 2, box["y"] + 30)
    until(long_text, lambda: step_of(long_text) != before)
    compare(long_text, computed("python-lm", TEXT)[0][OPENING.layer], step_of(long_text))


def test_a_layer_that_reads_backwards_knows_what_each_step_started_from(browser, tmp_path):
    torch.manual_seed(0)
    module = nn.LSTM(4, 48, bidirectional=True, batch_first=True)
    with torch.inference_mode(), capture(module) as trace:
        module(torch.randn(1, 4000, 4))
    trace.save(tmp_path / "run.npz")
    with (
        serve(str(tmp_path / "run.npz")) as url,
        opened_page(browser, url + link(layer="l0_reverse", step=2000, unit=3)) as page,
    ):
        layer = trace.layers["l0_reverse"]
        for step in (2000, 2001, 0, 3999, 1234):
            go(page, step)
            prev = '.unrolled-cell-diagram [data-quantity="hidden_prev"]'
            page.wait_for_function(f"(step) => document.querySelector('{prev}')?.dataset.step == step", arg=step)
            expected = {name: layer[name] for name in layer} | {
                "hidden_prev": layer.hidden_prev,
                "cell_prev": layer.cell_prev,
            }
            expected = {name: float(values[0, step, 3]) for name, values in expected.items()}
            until(page, lambda expected=expected: _compare_drawing(page, expected))


def _compare_drawing(page: Page, expected: dict[str, float]) -> None:
    shown = page.evaluate(
        """[...document.querySelectorAll('.unrolled-cell-diagram [data-quantity]')].map(({ dataset: d }) =>
            [d.quantity, Number(d.value)])"""
    )
    assert {"hidden_prev", "cell_prev", "cell"} <= {name for name, _value in shown}
    for name, value in shown:
        assert value == pytest.approx(expected[name], abs=1e-6), name


def test_a_run_of_a_hundred_thousand_steps_moves_its_page_along(browser, tmp_path):
    torch.manual_seed(0)
    module = nn.LSTM(2, 6, batch_first=True)
    with torch.inference_mode(), capture(module) as trace:
        module(torch.randn(1, 100_000, 2))
    trace.save(tmp_path / "run.npz")
    layer = {name: torch.tensor(trace.layers["l0"][name][0]) for name in trace.layers["l0"]}
    with serve(str(tmp_path / "run.npz")) as url:
        with opened_page(browser, url + link(step=50_000)) as page:
            for step in (50_000, 99_999, 0, 54_000):
                go(page, step)
                compare(page, layer, step)
        with opened_page(browser, f"{url}/states?step=50000&panel=path,colored_text,-tracking,-saturation") as page:
            go(page, 99_990)
            page.wait_for_function(
                """() => { const at = document.querySelector(".unrolled-running-text [aria-current]");
                    return at?.dataset.step === "99990" && at.dataset.value !== "NaN"; }"""
            )
            shown = {name: value for (name, unit), value in mirror(page).items() if unit == 0}
            assert shown == pytest.approx({name: float(layer[name][99_990, 0]) for name in layer}, abs=1e-5)
            told = page.locator(".unrolled-state-trajectory-readout")
            page.wait_for_function(
                "() => document.querySelector('.unrolled-state-trajectory-readout').dataset.step === '99990'"
            )
            assert told.get_attribute("data-x")
