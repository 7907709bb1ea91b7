"""The list of panels in the browser: it stays in sight, covers nothing, and opens a panel by mouse, keyboard and link."""

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import ROOT, opened_page, rerun, serve, settle, until

IN_SIGHT = """
(name) => {
  const list = document.querySelector(".unrolled-panel-list").getBoundingClientRect();
  const panel = document.querySelector(`.st-key-panel_${name}`).getBoundingClientRect();
  return list.top >= 0 && list.bottom <= innerHeight && panel.top >= list.bottom - 1 && panel.top < innerHeight;
}
"""
COVERED = """
() => {
  const bar = document.querySelector(".unrolled-panel-list").getBoundingClientRect();
  const header = document.querySelector('[data-testid="stHeader"]').getBoundingClientRect();
  const width = document.documentElement.scrollWidth - innerWidth;
  return { overHeader: header.bottom - bar.top, height: bar.height, wide: width };
}
"""


def entry(page: Page, name: str):
    """Return the list's entry of a panel."""
    return page.locator(f'.unrolled-panel-list button[data-panel="{name}"]')


@pytest.mark.parametrize("width", [1440, 1024, 683, 390])
def test_the_list_stays_in_sight_and_covers_nothing(open_page, width):
    page = open_page("/states?net=counter&panel=-none", width=width, height=800)
    for name in ("half_life", "units_over_time"):  # folded, open
        act = entry(page, name).click
        if entry(page, name).get_attribute("aria-expanded") == "false":
            rerun(page, act)
        else:
            act()
        page.wait_for_function(IN_SIGHT, arg=name)
        at = page.evaluate(COVERED)
        assert at["overHeader"] <= 1 and at["height"] < 60 and at["wide"] <= 0


def test_a_link_opens_a_panel_and_scrolls_to_it(open_page):
    page = open_page("/states?panel=path")
    page.wait_for_function(IN_SIGHT, arg="path")
    expect(entry(page, "path")).to_have_attribute("aria-expanded", "true")
    expect(entry(page, "span")).to_have_attribute("aria-expanded", "false")


def test_the_list_works_by_keyboard(open_page):
    page = open_page("/?panel=-none")
    entry(page, "cell").focus()
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    expect(entry(page, "units_now")).to_be_focused()
    rerun(page, lambda: page.keyboard.press("Enter"))
    page.wait_for_function(IN_SIGHT, arg="units_now")
    assert "units_now" in page.url
    expect(page.locator(".st-key-panel_units_now")).to_be_focused()


def test_projector_mode_shows_one_panel_and_the_arrow_keys_change_it(open_page):
    page = open_page("/?panel=sum&mode=projector")
    expect(page.locator(".st-key-panel_sum")).to_be_visible()
    expect(page.locator(".st-key-panel_cell")).to_be_hidden()
    expect(page.locator('[data-testid="stHeader"]')).to_be_hidden()
    rerun(page, lambda: page.keyboard.press("ArrowUp"))
    expect(page.locator(".st-key-panel_prediction")).to_be_visible()
    expect(page.locator(".st-key-panel_sum")).to_be_hidden()
    rerun(page, lambda: page.keyboard.press("ArrowUp"))
    expect(page.locator(".st-key-panel_equations")).to_be_visible()
    step = page.locator(".unrolled-player .unrolled-counter").inner_text()
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".unrolled-player .unrolled-counter")).not_to_have_text(step)
    rerun(page, lambda: page.keyboard.press("Escape"))
    settle(page)
    expect(page.locator(".st-key-panel_cell")).to_be_visible()
    assert "mode=" not in page.url
    assert "panel=sum%2Cequations" in page.url  # the panel shown last, not those walked through


def test_charts_are_whole_in_projector_mode(open_page):
    page = open_page("/gradients?net=recall-rnn&mode=projector&panel=clipping", width=1024)
    expect(page.locator('[data-testid="stPlotlyChart"] svg.main-svg').first).to_be_visible()

    def check_sizes() -> None:
        sizes = page.evaluate(
            """() => [...document.querySelectorAll('[data-testid="stPlotlyChart"]')]
                .filter((each) => each.checkVisibility())
                .map((each) => [each, each.querySelector("svg.main-svg")].map((part) => part.getBoundingClientRect()))
                .map(([place, drawn]) =>
                    [drawn.width - place.width, drawn.height - place.height, drawn.right - innerWidth])"""
        )
        assert sizes and all(max(each) <= 1 for each in sizes), sizes

    settle(page)
    check_sizes()
    for width in (1440, 1024):  # drawn anew in a wider window, and in a narrower one
        page.set_viewport_size({"width": width, "height": 900})
        until(page, check_sizes)
    expect(page.get_by_role("button", name="Fold:")).to_have_count(0)


SLOW_PANEL = """
import sys, time
from pathlib import Path
sys.path.insert(0, {root!r})
import streamlit as st
from viz.pages.layer import layer_page
from viz.pages.panels import panel

def slow_panel(run):
    @panel("returned_states", "First", "")
    def draw():
        place = st.empty()
        place.text("at work")
        while not Path({gate!r}).exists():
            st.session_state.get("a_key")  # where the run can be stopped, without a message to the page
            time.sleep(0.05)
        place.text("first is drawn")

layer_page.returned_states_panel = slow_panel
"""


def test_a_panel_is_stopped_alone_and_computed_when_it_is_opened_again(browser, tmp_path):
    gate, script = tmp_path / "gate", tmp_path / "app.py"
    script.write_text(SLOW_PANEL.format(root=str(ROOT), gate=str(gate)) + (ROOT / "app.py").read_text(encoding="utf-8"))
    gate.touch()
    with serve(script=script) as url, opened_page(browser, f"{url}/layer") as page:
        expect(page.get_by_text("first is drawn")).to_be_visible()
        gate.unlink()
        processor = page.context.new_cdp_session(page)
        processor.send(
            "Emulation.setCPUThrottlingRate", {"rate": 6}
        )  # as on a slow computer, where buttons came at the end
        page.reload()
        expect(page.get_by_text("at work")).to_be_visible()
        expect(page.get_by_role("button", name="Stop: First")).to_be_visible()
        processor.send("Emulation.setCPUThrottlingRate", {"rate": 1})
        following = page.locator(".st-key-panel_call_lines")
        expect(following.locator(".unrolled-pending")).to_be_visible()
        rerun(page, page.get_by_role("button", name="Stop: First").click)
        expect(following.locator(".unrolled-pending")).to_have_count(0)
        expect(page.get_by_text("at work")).to_have_count(0)
        gate.touch()
        rerun(page, page.locator(".st-key-unfold_returned_states button").click)
        expect(page.get_by_text("first is drawn")).to_be_visible()
        expect(page.get_by_role("button", name="Stop: First")).to_have_count(0)
