"""The Attention lens in a real browser: what it reads of a date, moved elsewhere and back."""

import datetime
import re

import pytest
import torch
from playwright.sync_api import Page, expect

from models import load_network
from models.decoding import ForceAttention, decode
from models.zoo.written_dates import held_out
from tests.support.attention_page import at_step, click_source, link, wait_for_output, weights
from tests.support.browser import settle
from tests.support.step_page import SETTLED, address_has, pieces, rerun, sent_frames, type_

pytestmark = pytest.mark.browser

NET = "dates-additive"
TEXT = load_network(NET).card.default.text
DAYS = (datetime.date(2024, 8, 6), datetime.date(1987, 5, 13), datetime.date(2031, 12, 25))
CLOSE = 1e-5


def unseen(after: datetime.date) -> datetime.date:
    """The first day from there on that training never saw."""
    while not held_out(after):
        after += datetime.timedelta(days=1)
    return after


def korean(day: datetime.date) -> str:
    return f"{day.year}년 {day.month}월 {day.day}일 {'월화수목금토일'[day.weekday()]}요일"


SPELLED = {
    DAYS[0]: "이천이십사년 팔월 육일",
    DAYS[1]: "천구백팔십칠년 오월 십삼일",
}
"""Some of the days in words."""


def test_a_korean_date_is_read_and_its_year_comes_from_the_years_characters(look_at):
    page = look_at(link(net=NET, lang="ko"))
    for day, text in [*((day, korean(day)) for day in map(unseen, DAYS)), *SPELLED.items()]:
        assert held_out(day)
        type_(page, text)
        wait_for_output(page, day.isoformat() + "⊣")
        found = weights(page)
        assert set(found) == set(range(11)) and all(set(row) == set(range(len(text))) for row in found.values())
        for step, row in found.items():
            assert sum(row.values()) == pytest.approx(1, abs=1e-4)
            if step < 4:  # the year's digits
                assert sum(row[place] for place in range(text.index("년"))) > 0.8, (text, step, row)
        expected = decode(load_network(NET), text).attention["attention"].weights[0, 0]
        for step, row in found.items():
            assert [row[place] for place in sorted(row)] == pytest.approx(expected[step].tolist(), abs=CLOSE)


def test_attention_is_forced_elsewhere_and_undone(look_at):
    day = unseen(datetime.date(2026, 11, 1))
    text = korean(day)
    page = look_at(link(net=NET, text=text, step=6))
    before = day.isoformat() + "⊣"
    wait_for_output(page, before)
    place = 0  # the month's last digit is made to read the first of the year
    rerun(page, lambda: (click_source(page, place, len(text)), page.wait_for_timeout(SETTLED)))
    address_has(page, source=place)
    rerun(page, lambda: page.get_by_role("button", name="Attend to this token only").click())
    after = decode(load_network(NET), text, (ForceAttention(place, 6),))
    assert "".join(after.target) != before
    wait_for_output(page, "".join(after.target))
    address_has(page, attend=f"attend[{place}]@6", step=6)
    assert weights(page)[6] == {source: float(source == place) for source in range(len(text))}
    rerun(page, lambda: page.get_by_role("button", name="Undo").click())
    wait_for_output(page, before)
    assert "attend" not in pieces(page)
    expected = decode(load_network(NET), text).attention["attention"].weights[0, 0, 6]
    assert list(weights(page)[6].values()) == pytest.approx(expected.tolist(), abs=CLOSE)


def test_stepping_asks_the_server_nothing_until_it_settles(look_at):
    page = look_at(link(net=NET, text=TEXT, step=0))
    page.locator(".unrolled-decoding").click(position={"x": 5, "y": 5})
    with sent_frames(page) as frames:
        for step in range(1, 6):
            page.keyboard.press("ArrowRight")
            at_step(page, step)
        assert not frames
        page.wait_for_timeout(SETTLED)
        settle(page)
        assert frames
    address_has(page, step=5)
    decoding = decode(load_network(NET), TEXT)
    shown = page.evaluate(
        """[...document.querySelectorAll('.unrolled-mirror [data-quantity="probability"]')].map(({ dataset: d }) =>
            [d.token, Number(d.value)])"""
    )
    assert dict(shown) == pytest.approx(
        dict(zip(decoding.vocabulary, decoding.probability[5].tolist(), strict=True)), abs=CLOSE
    )
    expect(page.locator(".unrolled-written [aria-current=step]")).to_have_text(decoding.target[5])


def test_playing_goes_to_the_end_and_a_click_goes_back(look_at):
    page = look_at(link(net=NET, text=TEXT, step=0))
    page.locator(".unrolled-decoding .unrolled-speed").select_option("16")
    page.locator(".unrolled-decoding .unrolled-play").click()
    at_step(page, 10)
    page.locator(".unrolled-written button").nth(2).click()
    at_step(page, 2)


def test_the_formulas_end_in_the_numbers_of_the_drawing(look_at):
    network = load_network(NET)
    page = look_at(link(net=NET, text=TEXT, step=3, source=6))
    at_step(page, 3)
    attention = decode(network, TEXT).attention["attention"]
    slots = dict(
        page.evaluate(
            """[...document.querySelectorAll(".unrolled-attention_formulas [data-slot]")].map(({ dataset: d }) =>
                [d.slot, Number(d.value)])"""
        )
    )
    unit = int(page.locator(".unrolled-attention_formulas input").input_value())
    assert slots["attention_score"] == pytest.approx(float(attention.scores[0, 0, 3, 6]), abs=CLOSE)
    assert slots["attention_weight"] == pytest.approx(float(attention.weights[0, 0, 3, 6]), abs=CLOSE)
    assert slots["context"] == pytest.approx(float(attention.context[0, 0, 3, unit]), abs=CLOSE)
    decoding = decode(network, TEXT)
    assert slots["probability"] == pytest.approx(float(decoding.token_probability[3]), abs=CLOSE)
    state = torch.tensor(decoding.trace.layers["decoder.l0"].hidden[0, 3])
    assert slots["state_norm"] == pytest.approx(float(state.norm()), abs=CLOSE)
    joined = torch.tanh(network.module.join(torch.cat([torch.tensor(attention.context[0, 0, 3]), state])))
    assert slots["joined"] == pytest.approx(joined[unit].item(), abs=CLOSE)


def test_a_cell_opens_in_the_step_lens(look_at):
    page = look_at(link(net=NET, text=TEXT, step=4, source=2))
    rerun(page, lambda: page.get_by_role("link", name=re.compile("decoder's cell at step 5")).click())
    page.wait_for_selector(".unrolled-player")
    address_has(page, net=NET, layer="decoder.l0", step=4)

    page = look_at(link(net=NET, text=TEXT, step=4, source=2))
    rerun(page, lambda: page.get_by_role("link", name=re.compile("encoder's cell at")).first.click())
    page.wait_for_selector(".unrolled-player")
    address_has(page, net=NET, layer="encoder.l0", step=2)


def test_the_map_and_the_drawing_move_together(look_at):
    page = look_at(link(net=NET, text=TEXT, step=0))
    canvas = page.locator(".unrolled-alignment .unrolled-columns canvas")
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
    canvases = ", ".join(f".unrolled-{each} canvas" for each in ("decoding", "alignment", "contributions"))
    colours = page.evaluate(
        """(canvases) => [...document.querySelectorAll(canvases)].map((canvas) => {
            const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            return new Set(new Uint32Array(data.buffer)).size;
        })""",
        canvases,
    )
    assert len(colours) == drawings and min(colours) > 3, colours


@pytest.mark.parametrize("lang", ["en", "ko"])
@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (1024, "dark")])
@pytest.mark.parametrize("net", [NET, "dates-transformer"])
def test_the_page_fits_and_nothing_is_blank(look_at, net, width, scheme, lang):
    page = look_at(link(net=net, lang=lang), width=width, scheme=scheme)
    page.wait_for_selector(".unrolled-shape svg")
    fits(page)
    text = page.locator('[data-testid="stMain"]').inner_text()
    assert not re.search(r"\{\w+\}|undefined|NaN", text)


def test_a_long_text_scrolls_inside_its_drawing(look_at):
    text = "the museum was closed on the fourth of August, 2024 " * 6
    page = look_at(link(net=NET, text=text))
    fits(page, drawings=5)  # what each symbol contributed waits to be asked for
    columns = page.locator(".unrolled-decoding .unrolled-columns")
    assert columns.evaluate("(it) => it.scrollWidth > it.clientWidth")
    page.keyboard.press("End")
    assert columns.evaluate("(it) => it.scrollLeft") > 0
    # what is written stands in sight above the curves, wherever the map is scrolled to
    alignment = page.locator(".unrolled-alignment .unrolled-columns")
    written = alignment.evaluate(
        """(it) => [0, it.scrollWidth].map((place) => new Promise((done) => {
            it.scrollLeft = place;
            setTimeout(() => {
                const { width } = it.firstChild.firstChild;
                const { data } = it.firstChild.firstChild.getContext("2d").getImageData(0, 0, width, 24);
                done(new Set(new Uint32Array(data.buffer)).size);
            }, 100);
        })).reduce(async (sizes, next) => [...(await sizes), await next], [])"""
    )
    assert min(written) > 3, written


OUTSIDE = """() => [...document.querySelectorAll(".unrolled-heads button, [data-quantity$='_output']")].filter((each) => {
    const panel = each.closest('[data-testid="stVerticalBlock"]').getBoundingClientRect();
    const { left, right } = each.getBoundingClientRect();
    return left < panel.left - 1 || right > panel.right + 1;
}).length"""


@pytest.mark.parametrize("width", [1440, 1024])
def test_heads_and_outputs_stay_inside_their_panels(look_at, width):
    page = look_at(link(net=NET, text="from 4 Aug 2024 to 7 Aug 2024", lang="en"), width=width)
    page.wait_for_selector(".unrolled-heads button")
    assert page.locator("[data-quantity=grown_output_with]").count() > 5 * 20
    assert page.evaluate(OUTSIDE) == 0


def test_pictures_are_kept(look_at, tmp_path):
    page = look_at(link(net=NET))
    for component in ("decoding", "alignment"):
        with page.expect_download() as waiting:
            page.locator(f".unrolled-{component} .unrolled-save").click()
        path = tmp_path / waiting.value.suggested_filename
        waiting.value.save_as(path)
        data = path.read_bytes()
        assert data.startswith(b"\x89PNG") and len(data) > 8000


def test_a_press_is_answered_once(look_at):
    page = look_at(link(net=NET, text=TEXT, step=3))
    page.wait_for_timeout(SETTLED)
    settle(page)
    with sent_frames(page) as frames:
        page.get_by_role("button", name="Mask this token").click()
        page.wait_for_timeout(4 * SETTLED)
        settle(page)
    assert len(frames) == 1  # the player has nothing to tell of what the page itself shows


def test_outputs_beside_each_other_keep_their_probabilities_in_sight(look_at):
    page = look_at(link(net=NET, text="the fourth of August, 2024"), width=1024)
    page.locator('[data-quantity="compared_output"]').first.wait_for()
    wider = page.locator("div[style*=grid-template-columns]").evaluate_all(
        "nodes => nodes.map((node) => node.scrollWidth - node.clientWidth)"
    )
    assert len(wider) >= 3 and max(wider) <= 0
