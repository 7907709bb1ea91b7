"""The Gradients lens in a real browser: what a reader does there, and what it then says."""

import re
from urllib.parse import urlencode

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from models import load_network
from models.gradients.losses import Loss, differentiate
from models.zoo.recall import readable_recall_text
from tests.support.browser import rerun, settle
from tests.support.step_page import sent_frames

pytestmark = pytest.mark.browser

LONG = readable_recall_text(40, "en", 69)


def link(**view: str) -> str:
    """Return the address of a view of the Gradients lens, with the panels that are open at first and those of ``panel``."""
    return "/gradients?" + urlencode({"panel": "-none"} | view)


def norms(page: Page, group: str, net: str, quantity: str) -> np.ndarray:
    """A curve's numbers, by step, as the document holds them."""
    values = page.evaluate(
        """([group, net, quantity]) => [...document.querySelectorAll(
            `[data-group="${group}"] [data-net="${net}"][data-quantity="${quantity}"]`)]
            .map(({ dataset: d }) => [Number(d.step), Number(d.value)])""",
        [group, net, quantity],
    )
    assert [step for step, _value in values] == list(range(len(values)))
    return np.array([value for _step, value in values])


def pair(page: Page, quantity: str) -> tuple[int, int, float]:
    """The picked pair: the loss's step, the state's step, the number."""
    data = page.locator(f'.unrolled-gradient-pair [data-quantity="{quantity}"]').evaluate(
        "({ dataset: d }) => [d.lossStep, d.step, d.value].map(Number)"
    )
    return int(data[0]), int(data[1]), data[2]


def test_at_distance_40_the_first_words_gradient_is_what_training_gave(open_page):
    page = open_page(link(net="recall-lstm"))
    rerun(page, page.get_by_role("radio", name="trained to recall the city").click)
    page.get_by_role("button", name="Use a text with 40 words after the city").click()
    page.wait_for_function(
        """() => document.querySelectorAll('[data-group="comparison"] [data-net="recall-rnn"]').length === 41"""
    )
    settle(page)
    shares = {}
    for kind in ("rnn", "lstm", "gru"):
        found = norms(page, "comparison", f"recall-{kind}", "hidden_grad_norm")
        layer = differentiate(load_network(f"recall-{kind}"), LONG, Loss("answer")).trace.layers["rnn.l0"]
        assert found == pytest.approx(np.linalg.norm(layer.hidden_grad[0].astype(float), axis=-1), rel=1e-5)
        shares[kind] = found[0] / found[-1]
    assert shares["lstm"] > 1e-3
    if shares["rnn"] < 1e-3:
        expect(page.get_by_text("The gradient of the RNN has vanished")).to_be_visible()
    else:  # training made it keep the city: the page says so, and shows the network before training
        expect(page.get_by_text("Training changed the spectral radius of its W_hh")).to_be_visible()
    page.get_by_role("radio", name="same networks before training").click()
    page.wait_for_function(
        """() => document.querySelector(
            '[data-group="comparison"] [data-net="recall-rnn"][data-step="0"]').dataset.value < 1e-10"""
    )
    found = norms(page, "comparison", "recall-rnn", "hidden_grad_norm")
    assert found[0] / found[-1] < 1e-10


def test_a_click_on_the_map_shows_that_pair_and_its_ways_without_the_server(open_page):
    page = open_page(link(net="recall-lstm", text=LONG))
    assert pair(page, "pair_norm")[:2] == (40, 0)
    canvas = page.locator(".unrolled-gradient-heatmap canvas")
    picked = page.locator('.unrolled-gradient-pair [data-quantity="pair_norm"]')
    for width, across, down in ((1440, 0.25, 0.75), (1024, 0.5, 0.9)):
        page.set_viewport_size({"width": width, "height": 900})
        canvas.scroll_into_view_if_needed()
        settle(page)
        with sent_frames(page) as sent:
            box, before = canvas.bounding_box(), picked.get_attribute("data-step")
            canvas.click(position={"x": 64 + across * (box["width"] - 72), "y": down * (box["height"] - 44)})
            expect(picked).not_to_have_attribute("data-step", before)  # drawn with the next frame
            loss, state, value = pair(page, "pair_norm")
            assert abs(loss - 41 * down) < 3 and abs(state - 41 * across) < 3
            layer = differentiate(load_network("recall-lstm"), LONG, Loss("next", step=loss)).trace.layers["rnn.l0"]
            assert value == pytest.approx(np.linalg.norm(layer.hidden_grad[0, state]), rel=1e-3)
            whole = pair(page, "carried_norm")[2]
            assert whole == pytest.approx(np.linalg.norm(layer.cell_grad[0, state]), rel=1e-3)
            straight, other = (pair(page, f"{name}_norm")[2] for name in ("straight", "other"))
            assert abs(straight - other) <= whole * (1 + 1e-5) and whole <= (straight + other) * (1 + 1e-5)
            page.locator(".unrolled-gradient-heatmap .unrolled-area").press("ArrowLeft")
            expect(picked).to_have_attribute("data-step", str(state - 1))
            assert not sent


FIRST = '[data-group="comparison"] [data-net="untrained-lstm"][data-quantity="hidden_grad_norm"][data-step="0"]'


def test_the_curves_follow_a_knob_while_it_moves(open_page):
    page = open_page(link(net="recall-rnn"))
    page.get_by_role("radio", name="untrained, adjustable").click()
    expect(page.locator(FIRST)).to_have_count(1)
    settle(page)
    before = float(page.locator(FIRST).get_attribute("data-value"))
    slider = page.get_by_role("slider", name="Forget gate bias")
    box = slider.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 3 / 7, box["y"] + box["height"] / 2)
    page.mouse.down()
    for share in np.linspace(3 / 7, 0.9, 12):
        page.mouse.move(box["x"] + box["width"] * share, box["y"] + box["height"] / 2)
        page.evaluate("() => new Promise(requestAnimationFrame)")
    page.wait_for_function(  # the button is still down
        "([first, before]) => document.querySelector(first)?.dataset.value > 10 * before", arg=[FIRST, before]
    )
    page.mouse.up()
    settle(page)
    expect(page.locator(".unrolled-gradient-pair [data-quantity=pair_norm]")).to_be_visible()


def test_the_threshold_of_clipping_moves_and_above_the_norm_nothing_is_clipped(open_page):
    page = open_page(link(net="recall-rnn", panel="clipping"))
    slider = page.get_by_role("slider", name="Threshold θ")
    expect(page.get_by_text("Half of the gradient norm shown comes from")).to_be_visible()
    slider.press("End")
    expect(page.get_by_text("The norm is below the threshold, so nothing is clipped")).to_be_visible()


def test_the_loss_can_be_a_units_value_and_the_page_is_korean_where_the_reader_is(open_page):
    page = open_page(link(net="recall-gru", step="20", unit="3"), locale="ko-KR", scheme="dark")
    page.get_by_role("radio", name="유닛 하나의 값").click()
    page.wait_for_function(
        """() => document.querySelector('[data-group="gradient-norms"] [data-step="20"]')?.dataset.value === "1.0" """
    )
    settle(page)
    assert not norms(page, "gradient-norms", "recall-gru", "hidden_grad_norm")[21:].any()
    assert re.search("[가-힣]", page.locator(".unrolled-gradient-pair-steps").inner_text())
    main = page.locator('[data-testid="stMain"]')
    assert main.evaluate("(main) => main.scrollWidth - main.clientWidth") <= 0
