"""The Edit lens in a real browser: break, read, undo, share."""

import re
from urllib.parse import urlencode

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

from models import load_network, read_edits, run_edited, run_network
from tests.support.browser import opened_page, rerun, settle, until
from tests.support.step_page import address_has, query

pytestmark = pytest.mark.browser

BROKEN = "rnn.l0.writes[0]=0"
STEP = 9


def link(**view: object) -> str:
    """Return the address of a view of the Edit lens, with the panels that are open at first unless ``panel`` is given."""
    return "/edit?" + urlencode({"panel": "-none"} | view)


def shown(page: Page) -> dict[str, float]:
    """The predictions that the player mirrors at the current step, by token."""
    return dict(
        page.evaluate(
            """[...document.querySelectorAll('[data-quantity="probability"]')]
                .map(({ dataset: d }) => [d.token, Number(d.value)])"""
        )
    )


def wait_for(page: Page, wanted: dict[str, float]) -> None:
    """Wait until the page says these probabilities."""
    page.wait_for_function(
        """(wanted) => { const here = [...document.querySelectorAll('[data-quantity="probability"]')];
            return Object.entries(wanted).every(([token, value]) => here.some(({ dataset: d }) =>
                d.token === token && Math.abs(Number(d.value) - value) < 1e-5)); }""",
        arg=wanted,
    )


def expected(edits: str) -> dict[str, float]:
    network = load_network("counter")
    reading = run_edited(network, network.card.default.text, read_edits(edits)) if edits else run_network(
        network, network.card.default.text
    )  # fmt: skip
    values = reading.prediction.probability[STEP]
    return {token: float(value) for token, value in zip(network.vocabulary, values, strict=True)}


def test_break_the_counter_undo_and_share(open_page, app, browser):
    page = open_page(link(net="counter", step=STEP))
    wait_for(page, expected(""))
    assert max(shown(page), key=shown(page).get) == "b"
    rerun(page, lambda: page.get_by_role("button", name="Disconnect the counting unit").click())
    wait_for(page, expected(BROKEN))
    assert max(shown(page), key=shown(page).get) == "."
    expect(page.get_by_text("“b” → “.”").first).to_be_visible()
    address_has(page, edits=BROKEN)

    with opened_page(browser, app + link(**query(page))) as other:
        wait_for(other, expected(BROKEN))
        expect(other.get_by_text("This is an edited network: 1 edit.")).to_be_visible()

        rerun(page, lambda: page.get_by_role("button", name="Undo").click())
        wait_for(page, expected(""))
        assert max(shown(page), key=shown(page).get) == "b"
        expect(page.get_by_text("This is an edited network")).to_have_count(0)
        rerun(other, lambda: other.get_by_text("sensitivity |∂L/∂W|", exact=True).click())
        wait_for(other, expected(BROKEN))  # the other session keeps its edit


def test_an_entry_is_picked_by_click_and_dragged(open_page):
    page = open_page(link(net="recall-lstm"))
    canvas = page.locator(".unrolled-weight-matrix canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    rerun(page, lambda: page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2))
    said = page.locator(".unrolled-weight-matrix-readout").inner_text()
    slider = page.locator(".unrolled-slider input").first
    name = slider.get_attribute("aria-label")
    assert name.startswith("rnn.l0.weight_hh[forget_gate.") and not name.endswith("[forget_gate.0,0]")
    first = drag(page, slider, 0.5, 0.8)
    stands_at(page, name, first)
    assert page.locator(".unrolled-weight-matrix-readout").inner_text() != said
    expect(page.get_by_text("This is an edited network: 1 edit.")).to_be_visible()
    second = drag(page, slider, 0.8, 0.6)
    assert second < first
    stands_at(page, name, second)
    rerun(page, lambda: page.get_by_role("button", name="Undo").click())  # a whole drag is one change
    stands_at(page, name, first)
    rerun(page, lambda: page.get_by_role("button", name="Undo").click())
    page.wait_for_function("() => !location.search.includes('edits=')")


def drag(page: Page, slider: Locator, begin: float, end: float) -> float:
    """Drag a slider's thumb with the mouse from one share of its range to another; return the value at the end."""
    settle(page)  # what an edit brings with it moves the slider
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * begin, y)
    page.mouse.down()
    for share in np.linspace(begin, end, 12):
        page.mouse.move(box["x"] + box["width"] * share, y)
        page.evaluate("() => new Promise(requestAnimationFrame)")
    value = float(slider.input_value())  # the thumb's last place: what an edit brings may move it once it is let go
    page.mouse.up()
    return value


def stands_at(page: Page, name: str, value: float) -> None:
    """Wait until the address has this value of the entry, and the page is settled."""
    page.wait_for_function(
        """([name, value]) => { const at = new URLSearchParams(location.search).get("edits") ?? "";
            return at.startsWith(name + "=") && Number(at.split("=")[1]) === value; }""",
        arg=[name, value],
    )
    settle(page)


def test_an_edit_stays_from_lens_to_lens(open_page):
    page = open_page(link(net="counter", edits=BROKEN, step=STEP))
    for lens in ("Step", "States", "Gradients"):
        rerun(page, page.get_by_role("link", name=lens, exact=True).first.click)
        expect(page.get_by_text("This is an edited network: 1 edit.")).to_be_visible()


def test_before_and_after_are_drawn_on_one_scale(open_page):
    page = open_page(link(net="recall-lstm", edits="rnn.l0.forget_gate@12=0", quantity="cell"))
    network = load_network("recall-lstm")
    text = network.card.default.text
    runs = (run_network(network, text), run_edited(network, text, read_edits("rnn.l0.forget_gate@12=0")))
    old, new = (float(np.abs(run.trace.layers["rnn.l0"].cell).max()) for run in runs)
    assert old > 1.2 * new  # each on its own scale would look alike
    scales = page.locator(".st-key-changed_pair .unrolled-scale").all_inner_texts()
    assert len(scales) == 2 and scales[0] == scales[1], scales
    assert [float(each) for each in re.findall(r"[\d.]+", scales[0])] == pytest.approx([old, old], rel=0.05)


def test_the_current_step_is_marked_in_the_chart_of_all_steps(open_page):
    page = open_page(link(net="counter", edits=BROKEN, step=STEP))
    chart = page.locator(".unrolled-edited-prediction .unrolled-chart-plot")
    plot, mark = (place.bounding_box() for place in (chart.locator("canvas"), chart.locator(".unrolled-chart-marker")))
    assert plot["y"] <= mark["y"] and mark["y"] + mark["height"] <= plot["y"] + plot["height"]
    share = (mark["x"] + mark["width"] / 2 - plot["x"]) / plot["width"]
    assert abs(share - (STEP + 0.5) / len(load_network("counter").card.default.text)) < 0.1


@pytest.mark.parametrize("width", [1440, 1024])
def test_the_experiment_with_the_radius_opens_at_its_knobs(open_page, width):
    page = open_page(link(net="counter"), width=width)
    rerun(page, page.get_by_role("button", name="Raise the spectral radius above 1").click)
    page.wait_for_url("**/gradients?**")
    settle(page)
    slider = page.get_by_role("slider", name="Spectral radius of W_hh (each gate)")
    expect(slider).to_be_in_viewport()
    expect(page.get_by_text("Raise the spectral radius of W_hh from 0.9 past 1")).to_be_visible()

    def share() -> float:  # of the last step's gradient, at the first
        return page.evaluate(
            """() => { const all = [...document.querySelectorAll(
                    '[data-quantity="hidden_grad_norm"][data-net="untrained-rnn"]')].map(({ dataset: d }) => Number(d.value));
                return all[0] / all.at(-1); }"""
        )

    assert share() < 1e-3
    page.evaluate("dispatchEvent(new WheelEvent('wheel'))")  # the reader takes over: the page no longer scrolls there
    drag(page, slider, 0.28, 0.75)
    until(page, lambda: share() > 1e-2)
