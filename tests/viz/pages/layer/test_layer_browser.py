"""A journey through the Layer page in Korean: the notes' numbers, the returned shapes, and the lines that follow a switch."""

import pytest
from playwright.sync_api import expect

from tests.support.browser import rerun, settle, until


@pytest.mark.slow
def test_a_student_finds_what_a_call_returns(open_page):
    page = open_page("/layer?panel=folded_network", locale="ko-KR")
    states = page.locator(".unrolled-returned-states").first
    expect(states.locator(".numbers")).to_contain_text("0.70387346")
    expect(page.get_by_text("0.6303139와 0.70387346이에요")).to_be_visible()
    # the backward layer's last state is that of the first position
    marks = states.locator("[data-mark]")
    expect(marks).to_have_count(2)
    assert marks.evaluate_all("all => all.map((each) => each.dataset.from)") == ["3", "0"]
    value = states.locator('[data-layer="l0_reverse"][data-quantity="hidden"][data-step="0"][data-unit="0"]')
    assert abs(float(value.get_attribute("data-value")) - 0.70387346) < 1e-6
    code = page.locator('[data-testid="stCode"]').first
    expect(code).not_to_contain_text("return_sequences")
    rerun(page, lambda: page.get_by_text("return_sequences", exact=True).click())
    expect(code).to_contain_text("return_sequences=True")
    expect(states.get_by_role("button", name="output (1, 4, 6)").first).to_have_attribute("aria-pressed", "true")
    states.locator('button[data-tensor="h_n"]').click()
    expect(states.locator("code", has_text="h_n: (2, 1, 3)")).to_be_visible()
    page.wait_for_url("**tensor%3APyTorch.h_n**")
    settle(page)
    box = states.locator("svg.box")
    before = box.locator("polygon").first.get_attribute("points")
    box.focus()
    page.keyboard.press("ArrowRight")
    until(page, lambda: box.locator("polygon").first.get_attribute("points") != before)
    folded = page.locator(".unrolled-folded-network")
    folded.get_by_role("button", name="접기").click()
    expect(folded).to_have_attribute("data-open", "false")
    expect(folded.get_by_role("button", name="펼치기")).to_be_visible()
    page.go_back()  # to the call before the switch
    expect(code).not_to_contain_text("return_sequences")
    until(page, lambda: "/layer" in page.url and "return_sequences" not in page.url)
