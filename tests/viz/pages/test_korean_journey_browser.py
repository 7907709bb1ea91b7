"""The app as a Korean reader opens it: the field's terms by their Korean names, their glosses, and particles that fit."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import settle, show_dark, until
from tests.support.step_page import address_has, at_step, link, step_of, unit_of

PAGES = (
    (link(net="recall-lstm", panel="*"), ("시점", "은닉 상태")),
    ("/states?net=counter", ()),
    ("/gradients?net=recall-lstm", ("기울기 소실", "역전파")),
    ("/edit?net=counter", ()),
    ("/attention?net=dates-dot", ("컨텍스트 벡터", "어텐션 가중치")),
    ("/attention?net=dates-transformer", ("셀프 어텐션",)),
    ("/checkpoint?net=counter", ()),
)
"""Pages, all of their panels open, and terms that each has."""

PAIRS = re.compile(r"은\(는\)|이\(가\)|을\(를\)|와\(과\)|과\(와\)|\(으\)로|이\(에요\)|\{\w+:[^}]*[가-힣]\}")
"""Particles that were not chosen by the word before them, and placeholders whose particle was not filled."""

NEAR = """(gloss) => {
    const style = getComputedStyle(gloss, "::after");
    const caption = gloss.closest('[data-testid="stCaptionContainer"]').getBoundingClientRect();
    const left = caption.left + parseFloat(style.left), top = caption.top + parseFloat(style.top);
    const width = parseFloat(style.width), height = parseFloat(style.height);
    return {
        left, right: left + width, window: innerWidth, text: style.content, opacity: Number(getComputedStyle(
            gloss.closest('[data-testid="stCaptionContainer"]')).opacity),
        uncovered: [[0.1, 0.2], [0.5, 0.5], [0.9, 0.8]].every(([x, y]) =>
            document.elementFromPoint(left + x * width, top + y * height) === gloss),
        colours: [style.color, style.backgroundColor],
    };
}"""


def luminance(colour: str) -> float:
    """Return the relative luminance of a CSS colour (WCAG 2.2)."""
    parts = [int(each) / 255 for each in re.findall(r"\d+", colour)[:3]]
    linear = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def visible_text(page: Page) -> str:
    """Return the text that the page shows."""
    return page.locator('[data-testid="stMain"]').inner_text()


@pytest.mark.parametrize(("path", "terms"), PAGES)
def test_a_page_has_its_terms_and_shows_no_pair_of_particles(open_page, path, terms):
    text = visible_text(open_page(path, locale="ko-KR"))
    assert [term for term in terms if term not in text] == []
    assert re.search("[가-힣]", text) and PAIRS.findall(text) == []


def test_a_term_has_its_gloss_by_keyboard_and_the_glossary_fits_inside_the_window(open_page):
    page = open_page("/gradients?net=recall-lstm&panel=-none", locale="ko-KR")
    term = page.locator('.unrolled-term[data-term="vanishing gradient"]')
    before = page.locator('.unrolled-term[data-term="gradient"]')

    def check_gloss() -> None:
        before.focus()
        page.keyboard.press("Tab")
        expect(term).to_be_focused()
        expect(term).to_have_text("기울기 소실")
        shown = term.evaluate(NEAR)
        assert "역전파되는 시점마다 작아지는 현상" in shown["text"] and shown["opacity"] == 1
        assert 0 <= shown["left"] < shown["right"] <= shown["window"] and shown["uncovered"]
        light, dark = sorted(map(luminance, shown["colours"]), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 7

    check_gloss()
    page.set_viewport_size({"width": 390, "height": 900})
    settle(page)
    until(page, check_gloss)
    for width in (1024, 390):
        show_dark(page, width=width)
        until(page, check_gloss)
    page.get_by_text("용어와 표기").click()
    expect(page.locator(".st-key-glossary")).to_be_visible()
    expect(page.locator(".st-key-glossary")).to_contain_text("망각 게이트")
    wide, high = page.locator(".st-key-glossary").evaluate("(each) => [each.clientWidth, each.clientHeight]")
    assert wide <= 390 and high <= 600


@pytest.mark.parametrize(
    ("path", "net", "step", "unit"),
    [
        ("/?net=recall-lstm&layer=rnn.l0&unit=7&step=3&lang=ko", "recall-lstm", 3, 7),
        ("/?net=python-lm&text=if+a%3A&layer=rnn.l0&unit=42&step=4&quantity=forget_gate&lang=ko", "python-lm", 4, 42),
        ("/?net=counter&edits=rnn.l0.forget_gate%5B0%5D%403-5%3D1&step=4&unit=1&lang=ko", "counter", 4, 1),
    ],
)
def test_a_link_from_before_opens_the_same_view(open_page, path, net, step, unit):
    page = open_page(f"{path}&panel=-none")
    at_step(page, step)
    address_has(page, net=net, step=step, unit=unit)
    assert (step_of(page), unit_of(page)) == (step, unit)
    assert page.locator('[data-testid="stAlert"]').filter(has_text="링크").count() == 0
