"""Pages by keyboard, by finger and by a screen reader: every control has its turn, a stroke steps, the step is spoken."""

import re

import pytest
import torch
from playwright.sync_api import Locator, Page, expect

from models import load_network
from tests.support.browser import opened_page, settle, until
from tests.support.step_page import at_step, computed, step_of

TEXT = ".aabb."
STEP = f"/?net=counter&text={TEXT}&step=0"

# The controls of our components that the tab key should stop at: all that are shown and enabled. Of a group in which the
# arrow keys move, one has tabindex 0 and the others -1.
CONTROLS = """
() => [...document.querySelectorAll(".unrolled :is(button, select, input, summary, a[href], [tabindex])")].filter((each) =>
  each.checkVisibility({ visibilityProperty: true }) && !each.disabled && !each.closest("[inert]") && each.tabIndex >= 0)
  .map((each, k) => { each.dataset.stop = k; return k; })
"""
# What has the focus: its number among the controls, and whether the focus is visible on it and inside the window.
FOCUSED = """
() => {
  const each = document.activeElement;
  const { outlineStyle, outlineWidth } = getComputedStyle(each);
  const drawn = [...each.querySelectorAll("rect")].some((rect) => getComputedStyle(rect).strokeWidth === "3px");
  const { top, bottom, left, right } = each.getBoundingClientRect();
  return {
    stop: each.dataset.stop === undefined ? null : Number(each.dataset.stop),
    name: each.outerHTML.slice(0, 120),
    visible: drawn || (outlineStyle !== "none" && parseFloat(outlineWidth) >= 2),
    inside: bottom > 0 && top < innerHeight && right > 0 && left < innerWidth,
  };
}
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "path", [f"{STEP}&panel=*", "/attention?net=dates-dot&text=4 May 2024&panel=decoder,heads,attention_map"]
)
def test_the_tab_key_stops_at_every_control_and_shows_where(open_page, path):
    page = open_page(path)
    controls = set(page.evaluate(CONTROLS))
    assert len(controls) > 15
    met: dict[int, dict] = {}
    for _ in range(400):
        page.keyboard.press("Tab")
        focused = page.evaluate(FOCUSED)
        if focused["stop"] in met:
            break  # once around
        if focused["stop"] is not None:
            met[focused["stop"]] = focused
    assert [each["name"] for each in met.values() if not (each["visible"] and each["inside"])] == []
    missing = page.evaluate(
        """(met) => [...document.querySelectorAll("[data-stop]")]
            .filter((each) => !met.includes(Number(each.dataset.stop))).map((each) => each.outerHTML.slice(0, 120))""",
        list(met),
    )
    assert missing == []


def test_the_controls_of_the_player_work_by_keyboard(open_page):
    page = open_page(f"{STEP}&panel=cell,equations,heatmap")
    player = page.locator(".unrolled-player")
    player.locator(".unrolled-next").focus()
    page.keyboard.press("Enter")
    at_step(page, 1)
    page.keyboard.press("Space")
    at_step(page, 2)
    page.keyboard.press("ArrowLeft")
    at_step(page, 1)
    page.keyboard.press("End")
    at_step(page, len(TEXT) - 1)
    player.locator('.unrolled-chips button[data-name="forget_gate"]').focus()
    page.keyboard.press("Enter")
    expect(player.locator('.unrolled-chips button[data-name="forget_gate"]')).to_have_attribute("aria-pressed", "true")
    page.locator('.unrolled-cell-diagram [data-part="output_gate"][tabindex]').focus()
    page.keyboard.press("Enter")
    expect(player.locator('.unrolled-chips button[data-name="output_gate"]')).to_have_attribute("aria-pressed", "true")
    player.locator(".unrolled-more").focus()
    page.keyboard.press("Enter")
    expect(player.locator(".unrolled-unit")).to_have_value(str(1 + int(load_network("counter").card.default.unit)))
    page.locator(".unrolled-panel-entries button[tabindex='0']").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".unrolled-panel-entries button:focus")).to_have_attribute("tabindex", "0")


def predicted(step: int) -> tuple[str, str]:
    """Return torch's most probable token after a step, and its probability in percent."""
    _gates, logits, _ids = computed("counter", TEXT)
    probabilities = torch.softmax(logits[step].double(), -1)
    best = int(probabilities.argmax())
    return load_network("counter").vocabulary[best], f"{float(probabilities[best]):.1%}"


def spoken(page: Page) -> Locator:
    """Return the live region of the player."""
    return page.locator(".unrolled-player [role=status]")


@pytest.mark.parametrize(
    ("lang", "sentence"),
    [
        ("en", "Step 3 of 6: 'a', predicted '{token}' {chance}"),
        ("ko", "시점 3/6: '{token_in}', 예측 '{token}' {chance}"),
    ],
)
def test_a_screen_reader_is_told_the_step_and_the_prediction(open_page, lang, sentence):
    page = open_page(f"{STEP}&lang={lang}&panel=cell")
    expect(spoken(page)).to_have_attribute("aria-live", "polite")
    expect(spoken(page)).to_have_text("")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    token, chance = predicted(2)
    expect(spoken(page)).to_have_text(sentence.format(token=token, chance=chance, token_in="a"))
    expect(page.locator("html")).to_have_attribute("lang", lang)


def test_nothing_is_spoken_while_the_steps_are_played(open_page):
    page = open_page(f"{STEP}&panel=-none")
    page.evaluate(
        """() => { window.said = [];
          const region = document.querySelector(".unrolled-player [role=status]");
          const all = { childList: true, characterData: true, subtree: true };
          new MutationObserver(() => said.push(region.textContent)).observe(region, all);
        }"""
    )
    page.locator(".unrolled-speed").select_option("2")  # a step each 500 ms, so that speech would have its time
    page.locator(".unrolled-play").click()
    at_step(page, len(TEXT) - 1)
    expect(spoken(page)).to_have_text(re.compile(f"^Step {len(TEXT)} of {len(TEXT)}: '.'"))
    assert len(page.evaluate("said")) == 1
    others = page.locator(".unrolled-player [aria-live]:not([aria-live=off]):not([role=status])")
    assert others.count() == 0


def stroke(page: Page, selector: str, across: int, down: int) -> None:
    """Draw a finger over an element, from its middle."""
    box = page.locator(selector).bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    session = page.context.new_cdp_session(page)
    point = lambda part: [{"x": x + part * across, "y": y + part * down}]  # noqa: E731
    session.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": point(0)})
    for part in range(1, 11):
        session.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": point(part / 10)})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    session.detach()


def test_a_finger_steps_through_the_sequence_and_scrolls_the_page(app, browser):
    path = f"{STEP}&panel=cell,equations,prediction"
    with opened_page(browser, app + path, width=390, height=844, touch=True) as page:
        strip, main = ".unrolled-token-strip", page.get_by_test_id("stMain")
        stroke(page, strip, -40, 0)
        at_step(page, 1)
        stroke(page, strip, -100, 10)  # further: two steps
        at_step(page, 3)
        stroke(page, strip, 40, 0)
        at_step(page, 2)
        stroke(page, strip, 0, -120)
        until(page, lambda: main.evaluate("each => each.scrollTop") > 60)
        settle(page)
        assert step_of(page) == 2

        # The drawing fits the telephone: there a stroke steps too.
        page.locator(".unrolled-cell-diagram .scroll").scroll_into_view_if_needed()
        stroke(page, ".unrolled-cell-diagram .scroll", 40, 0)
        at_step(page, 1)


def test_the_whole_cell_is_in_the_window_of_a_projector(open_page):
    for kind in ("recall-lstm", "recall-gru", "recall-rnn"):
        page = open_page(f"/?net={kind}&mode=projector&panel=cell", width=1440, height=900)
        drawing = page.locator(".unrolled-cell-diagram svg")
        until(page, lambda drawing=drawing: _bottom(drawing) <= 900)
        assert drawing.bounding_box()["width"] > 600
        page.set_viewport_size({"width": 1440, "height": 760})
        until(page, lambda drawing=drawing: _bottom(drawing) <= 760)


def _bottom(drawing: Locator) -> float:
    box = drawing.bounding_box()
    return box["y"] + box["height"]
