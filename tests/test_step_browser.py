"""The Step lens in a real browser: what a reader does, and numbers read from the page against torch's own."""

import math
import re
from contextlib import contextmanager
from functools import cache
from urllib.parse import urlencode

import numpy as np
import pytest
import torch
from playwright.sync_api import Page, expect
from torch import nn

from models import capture, load_network, load_trace
from models.text import display
from tests import oracle
from tests.browser import look, serve, settle

pytestmark = pytest.mark.browser

CLOSE = 1e-5
OPENING = load_network("python-lm").card.default
LAST = len(OPENING.text) - 1
SETTLED = 700
"""Milliseconds after which the player has told Python where the reader stopped (it waits 400)."""


# -- reading a page -------------------------------------------------------------------------------------


@cache
def computed(name: str, text: str):
    """What torch says: every gate and state of every layer, a step at a time, and the logits."""
    net = load_network(name)
    ids = net.encode(text)
    with torch.no_grad():
        return oracle.network(net.module, ids), net.module(ids)[0], ids[0]


def mirror(page: Page) -> dict[tuple[str, int], float]:
    """Every number of the layer at the current step, by quantity and unit."""
    cells = page.evaluate(
        """[...document.querySelectorAll(".unrolled-mirror [role=cell]")].map(({ dataset: d }) =>
            [d.quantity, Number(d.unit), Number(d.step), d.layer, Number(d.value)])"""
    )
    assert len({(step, layer) for _quantity, _unit, step, layer, _value in cells}) == 1
    return {(quantity, unit): value for quantity, unit, _step, _layer, value in cells}


def at_step(page: Page, step: int) -> None:
    """Wait until the page, and its mirror, is at this step."""
    page.wait_for_function(
        """(step) => document.querySelector(".unrolled-scrubber")?.value == step
            && document.querySelector(".unrolled-mirror [role=cell]")?.dataset.step == step""",
        arg=step,
    )


def step_of(page: Page) -> int:
    return int(page.locator(".unrolled-scrubber").input_value())


def unit_of(page: Page) -> int:
    return int(page.locator(".unrolled-unit").input_value())


def pieces(page: Page) -> dict[str, str]:
    return page.evaluate("Object.fromEntries(new URLSearchParams(location.search))")


def address_has(page: Page, **wanted: object) -> None:
    page.wait_for_function(
        """(wanted) => { const here = new URLSearchParams(location.search);
            return Object.entries(wanted).every(([name, value]) => here.get(name) === value); }""",
        arg={name: str(value) for name, value in wanted.items()},
    )


def link(**view: object) -> str:
    return "/?" + urlencode(view)


def rerun(page: Page, act) -> None:
    """Do something that Python answers, and wait for the answer to stand."""
    act()
    page.wait_for_timeout(150)
    settle(page)


def pick(page: Page, label: str, option: str) -> None:
    page.get_by_role("combobox", name=re.compile(label)).click()
    page.get_by_role("option", name=option, exact=True).click()
    page.wait_for_timeout(150)
    settle(page)


def type_(page: Page, text: str) -> None:
    area = page.locator("textarea")
    area.fill(text)
    rerun(page, lambda: area.press("Control+Enter"))


def choose_unit(page: Page, unit: int) -> None:
    page.locator(".unrolled-unit").fill(str(unit))
    page.locator(".unrolled-unit").press("Tab")
    page.wait_for_function("unit => document.querySelector('.unrolled-unit').value == unit", arg=unit)


def go(page: Page, step: int) -> None:
    page.locator(".unrolled-scrubber").fill(str(step))
    page.evaluate("document.activeElement.blur()")
    at_step(page, step)


def compare(page: Page, layer: dict[str, torch.Tensor], step: int) -> None:
    """The whole mirror against torch. A float32 cell of 170 has a last place of 1.5e-5, hence the relative part."""
    shown = mirror(page)
    units = {quantity: values.shape[1] for quantity, values in layer.items()}
    assert set(shown) == {(quantity, unit) for quantity, count in units.items() for unit in range(count)}
    for (quantity, unit), value in shown.items():
        true = float(layer[quantity][step, unit])
        assert abs(value - true) <= CLOSE + 2e-6 * abs(true), (quantity, unit, step, value, true)


@contextmanager
def sent_frames(page: Page):
    """The websocket messages that the browser sends meanwhile."""
    session = page.context.new_cdp_session(page)
    frames: list[dict] = []
    session.on("Network.webSocketFrameSent", lambda frame: frames.append(frame))
    session.send("Network.enable")
    yield frames
    session.detach()


@pytest.fixture(scope="module")
def shared(app, browser):
    """One page at the opening view for all tests that only move about in it."""
    with look(browser, app) as page:
        yield page


@pytest.fixture
def opening(shared):
    """The shared page, back at the opening view."""
    shared.evaluate("document.activeElement.blur()")
    choose_unit(shared, OPENING.unit)
    shared.locator(f'.unrolled-chips [data-name="{OPENING.quantity}"]').click()
    go(shared, OPENING.step)
    address_has(shared, step=OPENING.step, unit=OPENING.unit, quantity=OPENING.quantity)
    settle(shared)
    return shared


# -- the first look ------------------------------------------------------------------------------------


def test_the_first_load_shows_the_first_network_at_its_interesting_step(opening):
    assert pieces(opening) == {
        "net": "python-lm", "text": OPENING.text, "layer": OPENING.layer, "unit": str(OPENING.unit),
        "step": str(OPENING.step), "quantity": OPENING.quantity, "lang": "en",
    }  # fmt: skip
    assert step_of(opening) == OPENING.step and unit_of(opening) == OPENING.unit
    compare(opening, computed("python-lm", OPENING.text)[0][OPENING.layer], OPENING.step)


def test_stepping_asks_the_server_nothing_and_the_numbers_follow(opening):
    layer = computed("python-lm", OPENING.text)[0][OPENING.layer]
    with sent_frames(opening) as frames:
        for _ in range(15):
            opening.keyboard.press("ArrowRight")
        for _ in range(5):
            opening.keyboard.press("ArrowLeft")
        at_step(opening, OPENING.step + 10)
        assert not frames
        opening.wait_for_timeout(SETTLED)
        assert len(frames) == 1
    compare(opening, layer, OPENING.step + 10)
    address_has(opening, step=OPENING.step + 10)


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
        opening.wait_for_timeout(1000)
        playing = step_of(opening)
        assert playing >= OPENING.step + 8 and not frames
        opening.keyboard.press(" ")
        stopped = step_of(opening)
        opening.wait_for_timeout(SETTLED)
    assert step_of(opening) == stopped
    address_has(opening, step=stopped)


def test_playing_stops_at_the_end(opening):
    go(opening, LAST - 3)
    opening.locator(".unrolled-speed").select_option("16")
    opening.locator(".unrolled-play").click()
    at_step(opening, LAST)
    expect(opening.get_by_role("button", name=re.compile("Play"))).to_be_visible()


def test_a_click_on_a_token_goes_there(opening):
    target = opening.locator(".unrolled-strip-now").bounding_box()
    go(opening, OPENING.step - 4)
    box = opening.locator(".unrolled-strip").bounding_box()
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
    choose_unit(opening, 100)
    go(opening, 3)
    plot.scroll_into_view_if_needed()
    moved = plot.locator(".unrolled-mark-row").bounding_box()
    before = plot.bounding_box()
    assert moved["y"] > row["y"]  # the page has not scrolled meanwhile, or not so far that unit 100 is above unit 14
    opening.mouse.click(column["x"] + column["width"] / 2, before["y"] + before["height"] * 0.1)
    at_step(opening, OPENING.step)
    assert unit_of(opening) < 30
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


@pytest.mark.parametrize("name", ["python-lm", "recall-gru", "recall-rnn"])
def test_drawing_equations_and_arithmetic_say_the_same_numbers(look_at, name):
    start = load_network(name).card.default
    page = look_at(link(net=name))
    layer = computed(name, start.text)[0][start.layer]
    steps = len(next(iter(layer.values())))
    for unit, step in [(start.unit, start.step), (0, 0), (33, steps // 2), (63, steps - 1)]:
        choose_unit(page, unit)
        go(page, step)
        compare(page, layer, step)
        for part in ("wiring", "equations"):
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
                assert abs(value - true) <= CLOSE + 2e-6 * abs(true), (part, quantity)
                assert abs(shown_number(text) - true) <= 0.00051 * max(1, abs(true)), (part, quantity, text)
            assert set(layer) <= {quantity for quantity, *_ in numbers}, part
        for button in page.locator(".unrolled-arithmetic [data-gate]").all():
            if button.is_visible():
                button.click()
            page.wait_for_timeout(40)
            difference = page.locator(".unrolled-arithmetic [data-difference]").get_attribute("data-difference")
            assert float(difference) < CLOSE, (unit, step)


def test_the_arithmetic_leads_to_the_unit_that_contributed(opening):
    labels = opening.locator(".unrolled-arithmetic .rows .row .label:enabled")
    name = labels.first.inner_text()
    labels.first.click()
    opening.wait_for_timeout(100)
    assert unit_of(opening) == int(re.search(r"\d+", name)[0])


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


def test_a_network_of_numbers_shows_prediction_and_truth(look_at):
    page = look_at(link(net="wave", step=3))
    _layers, output, given = computed("wave", load_network("wave").card.default.text)
    for quantity, true in (("prediction", output[3, 0]), ("truth", given[4, 0])):
        cell = page.locator(f'.unrolled-mirror [data-quantity="{quantity}"]')
        expect(cell).to_have_attribute("data-step", "3")
        assert abs(float(cell.get_attribute("data-value")) - float(true)) < CLOSE


# -- links and languages ---------------------------------------------------------------------------------


def test_the_switch_of_language_keeps_the_view(look_at):
    page = look_at(link(net="recall-gru", unit=7, step=4, quantity="update_gate"))
    go(page, 6)
    address_has(page, step=6)
    before, numbers = pieces(page), mirror(page)
    rerun(page, lambda: page.get_by_text("한국어", exact=True).click())
    assert pieces(page) == before | {"lang": "ko"}
    assert step_of(page) == 6 and unit_of(page) == 7 and mirror(page) == numbers
    assert "업데이트 게이트" in page.locator(".unrolled-chips [aria-pressed=true]").inner_text()


def test_a_copied_link_opens_the_same_view_for_somebody_else(look_at):
    page = look_at(link(net="recall-lstm"))
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    choose_unit(page, 21)
    page.locator('.unrolled-chips [data-name="input_gate"]').click()
    go(page, 7)
    address_has(page, step=7, unit=21, quantity="input_gate")
    page.get_by_role("button", name="Copy link").click()
    copied = page.evaluate("navigator.clipboard.readText()")
    other = look_at(copied[copied.index("/?") :], locale="ko-KR", scheme="dark")
    assert pieces(other) == pieces(page) and pieces(other)["lang"] == "en"
    assert mirror(other) == mirror(page) and (step_of(other), unit_of(other)) == (7, 21)
    pressed = ".unrolled-chips [aria-pressed=true]"
    assert other.locator(pressed).inner_text() == page.locator(pressed).inner_text()
    assert other.locator(".unrolled-readout").inner_text() == page.locator(".unrolled-readout").inner_text()


# -- other sequences, networks and layers ----------------------------------------------------------------


def test_a_typed_text_another_layer_another_network(look_at):
    page = look_at("/")
    text = "x = '한글'\nreturn x"
    type_(page, text)
    at_step(page, len(text) - 1)
    layers, _logits, _ids = computed("python-lm", text)
    compare(page, layers["rnn.l0"], len(text) - 1)
    expect(page.get_by_text("“한”, “글”")).to_be_visible()
    address_has(page, text=text, step=len(text) - 1)
    go(page, 5)
    address_has(page, step=5)
    settle(page)

    pick(page, "Layer", "rnn.l1")
    at_step(page, 5)
    compare(page, layers["rnn.l1"], 5)

    for name in ("counter", "recall-rnn", "sentiment"):
        pick(page, "Network", name)
        start = load_network(name).card.default
        at_step(page, start.step)
        compare(page, computed(name, start.text)[0][start.layer], start.step)
        assert pieces(page)["net"] == name and page.locator("textarea").input_value() == start.text


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_what_cannot_be_read_leaves_the_last_good_view(look_at, lang):
    page = look_at(link(net="counter", lang=lang, step=5))
    warning = page.locator('[data-testid="stAlert"]').filter(has_text=re.compile("counter|2,000"))
    before, numbers = pieces(page), mirror(page)
    for text in ("xyz", "", "a" * 100_000, "aab?"):
        type_(page, text)
        expect(warning).to_have_count(1)
        assert bool(re.search("[가-힣]", warning.inner_text())) == (lang == "ko")
        assert pieces(page) == before and mirror(page) == numbers
        assert page.locator("textarea").input_value() == text
    type_(page, "aabb")
    expect(warning).to_have_count(0)
    compare(page, computed("counter", "aabb")[0]["rnn.l0"], 3)


# -- a saved run -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A user's own network, its saved run, and what torch computed."""
    torch.manual_seed(11)

    class Tagger(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = nn.LSTM(5, 6, num_layers=2, bidirectional=True, batch_first=True)

        def forward(self, x):
            return self.encoder(x)[0]

    net, x = Tagger(), torch.randn(3, 8, 5)
    with torch.no_grad(), capture(net) as trace:
        net(x)
    path = tmp_path_factory.mktemp("saved") / "tagger.npz"
    trace.save(path)
    expected = []
    zero = torch.zeros(6)
    for row in x:
        layers, given = {}, row
        for level in range(2):
            for suffix in ("", "_reverse"):
                w = oracle.weights_of(net.encoder, f"_l{level}{suffix}")
                layers[f"encoder.l{level}{suffix}"] = oracle.layer("LSTM", w, given, (zero, zero), reverse=bool(suffix))
            given = torch.cat([layers[f"encoder.l{level}{suffix}"]["hidden"] for suffix in ("", "_reverse")], dim=-1)
        expected.append(layers)
    return path, expected


def test_a_saved_run_opens_with_its_own_numbers(saved, browser):
    path, expected = saved
    with serve(str(path)) as url, look(browser, url) as page:
        assert pieces(page)["net"] == "tagger.npz"
        for layer in expected[0]:
            if pieces(page)["layer"] != layer:
                pick(page, "Layer", layer)
            go(page, 2)
            compare(page, expected[0][layer], 2)
        rerun(page, lambda: page.get_by_role("button", name=re.compile("Increment|Increase|\\+")).last.click())
        layer = pieces(page)["layer"]
        go(page, 4)
        compare(page, expected[1][layer], 4)
        pick(page, "Network", "counter")
        compare(page, computed("counter", load_network("counter").card.default.text)[0]["rnn.l0"], 16)


def test_a_file_that_is_no_run_is_one_sentence_and_the_app_goes_on(browser, tmp_path):
    (tmp_path / "notes.npz").write_text("not a run")
    with serve(str(tmp_path / "notes.npz")) as url, look(browser, url + "/?lang=ko") as page:
        alerts = [text for text in page.locator('[data-testid="stAlert"]').all_inner_texts() if "npz" in text]
        assert len(alerts) == 1 and re.search("[가-힣]", alerts[0])
        assert pieces(page)["net"] == "python-lm" and mirror(page)


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


@pytest.mark.parametrize("lang", ["en", "ko"])
@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (1024, "dark")])
def test_the_page_fits_and_nothing_is_blank(look_at, width, scheme, lang):
    page = look_at(link(net="recall-lstm", lang=lang), width=width, scheme=scheme)
    assert page.evaluate(
        """["stMain", "stMainBlockContainer"].every((name) => {
            const box = document.querySelector(`[data-testid="${name}"]`);
            return box.scrollWidth <= box.clientWidth;
        })"""
    )
    wide = page.evaluate(
        """[...document.querySelectorAll(".unrolled, .unrolled *:not(svg *)")].filter((box) =>
            box.getBoundingClientRect().right > innerWidth + 1 && box.checkVisibility()
            && !box.closest(".unrolled-hidden, .scroll")).map((box) => box.className)"""
    )
    assert not wide
    colours = page.evaluate(
        """[...document.querySelectorAll(".unrolled canvas")].filter((each) => each.checkVisibility()).map((canvas) => {
            const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            return new Set(new Uint32Array(data.buffer)).size;
        })"""
    )
    assert len(colours) >= 8 and min(colours) > 3, colours


def test_what_is_kept_opens(look_at, tmp_path):
    page = look_at(link(net="counter", step=4))

    def download(act) -> bytes:
        with page.expect_download() as waiting:
            act()
        path = tmp_path / waiting.value.suggested_filename
        waiting.value.save_as(path)
        return path

    layers, _logits, _ids = computed("counter", load_network("counter").card.default.text)
    run = download(lambda: page.get_by_role("button", name="npz").click())
    trace = load_trace(run)
    for quantity, values in layers["rnn.l0"].items():
        np.testing.assert_allclose(trace.layers["rnn.l0"][quantity][0], values, rtol=0, atol=CLOSE)
    figure = download(lambda: page.get_by_role("button", name="HTML").click())
    assert "Plotly.newPlot" in figure.read_text(encoding="utf-8")
    for save in page.locator(".unrolled-save").all():
        kept = download(save.click)
        data = kept.read_bytes()
        if kept.suffix == ".png":
            assert data.startswith(b"\x89PNG") and len(data) > 2000
        else:
            assert kept.suffix == ".svg" and b"<svg" in data[:200] and b"NaN" not in data
            with look_at_file(page, data.decode()) as drawn:
                assert drawn
    assert page.locator(".unrolled-save").count() >= 3


@contextmanager
def look_at_file(page: Page, svg: str):
    """Whether the browser can draw an SVG by itself."""
    yield page.evaluate(
        """(svg) => new Promise((done) => {
            const image = new Image();
            image.onload = () => done(image.naturalWidth > 100 && image.naturalHeight > 50);
            image.onerror = () => done(false);
            image.src = URL.createObjectURL(new Blob([svg], { type: "image/svg+xml" }));
        })""",
        svg,
    )
