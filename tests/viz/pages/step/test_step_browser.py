"""The Step lens in a real browser: stepping and choosing, every number on the page against torch's own."""

import math
import re

import pytest
import torch
from playwright.sync_api import Page, expect

from models import load_network
from models.core.tokenize_text import display
from tests.support.browser import opened_page, rerun, settle, until
from tests.support.step_page import (
    CLOSE,
    LAST,
    OPENING,
    address_has,
    at_step,
    choose_unit,
    compare,
    computed,
    go,
    link,
    press_from_step,
    press_together,
    query,
    sent_frames,
    step_of,
    unit_of,
)

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def shared(app, browser):
    """One page at the opening view for all tests that only move about in it."""
    with opened_page(browser, app + link(panel="units_at_all_steps")) as page:
        yield page


@pytest.fixture
def opening(shared):
    """The shared page, back at the opening view."""
    shared.evaluate("document.activeElement.blur()")
    choose_unit(shared, OPENING.unit)
    shared.locator(f'.unrolled-chips [data-name="{OPENING.quantity}"]').click()
    go(shared, OPENING.step)
    address_has(shared, step=OPENING.step, unit=OPENING.unit, quantity=OPENING.quantity)
    return shared


# -- the first look ------------------------------------------------------------------------------------


def test_the_first_load_shows_the_first_network_at_its_interesting_step(opening):
    assert query(opening) == {
        "net": "python-lm", "text": OPENING.text, "layer": OPENING.layer, "unit": str(OPENING.unit),
        "step": str(OPENING.step), "quantity": OPENING.quantity, "lang": "en", "panel": "units_at_all_steps",
    }  # fmt: skip
    assert step_of(opening) == OPENING.step and unit_of(opening) == OPENING.unit
    compare(opening, computed("python-lm", OPENING.text)[0][OPENING.layer], OPENING.step)


def test_stepping_asks_the_server_nothing_and_the_numbers_follow(opening):
    layer = computed("python-lm", OPENING.text)[0][OPENING.layer]
    with sent_frames(opening) as frames:
        press_together(opening, *15 * ["ArrowRight"], *5 * ["ArrowLeft"])
        at_step(opening, OPENING.step + 10)
        address_has(opening, step=OPENING.step + 10)
        assert len(frames) == 1  # where the stepping came to rest
    compare(opening, layer, OPENING.step + 10)


def test_home_end_and_the_buttons(opening):
    layer = computed("python-lm", OPENING.text)[0][OPENING.layer]
    for act, step in [
        (lambda: opening.keyboard.press("End"), LAST),
        (lambda: opening.keyboard.press("ArrowRight"), LAST),
        (lambda: opening.keyboard.press("Home"), 0),
        (lambda: opening.keyboard.press("ArrowLeft"), 0),
        (lambda: opening.locator(".unrolled-next").click(), 1),
        (lambda: opening.locator(".unrolled-last").click(), LAST),
        (lambda: opening.locator(".unrolled-previous").click(), LAST - 1),
        (lambda: opening.locator(".unrolled-first").click(), 0),
    ]:
        act()
        at_step(opening, step)
        compare(opening, layer, step)


def test_space_plays_and_pauses_and_playing_tells_the_server_nothing(opening):
    opening.locator(".unrolled-speed").select_option("16")
    opening.evaluate("document.activeElement.blur()")
    with sent_frames(opening) as frames:
        opening.keyboard.press(" ")
        press_from_step(opening, " ", OPENING.step + 8)
        assert not frames
        expect(opening.get_by_role("button", name=re.compile("Play"))).to_be_visible()
        until(opening, lambda: query(opening)["step"] == str(step_of(opening)))
        settle(opening)
        stopped = step_of(opening)
        assert stopped >= OPENING.step + 8 and query(opening)["step"] == str(stopped)


def test_playing_stops_at_the_end(opening):
    go(opening, LAST - 3)
    opening.locator(".unrolled-speed").select_option("16")
    opening.locator(".unrolled-play").click()
    at_step(opening, LAST)
    expect(opening.get_by_role("button", name=re.compile("Play"))).to_be_visible()


def test_a_click_on_a_token_goes_there(opening):
    target = opening.locator(".unrolled-token-strip-marker").bounding_box()
    go(opening, OPENING.step - 4)
    box = opening.locator(".unrolled-token-strip").bounding_box()
    assert box["y"] <= target["y"] and target["y"] + target["height"] <= box["y"] + box["height"] + 4
    opening.mouse.click(target["x"] + target["width"] / 2, target["y"] + target["height"] / 2)
    at_step(opening, OPENING.step)


def test_the_heatmap_chooses_unit_and_step(opening):
    plot = opening.locator('.unrolled-plot[data-name="forget_gate"]')
    plot.scroll_into_view_if_needed()
    column, row = (
        plot.locator(".unrolled-mark-column").bounding_box(),
        plot.locator(".unrolled-mark-row").bounding_box(),
    )
    choose_unit(opening, 300)
    go(opening, 3)
    settle(opening)  # a plot that is drawn anew meanwhile cannot be scrolled to
    plot.scroll_into_view_if_needed()
    moved = plot.locator(".unrolled-mark-row").bounding_box()
    before = plot.bounding_box()
    assert moved["y"] > row["y"]  # the page has not scrolled meanwhile, or not so far that unit 300 is above unit 47
    opening.mouse.click(column["x"] + column["width"] / 2, before["y"] + before["height"] * 0.1)
    at_step(opening, OPENING.step)
    assert unit_of(opening) < 90
    value = float(plot.locator("xpath=..").locator("output").inner_text().replace("−", "-"))
    layer = computed("python-lm", OPENING.text)[0][OPENING.layer]
    assert abs(value - float(layer["forget_gate"][OPENING.step, unit_of(opening)])) < 1e-3


def test_arrow_keys_in_the_heatmap_move_by_unit_and_step(opening):
    area = opening.locator(".unrolled-area").first
    area.focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowUp", "ArrowRight"):
        area.press(key)
    at_step(opening, OPENING.step + 1)
    assert unit_of(opening) == OPENING.unit + 1


# -- the cell, number by number --------------------------------------------------------------------------


def shown_number(text: str) -> float:
    return float(text.strip("()").replace("−", "-").replace("∞", "inf"))


def compare_part(page: Page, part: str, layer: dict[str, torch.Tensor], unit: int, step: int) -> None:
    """Compare the numbers of the cell drawing or of the equations with torch's own: as data and as text."""
    numbers = page.evaluate(
        """(part) => [...document.querySelectorAll(`.unrolled-${part} [data-slot][data-quantity]`)].map(
            ({ dataset: d, textContent }) =>
                [d.quantity, Number(d.unit), Number(d.step), Number(d.value), textContent])""",
        part,
    )
    for quantity, at_unit, at, value, text in numbers:
        if quantity in layer:
            true = float(layer[quantity][step, unit])
        else:
            true = float(layer[quantity.removesuffix("_prev")][step - 1, unit]) if step else 0.0
        assert (at_unit, at) == (unit, step)
        assert abs(value - true) <= CLOSE, (part, quantity)
        assert abs(shown_number(text) - true) <= 0.00051 * max(1, abs(true)), (part, quantity, text)
    assert set(layer) <= {quantity for quantity, *_ in numbers}, part


@pytest.mark.parametrize("name", ["python-lm", "recall-gru", "recall-rnn"])
def test_drawing_equations_and_arithmetic_say_the_same_numbers(open_page, name):
    start = load_network(name).card.default
    page = open_page(link(net=name))
    layer = computed(name, start.text)[0][start.layer]
    steps = len(next(iter(layer.values())))
    difference = page.locator(".unrolled-gate-sum [data-difference]")
    for unit, step in [(start.unit, start.step), (0, 0), (33, steps // 2), (63, steps - 1)]:
        choose_unit(page, unit)
        go(page, step)
        compare(page, layer, step)
        for part in ("cell-diagram", "equations"):
            until(page, lambda part=part, unit=unit, step=step: compare_part(page, part, layer, unit, step))
        for button in page.locator(".unrolled-gate-sum [data-gate]").all():
            if button.is_visible():
                button.click()
                expect(button).to_have_attribute("aria-pressed", "true")
            until(page, lambda: float(difference.get_attribute("data-difference")) < CLOSE)


def test_the_arithmetic_leads_to_the_unit_that_contributed(opening):
    labels = opening.locator(".unrolled-gate-sum .rows .row .label:enabled")
    name = labels.first.inner_text()
    labels.first.click()
    until(opening, lambda: unit_of(opening) == int(re.search(r"\d+", name)[0]))


def test_the_quantity_is_chosen_in_drawing_equations_and_chips_alike(opening):
    opening.locator('.unrolled-equations [data-part="output_gate"]').click()
    expect(opening.locator('.unrolled-chips [data-name="output_gate"]')).to_have_attribute("aria-pressed", "true")
    opening.locator('.unrolled-chips [data-name="cell"]').click()
    address_has(opening, quantity="cell")


# -- what is predicted -----------------------------------------------------------------------------------


def test_predictions_and_surprise_are_torchs(opening):
    net = load_network("python-lm")
    symbols = [display(symbol) for symbol in net.vocabulary]
    _layers, logits, ids = computed("python-lm", OPENING.text)
    probability = logits.double().softmax(-1)
    for step in (0, OPENING.step, LAST):
        go(opening, step)

        def compare_predictions(step: int = step) -> None:
            shown = opening.evaluate(
                """[...document.querySelectorAll('.unrolled-mirror [data-quantity="probability"]')].map(({ dataset: d }) =>
                    [d.token, Number(d.step), Number(d.value)])"""
            )
            assert len(shown) == 8 and all(at == step for _token, at, _value in shown)
            best = probability[step].topk(8)
            for (token, _at, value), true in zip(shown, best.values, strict=True):
                assert abs(value - float(true)) < CLOSE
                assert abs(float(probability[step, symbols.index(token)]) - value) < CLOSE
            surprise = opening.locator('.unrolled-mirror [data-quantity="surprise"]').get_attribute("data-value")
            if step == LAST:
                assert surprise == "NaN"
            else:
                assert abs(float(surprise) + math.log2(float(probability[step, ids[step + 1]]))) < 1e-4

        until(opening, compare_predictions)


def test_a_network_of_numbers_shows_prediction_and_truth(open_page):
    page = open_page(link(net="wave", step=3))
    _layers, output, given = computed("wave", load_network("wave").card.default.text)
    for quantity, true in (("prediction", output[3, 0]), ("truth", given[4, 0])):
        cell = page.locator(f'.unrolled-mirror [data-quantity="{quantity}"]')
        expect(cell).to_have_attribute("data-step", "3")
        assert abs(float(cell.get_attribute("data-value")) - float(true)) < CLOSE


# -- seeing and keeping ------------------------------------------------------------------------------------


def test_everything_can_be_reached_by_keyboard(opening):
    opening.mouse.click(5, 400)
    opening.locator("textarea").focus()
    reached = []
    for _ in range(60):
        opening.keyboard.press("Tab")
        reached.append(
            opening.evaluate(
                """(() => { const { activeElement: e } = document;
                    return `${e.className?.baseVal ?? e.className} ${e.dataset?.name ?? ""} ${e.dataset?.part ?? ""}`; })()"""
            )
        )
    whole = "\n".join(reached)
    for part in (
        "unrolled-play",
        "unrolled-scrubber",
        "forget_gate",
        "unrolled-unit",
        "unrolled-area",
        "unrolled-save",
    ):
        assert part in whole, f"{part} not in {whole}"
    assert any("unrolled-scrubber" in each for each in reached[:12])


def test_space_plays_after_a_click_on_a_page_of_the_navigation(open_page):
    page = open_page("/states?panel=-none")
    rerun(page, page.get_by_role("link", name="Step", exact=True).click)
    page.locator(".unrolled-speed").select_option("16")
    page.get_by_role("link", name="Step", exact=True).focus()
    before = step_of(page)
    page.keyboard.press(" ")
    until(page, lambda: step_of(page) != before)
    page.get_by_role("button", name=re.compile("Pause")).click()
