"""A saved file in Chromium without a network: its numbers are torch's, and it steps and switches like the app."""

import numpy as np
import pytest
import torch
from playwright.sync_api import expect
from torch import nn

from models import capture, decode, gradient_map, load_network
from tests.support.offline_page import offline_page
from viz.i18n import LANGUAGES
from viz.show import show

pytestmark = pytest.mark.browser

CLOSE = 1e-5
HOSTILE = "</script><script>document.title='run'</script>"


@pytest.fixture(scope="module")
def lstm():
    """Return an LSTM, its input, and torch's own gates and states (T, H) by name, computed step by step."""
    torch.manual_seed(1)
    module, x = nn.LSTM(5, 7, batch_first=True), torch.randn(1, 9, 5)
    names = ("input_gate", "forget_gate", "candidate", "output_gate", "cell", "hidden")
    found = {name: [] for name in names}
    h = c = torch.zeros(7)
    with torch.no_grad():
        for step in range(9):
            rows = module.weight_ih_l0 @ x[0, step] + module.bias_ih_l0 + module.weight_hh_l0 @ h + module.bias_hh_l0
            i, f, g, o = rows.chunk(4)
            i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
            _output, (h, c) = module(x[:, step : step + 1], (h[None, None], c[None, None]))
            h, c = h[0, 0], c[0, 0]
            for name, value in zip(names, (i, f, g, o, c, h), strict=True):
                found[name].append(value)
    return module, x, {name: torch.stack(values).numpy() for name, values in found.items()}


@pytest.fixture
def trace(lstm):
    module, x, _values = lstm
    with torch.no_grad(), capture(module) as recorded:
        module(x)
    return recorded.with_tokens([HOSTILE, *"abcdefgh"])


def mirrored(page, step: int) -> dict[tuple[str, int], float]:
    """Return the numbers of the player's mirror, once it shows this step."""
    page.wait_for_function(
        """(step) => {
          const cells = [...document.querySelectorAll('.unrolled-player [data-unit][data-quantity]')];
          return cells.length && cells.every((cell) => Number(cell.dataset.step) === step);
        }""",
        arg=step,
    )
    cells = page.eval_on_selector_all(
        ".unrolled-player [data-unit][data-quantity]",
        "cells => cells.map(({ dataset: { quantity, unit, value } }) => [quantity, Number(unit), Number(value)])",
    )
    return {(quantity, unit): value for quantity, unit, value in cells}


@pytest.mark.parametrize("lens", ["step", "states"])
def test_every_number_of_every_step_is_torchs(browser, tmp_path, trace, lstm, lens):
    *_, values = lstm
    path = show(trace, lens=lens, step=0).save(tmp_path / "x.html")
    with offline_page(browser, path) as page:
        for step in range(9):
            found = mirrored(page, step)
            for name, expected in values.items():
                shown = np.array([found[name, unit] for unit in range(7)])
                np.testing.assert_allclose(shown, expected[step], atol=CLOSE, rtol=0)
            page.keyboard.press("ArrowRight")
        page.get_by_role("button", name="First time step").click()
        mirrored(page, 0)
        assert page.title() != "run"


def test_it_switches_unit_quantity_language_and_theme(browser, tmp_path, trace, lstm):
    *_, values = lstm
    path = show(trace, step=4, unit=2, quantity="cell").save(tmp_path / "x.html")
    with offline_page(browser, path, scheme="dark") as page:
        readout = page.locator(".unrolled-readout")
        expect(readout).to_contain_text("cell state of unit 2")
        page.locator(".unrolled-unit").fill("5")
        page.get_by_role("button", name="forget gate").first.click()
        expect(readout).to_contain_text(f"forget gate of unit 5 = {values['forget_gate'][4, 5]:.4f}")
        player, html = page.locator(".unrolled-player"), page.locator("html")
        expect(player).to_have_attribute("data-theme", "dark")
        page.get_by_role("button", name="Light", exact=False).first.click()
        expect(player).to_have_attribute("data-theme", "light")
        page.get_by_role("button", name=LANGUAGES["ko"]).click()
        expect(html).to_have_attribute("lang", "ko")
        expect(readout).to_contain_text("망각 게이트")
        expect(page.locator("h2").first).to_have_text("셀의 내부")
        page.mouse.move(0, 0)
        page.locator(".unrolled-heatmap canvas").last.hover()
        expect(page.locator(".unrolled-tooltip")).to_contain_text("시점")


def test_the_place_after_the_number_sign_and_the_line_to_embed(browser, tmp_path, trace):
    path = show(trace).save(tmp_path / "my file.html")
    with offline_page(browser, path, place="step=3&unit=1&quantity=hidden&lang=ko") as page:
        mirrored(page, 3)
        expect(page.locator("html")).to_have_attribute("lang", "ko")
        page.keyboard.press("ArrowRight")
        mirrored(page, 4)
        line = page.locator("footer textarea").input_value()
        assert line.startswith('<iframe src="my%20file.html#step=4&amp;unit=1&amp;quantity=hidden&amp;lang=ko"')


def test_the_link_opens_the_view_that_is_shown(browser, tmp_path):
    path = show("counter", step=2, app="http://localhost:8501/base/").save(tmp_path / "x.html")
    with offline_page(browser, path) as page:
        page.keyboard.press("ArrowRight")
        mirrored(page, 3)
        link = page.locator("footer a").get_attribute("href")
        assert link.startswith("http://localhost:8501/base/?net=counter&") and "&step=3&" in link


def test_attention_weights_and_scores_are_those_of_the_network(browser, tmp_path):
    net, text = load_network("dates-dot"), "April 3, 2024"
    attention = decode(net, text).attention["attention"]
    with offline_page(browser, show(net, text, lens="attention").save(tmp_path / "x.html")) as page:
        weights = '.unrolled-attention-alignment [data-quantity="attention_weight"]'
        assert numbers_at(page, weights) == pytest.approx(attention.weights[0, 0].ravel().tolist(), abs=CLOSE)
        for step in range(3):
            scores = f'.unrolled-decoder-view [data-quantity="attention_score"][data-step="{step}"]'
            assert numbers_at(page, scores) == pytest.approx(attention.scores[0, 0, step].tolist(), abs=1e-4)
            page.keyboard.press("ArrowRight")


def numbers_at(page, selector: str) -> list[float]:
    page.wait_for_selector(selector, state="attached")
    return page.eval_on_selector_all(selector, "cells => cells.map((cell) => Number(cell.dataset.value))")


def test_a_gradient_map_has_the_norms_of_autograd(browser, tmp_path, lstm):
    module, x, _values = lstm
    norms = gradient_map(module, x, torch.ones(1, 9, 7))
    state = torch.zeros(1, 1, 7), torch.zeros(1, 1, 7)
    states = []
    for step in range(9):
        _output, state = module(x[:, step : step + 1], state)
        state[0].retain_grad()
        states.append(state[0])
    states[8].sum().backward()
    with offline_page(browser, show(norms, step=2).save(tmp_path / "x.html")) as page:
        shown = float(page.locator('[data-quantity="pair_norm"]').get_attribute("data-value"))
    assert shown == pytest.approx(float(states[2].grad.norm()), rel=1e-4)


def test_of_a_large_layer_only_the_steps_and_units_in_the_file_are_selected(browser, tmp_path):
    torch.manual_seed(0)
    module = nn.LSTM(4, 600, batch_first=True)
    x = torch.randn(1, 300, 4)
    with torch.no_grad(), capture(module) as recorded:
        output, _state = module(x)
    path = show(recorded, step=100, unit=70, quantity="hidden").save(tmp_path / "x.html")
    with offline_page(browser, path) as page:
        said = page.locator(".unrolled-document-sentences").inner_text()
        assert "too large" in said
        readout = page.locator(".unrolled-readout")
        expect(readout).to_contain_text("Step 101 of 300")
        page.keyboard.press("End")
        last = int(said.split("time steps ")[-1].split(" to ")[1].split(" ")[0])
        expect(readout).to_contain_text(f"Step {last} of 300")
        found = page.locator(f'.unrolled-player [data-quantity="hidden"][data-unit="70"][data-step="{last - 1}"]')
        expect(found).to_have_count(1)
        assert abs(float(found.get_attribute("data-value")) - float(output[0, last - 1, 70])) <= CLOSE


@pytest.mark.parametrize("width", [1280, 1920])
def test_on_paper_nothing_is_outside_the_page(browser, tmp_path, width):
    with offline_page(browser, show("counter", "aabb", lang="en").save(tmp_path / "x.html")) as page:
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_function(
            "() => document.querySelector('.unrolled-cell-diagram svg')?.getBoundingClientRect().width > 500"
        )
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        page.emulate_media(media="print")
        page.set_viewport_size({"width": 950, "height": 1400})  # A4 and its margins, at the scale of Chromium
        outside = """() => [...document.querySelectorAll("h1, p, canvas, svg, table, .unrolled-document-panel")]
          .filter((each) => each.getBoundingClientRect().right > 951).map((each) => each.outerHTML.slice(0, 80))"""
        assert page.evaluate(outside) == []
        panels = page.locator(".unrolled-document-columns > div")
        assert [panels.nth(k).bounding_box()["y"] for k in range(2)] == [panels.first.bounding_box()["y"]] * 2
        expect(page.locator("footer details")).to_be_hidden()
        page.evaluate("dispatchEvent(new Event('afterprint'))")
        page.emulate_media(media="screen")
        assert page.locator("body").get_attribute("style") is None
