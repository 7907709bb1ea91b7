"""The Attention lens in a real browser: what it reads of a date, moved elsewhere and back."""

import datetime
import re

import pytest
import torch
from playwright.sync_api import Page, expect

from models import load_network
from models.decoding import ForceAttention, decode
from models.zoo.written_dates import is_held_out
from tests.support.attention_page import at_step, click_source, link, shown_weights, wait_for_output
from tests.support.browser import requests, rerun, settle, show_dark, until
from tests.support.step_page import address_has, enter_text, press_together, query, sent_frames

pytestmark = pytest.mark.browser

NET = "dates-additive"
TEXT = load_network(NET).card.default.text
DAYS = (datetime.date(2024, 8, 6), datetime.date(1987, 5, 13), datetime.date(2031, 12, 25))
CLOSE = 1e-5
REPORTED = 3000
"""Milliseconds of the page's own clock after which the player has reported where the reader stopped."""


def unseen(after: datetime.date) -> datetime.date:
    """The first day from there on that training never saw."""
    while not is_held_out(after):
        after += datetime.timedelta(days=1)
    return after


def korean(day: datetime.date) -> str:
    return f"{day.year}년 {day.month}월 {day.day}일 {'월화수목금토일'[day.weekday()]}요일"


SPELLED = {
    DAYS[0]: "이천이십사년 팔월 육일",
    DAYS[1]: "천구백팔십칠년 오월 십삼일",
}
"""Some of the days in words."""


def test_a_korean_date_is_read_and_its_year_comes_from_the_years_characters(open_page):
    page = open_page(link(net=NET, lang="ko"))
    for day, text in [*((day, korean(day)) for day in map(unseen, DAYS)), *SPELLED.items()]:
        assert is_held_out(day)
        enter_text(page, text)
        wait_for_output(page, day.isoformat() + "⊣")
        found = shown_weights(page)
        assert set(found) == set(range(11)) and all(set(row) == set(range(len(text))) for row in found.values())
        for step, row in found.items():
            assert sum(row.values()) == pytest.approx(1, abs=1e-4)
            if step < 4:  # the year's digits
                assert sum(row[place] for place in range(text.index("년"))) > 0.8, (text, step, row)
        expected = decode(load_network(NET), text).attention["attention"].weights[0, 0]
        for step, row in found.items():
            assert [row[place] for place in sorted(row)] == pytest.approx(expected[step].tolist(), abs=CLOSE)


def test_attention_is_forced_elsewhere_and_undone(open_page):
    day = unseen(datetime.date(2026, 11, 1))
    text = korean(day)
    page = open_page(link(net=NET, text=text, step=6))
    before = day.isoformat() + "⊣"
    wait_for_output(page, before)
    place = 0  # the month's last digit is made to read the first of the year
    rerun(page, lambda: click_source(page, place, len(text)))
    address_has(page, source=place)
    rerun(page, lambda: page.get_by_role("button", name="Attend to this token only").click())
    after = decode(load_network(NET), text, (ForceAttention(place, 6),))
    assert "".join(after.target) != before
    wait_for_output(page, "".join(after.target))
    address_has(page, attend=f"attend[{place}]@6", step=6)
    assert shown_weights(page)[6] == {source: float(source == place) for source in range(len(text))}
    rerun(page, lambda: page.get_by_role("button", name="Undo").click())
    wait_for_output(page, before)
    assert "attend" not in query(page)
    expected = decode(load_network(NET), text).attention["attention"].weights[0, 0, 6]
    assert list(shown_weights(page)[6].values()) == pytest.approx(expected.tolist(), abs=CLOSE)


def test_stepping_asks_the_server_nothing_until_it_settles(open_page):
    page = open_page(link(net=NET, text=TEXT, step=0))
    page.locator(".unrolled-decoder-view").click(position={"x": 5, "y": 5})
    with sent_frames(page) as frames:
        press_together(page, *5 * ["ArrowRight"])
        at_step(page, 5)
        address_has(page, step=5)
        assert len(frames) == 1  # where the stepping came to rest
    decoding = decode(load_network(NET), TEXT)
    shown = page.evaluate(
        """[...document.querySelectorAll('.unrolled-mirror [data-quantity="probability"]')].map(({ dataset: d }) =>
            [d.token, Number(d.value)])"""
    )
    assert dict(shown) == pytest.approx(
        dict(zip(decoding.vocabulary, decoding.probability[5].tolist(), strict=True)), abs=CLOSE
    )
    expect(page.locator(".unrolled-output-tokens [aria-current=step]")).to_have_text(decoding.target[5])


def test_playing_goes_to_the_end_and_a_click_goes_back(open_page):
    page = open_page(link(net=NET, text=TEXT, step=0))
    page.locator(".unrolled-decoder-view .unrolled-speed").select_option("16")
    page.locator(".unrolled-decoder-view .unrolled-play").click()
    at_step(page, 10)
    page.locator(".unrolled-output-tokens button").nth(2).click()
    at_step(page, 2)


def test_the_formulas_end_in_the_numbers_of_the_drawing(open_page):
    network = load_network(NET)
    page = open_page(link(net=NET, text=TEXT, step=3, source=6))
    at_step(page, 3)
    attention = decode(network, TEXT).attention["attention"]
    slots = dict(
        page.evaluate(
            """[...document.querySelectorAll(".unrolled-attention-formulas [data-slot]")].map(({ dataset: d }) =>
                [d.slot, Number(d.value)])"""
        )
    )
    unit = int(page.locator(".unrolled-attention-formulas input").input_value())
    assert slots["attention_score"] == pytest.approx(float(attention.scores[0, 0, 3, 6]), abs=CLOSE)
    assert slots["attention_weight"] == pytest.approx(float(attention.weights[0, 0, 3, 6]), abs=CLOSE)
    assert slots["context"] == pytest.approx(float(attention.context[0, 0, 3, unit]), abs=CLOSE)
    decoding = decode(network, TEXT)
    assert slots["probability"] == pytest.approx(float(decoding.token_probability[3]), abs=CLOSE)
    state = torch.tensor(decoding.trace.layers["decoder.l0"].hidden[0, 3])
    assert slots["state_norm"] == pytest.approx(float(state.norm()), abs=CLOSE)
    joined = torch.tanh(network.module.join(torch.cat([torch.tensor(attention.context[0, 0, 3]), state])))
    assert slots["joined"] == pytest.approx(joined[unit].item(), abs=CLOSE)


def test_a_cell_opens_in_the_step_lens(open_page):
    page = open_page(link(net=NET, text=TEXT, step=4, source=2))
    rerun(page, lambda: page.get_by_role("link", name=re.compile("Decoder cell at step 5")).click())
    page.wait_for_selector(".unrolled-player")
    address_has(page, net=NET, layer="decoder.l0", step=4)

    page = open_page(link(net=NET, text=TEXT, step=4, source=2))
    rerun(page, lambda: page.get_by_role("link", name=re.compile("Forward encoder cell at")).first.click())
    page.wait_for_selector(".unrolled-player")
    address_has(page, net=NET, layer="encoder.l0", step=2)


def test_the_map_and_the_drawing_move_together(open_page):
    page = open_page(link(net=NET, text=TEXT, step=0))
    canvas = page.locator(".unrolled-attention-alignment .unrolled-columns canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    column, step = 7, 8
    top = 116 + 2 * 30 + 8  # of the map: below the curves and two rows of symbols
    page.mouse.click(box["x"] + (column + 0.5) * box["width"] / len(TEXT), box["y"] + top + (step + 0.5) * 24)
    at_step(page, step)
    address_has(page, step=step, source=column)


def fits(page: Page, drawings: int = 6) -> None:
    assert page.evaluate(
        """["stMain", "stMainBlockContainer"].every((name) => {
            const box = document.querySelector(`[data-testid="${name}"]`);
            return box.scrollWidth <= box.clientWidth;
        })"""
    )
    canvases = ", ".join(
        f".unrolled-{each} canvas" for each in ("decoder-view", "attention-alignment", "token-contributions")
    )

    def drawn() -> None:
        colours = page.evaluate(
            """(canvases) => [...document.querySelectorAll(canvases)].map((canvas) => {
                const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
                return new Set(new Uint32Array(data.buffer)).size;
            })""",
            canvases,
        )
        assert len(colours) == drawings and min(colours) > 3, colours

    until(page, drawn)


@pytest.mark.parametrize(("net", "lang"), [(NET, "en"), ("dates-transformer", "ko")])
def test_the_page_fits_and_nothing_is_blank(open_page, net, lang):
    page = open_page(link(net=net, lang=lang, panel="*"))
    page.wait_for_selector(".unrolled-sequence-shape svg")
    fits(page)
    show_dark(page, width=1024)
    fits(page)
    text = page.locator('[data-testid="stMain"]').inner_text()
    assert not re.search(r"\{\w+\}|undefined|NaN", text)


def test_a_long_text_scrolls_inside_its_drawing(open_page):
    text = "the museum was closed on the fourth of August, 2024 " * 6
    page = open_page(link(net=NET, text=text, panel="token_contributions"))
    fits(page, drawings=5)  # the contributions are computed on request
    columns = page.locator(".unrolled-decoder-view .unrolled-columns")
    assert columns.evaluate("(it) => it.scrollWidth > it.clientWidth")
    page.keyboard.press("End")
    until(page, lambda: columns.evaluate("(it) => it.scrollLeft") > 0)
    # the output is visible above the curves, wherever the map is scrolled to
    alignment = page.locator(".unrolled-attention-alignment .unrolled-columns")
    written = alignment.evaluate(
        """async (it) => {
            const sizes = [];
            for (const place of [0, it.scrollWidth]) {
                it.scrollLeft = place;
                for (let frame = 0; frame < 3; frame++) await new Promise(requestAnimationFrame);
                const { width } = it.firstChild.firstChild;
                const { data } = it.firstChild.firstChild.getContext("2d").getImageData(0, 0, width, 24);
                sizes.push(new Set(new Uint32Array(data.buffer)).size);
            }
            return sizes;
        }"""
    )
    assert min(written) > 3, written


OUTSIDE = """() => [
    ...document.querySelectorAll(".unrolled-attention-heads button, [data-quantity$='_output']"),
].filter((each) => {
    const panel = each.closest('[data-testid="stVerticalBlock"]').getBoundingClientRect();
    const { left, right } = each.getBoundingClientRect();
    return left < panel.left - 1 || right > panel.right + 1;
}).length"""


def test_heads_and_outputs_stay_inside_their_panels(open_page):
    page = open_page(link(net=NET, text="from 4 Aug 2024 to 7 Aug 2024", panel="same_text,two_dates,heads"))
    page.wait_for_selector(".unrolled-attention-heads button")
    assert page.locator("[data-quantity=grown_output_with]").count() > 5 * 20
    for width in (1440, 1024):
        page.set_viewport_size({"width": width, "height": 900})
        settle(page)
        until(page, lambda: page.evaluate(OUTSIDE) == 0)


def test_pictures_are_kept(open_page, tmp_path):
    page = open_page(link(net=NET))
    for component in ("decoder-view", "attention-alignment"):
        with page.expect_download() as waiting:
            page.locator(f".unrolled-{component} .unrolled-save").click()
        path = tmp_path / waiting.value.suggested_filename
        waiting.value.save_as(path)
        data = path.read_bytes()
        assert data.startswith(b"\x89PNG") and len(data) > 8000


def test_a_press_is_answered_once(open_page):
    page = open_page(link(net=NET, text=TEXT, step=3), clock=True)
    page.clock.run_for(REPORTED)
    settle(page)
    before = requests(page)
    rerun(page, page.get_by_role("button", name="Mask this token").click)
    page.clock.run_for(REPORTED)
    settle(page)
    assert requests(page) == before + 1  # the player has nothing to report of what the page itself shows


def test_outputs_beside_each_other_keep_their_probabilities_in_sight(open_page):
    page = open_page(link(net=NET, text="the fourth of August, 2024", panel="same_text"), width=1024)
    page.locator('[data-quantity="compared_output"]').first.wait_for()
    wider = page.locator(".unrolled-outputs").evaluate_all(
        "nodes => nodes.map((node) => node.scrollWidth - node.clientWidth)"
    )
    assert len(wider) >= 3 and max(wider) <= 0
