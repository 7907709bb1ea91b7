"""Journeys through the Step lens in a real browser: links, languages, other sequences, saved runs, what is kept."""

import re
from base64 import b64encode
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from playwright.sync_api import Page, expect
from torch import nn

from models import capture, load_network, load_trace
from tests.support import oracle
from tests.support.browser import late_answers, opened_page, requests, rerun, serve, show_dark, until
from tests.support.step_page import (
    CLOSE,
    address_has,
    at_step,
    choose_unit,
    compare,
    computed,
    enter_text,
    go,
    link,
    mirror,
    pick,
    query,
    step_of,
    unit_of,
)

pytestmark = pytest.mark.browser


# -- links and languages ---------------------------------------------------------------------------------


def test_the_switch_of_language_keeps_the_view(open_page):
    page = open_page(link(net="recall-gru", unit=7, step=4, quantity="update_gate"))
    go(page, 6)
    address_has(page, step=6)
    before, numbers = query(page), mirror(page)
    rerun(page, lambda: page.get_by_text("한국어", exact=True).first.click())
    assert query(page) == before | {"lang": "ko"}
    assert step_of(page) == 6 and unit_of(page) == 7 and mirror(page) == numbers
    assert "업데이트 게이트" in page.locator(".unrolled-chips [aria-pressed=true]").inner_text()


def test_a_step_taken_before_the_answer_to_another_choice_stays(open_page):
    page = open_page(link(net="recall-gru", step=4))
    with late_answers(page, lambda: page.get_by_text("한국어", exact=True).first.click()):
        asked = requests(page)
        page.locator(".unrolled-next").click()
        until(page, lambda: requests(page) > asked)  # its report, about the view before the choice
    address_has(page, step=5, lang="ko")
    assert step_of(page) == 5


def test_another_page_is_at_the_step_of_the_one_before(open_page):
    page = open_page(link(net="counter", step=4))

    def turn_to(name: str) -> None:
        rerun(page, page.get_by_role("link", name=name, exact=True).first.click)

    for name, step in (("States", 6), ("Step", 8)):
        turn_to(name)
        at_step(page, step - 2)
        go(page, step)
        address_has(page, step=step)
    turn_to("States")
    at_step(page, 8)


def test_a_copied_link_opens_the_same_view_for_somebody_else(open_page):
    page = open_page(link(net="recall-lstm"))
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    choose_unit(page, 21)
    page.locator('.unrolled-chips [data-name="input_gate"]').click()
    go(page, 7)
    address_has(page, step=7, unit=21, quantity="input_gate")
    page.get_by_role("button", name="Copy link").click()
    copied = page.evaluate("navigator.clipboard.readText()")
    other = open_page(copied[copied.index("/?") :], locale="ko-KR", scheme="dark")
    assert query(other) == query(page) and query(other)["lang"] == "en"
    assert mirror(other) == mirror(page) and (step_of(other), unit_of(other)) == (7, 21)
    pressed = ".unrolled-chips [aria-pressed=true]"
    assert other.locator(pressed).inner_text() == page.locator(pressed).inner_text()
    assert other.locator(".unrolled-readout").inner_text() == page.locator(".unrolled-readout").inner_text()


# -- other sequences, networks and layers ----------------------------------------------------------------


def test_a_typed_text_another_layer_another_network(open_page):
    page = open_page(link())
    text = "x = '한글'\nreturn x"
    enter_text(page, text)
    at_step(page, len(text) - 1)
    layers, _logits, _ids = computed("python-lm", text)
    compare(page, layers["rnn.l0"], len(text) - 1)
    expect(page.get_by_text("[한], [글]")).to_be_visible()
    address_has(page, text=text, step=len(text) - 1)
    go(page, 5)
    address_has(page, step=5)

    for name in ("counter", "recall-rnn", "sentiment"):
        pick(page, "Network", name)
        start = load_network(name).card.default
        at_step(page, start.step)
        compare(page, computed(name, start.text)[0][start.layer], start.step)
        assert query(page)["net"] == name and page.locator("textarea").input_value() == start.text


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_what_cannot_be_read_leaves_the_last_good_view(open_page, lang):
    page = open_page(link(net="counter", lang=lang, step=5))
    warning = page.locator('[data-testid="stAlert"]').filter(has_text=re.compile("aⁿbⁿ|2,000"))
    before, numbers = query(page), mirror(page)
    for text in ("xyz", "", "a" * 100_000, "aab?"):
        enter_text(page, text)
        expect(warning).to_have_count(1)
        assert bool(re.search("[가-힣]", warning.inner_text())) == (lang == "ko")
        assert query(page) == before and mirror(page) == numbers
        assert page.locator("textarea").input_value() == text
    enter_text(page, "aabb")
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
    with serve(str(path)) as url, opened_page(browser, url) as page:
        assert query(page)["net"] == "tagger.npz"
        for layer in expected[0]:
            if query(page)["layer"] != layer:
                pick(page, "Layer", layer)
            go(page, 2)
            compare(page, expected[0][layer], 2)
        rerun(page, lambda: page.locator(".st-key-row").get_by_role("button", name="Increment").click())
        layer = query(page)["layer"]
        go(page, 4)
        compare(page, expected[1][layer], 4)
        pick(page, "Network", "counter")
        compare(page, computed("counter", load_network("counter").card.default.text)[0]["rnn.l0"], 16)


def test_a_file_that_is_no_run_is_one_sentence_and_the_app_goes_on(browser, tmp_path):
    (tmp_path / "notes.npz").write_text("not a run")
    with serve(str(tmp_path / "notes.npz")) as url, opened_page(browser, f"{url}/?lang=ko") as page:
        alerts = [text for text in page.locator('[data-testid="stAlert"]').all_inner_texts() if "npz" in text]
        assert len(alerts) == 1 and re.search("[가-힣]", alerts[0])
        assert query(page)["net"] == "python-lm" and mirror(page)


# -- seeing and keeping ------------------------------------------------------------------------------------
@pytest.mark.parametrize(("lens", "lang"), [("", "ko"), ("/states", "en")])
def test_the_page_fits_and_nothing_is_blank(open_page, lens, lang):
    page = open_page(lens + link(net="recall-lstm", lang=lang, panel="*")[lens != "" :])
    check_drawings(page)
    show_dark(page, width=1024)
    check_drawings(page)


def check_drawings(page: Page) -> None:
    """Check that nothing is wider than the page, and that every drawing has colours."""
    assert page.evaluate(
        """["stMain", "stMainBlockContainer"].every((name) => {
            const box = document.querySelector(`[data-testid="${name}"]`);
            return box.scrollWidth <= box.clientWidth;
        })"""
    )
    wide = page.evaluate(
        """[...document.querySelectorAll(".unrolled, .unrolled *:not(svg *)")].filter((box) =>
            box.getBoundingClientRect().right > innerWidth + 1 && box.checkVisibility()
            && !box.closest(".unrolled-hidden, .scroll, .unrolled-panel-entries")).map((box) => box.className)"""
    )
    assert not wide
    colours = page.evaluate(
        """[...document.querySelectorAll(".unrolled canvas")].filter((each) => each.checkVisibility()).map((canvas) => {
            const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            return new Set(new Uint32Array(data.buffer)).size;
        })"""
    )
    assert len(colours) >= 8 and min(colours) > 3, colours


def test_what_is_kept_opens(open_page, tmp_path):
    page = open_page(link(net="counter", step=4, panel="*"))

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
    figure = download(lambda: page.get_by_role("button", name="HTML").filter(has_not_text="Keep").click())
    assert "Plotly.newPlot" in figure.read_text(encoding="utf-8")
    names = set()
    for save in page.locator(".unrolled-save").all():
        kept = download(save.click)
        data = kept.read_bytes()
        names.add(kept.stem)
        if kept.suffix == ".png":
            width, height, colours = drawn_in(page, data)
            assert width > 300 and height > 60 and colours > 20, kept.name
        else:
            assert kept.suffix == ".svg" and b"<svg" in data[:200] and b"NaN" not in data
            with draws_svg(page, data.decode()) as drawn:
                assert drawn
    unit, quantity = (load_network("counter").card.default.unit, load_network("counter").card.default.quantity)
    assert {
        f"rnn.l0-{quantity}-unit{unit}-tokens",
        "rnn.l0-prediction-step4",
        "rnn.l0-step",
        "rnn.l0-sequence",
    } <= names


def test_a_press_on_keep_gives_a_file_before_the_page_has_the_answer_to_a_step(open_page):
    page = open_page(link(net="counter", step=4))
    with page.expect_download(), late_answers(page, page.locator(".unrolled-next").click):
        page.get_by_role("button", name="Keep this page").click()
    address_has(page, step=5)


def drawn_in(page: Page, png: bytes) -> list[int]:
    """Width, height and number of colours of a picture."""
    return page.evaluate(
        """async (text) => {
            const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
            const image = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
            const canvas = new OffscreenCanvas(image.width, image.height);
            const pen = canvas.getContext("2d");
            pen.drawImage(image, 0, 0);
            const { data } = pen.getImageData(0, 0, image.width, image.height);
            return [image.width, image.height, new Set(new Uint32Array(data.buffer)).size];
        }""",
        b64encode(png).decode(),
    )


@contextmanager
def draws_svg(page: Page, svg: str):
    """Yield whether the browser can draw an SVG without the page."""
    yield page.evaluate(
        """(svg) => new Promise((done) => {
            const image = new Image();
            image.onload = () => done(image.naturalWidth > 100 && image.naturalHeight > 50);
            image.onerror = () => done(false);
            image.src = URL.createObjectURL(new Blob([svg], { type: "image/svg+xml" }));
        })""",
        svg,
    )
