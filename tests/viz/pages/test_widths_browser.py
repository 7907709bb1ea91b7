"""At every width, in both languages: no label overlaps another, no result is cut off, nothing is outside its card."""

from itertools import pairwise

import pytest
from playwright.sync_api import expect

from tests.support.browser import settle, until

WIDTHS = (1440, 1024, 683, 390)

# Pairs of overlapping texts of one component, texts that leave their panel, and formulas cut off.
FAULTS = """
() => {
  const found = [];
  const hidden = (node) => !node.checkVisibility({ visibilityProperty: true, opacityProperty: true })
    || node.closest(".unrolled-hidden, .unrolled-tooltip, [aria-hidden='true'] svg, math, option");
  // The part of a box that its scrolling ancestors inside the panel show.
  const shown = (node, box, panel) => {
    let { left, right, top, bottom } = box;
    for (let each = node; each !== panel; each = each.parentElement) {
      const { overflowX, overflowY } = getComputedStyle(each);
      if (overflowX === "visible" && overflowY === "visible") continue;
      const edge = each.getBoundingClientRect();
      [left, right] = [Math.max(left, edge.left), Math.min(right, edge.right)];
      [top, bottom] = [Math.max(top, edge.top), Math.min(bottom, edge.bottom)];
    }
    return { left, right, top, bottom };
  };
  for (const panel of document.querySelectorAll('[class*="st-key-panel_"]')) {
    const card = panel.getBoundingClientRect();
    for (const root of panel.querySelectorAll(".unrolled")) {
      const texts = [];
      const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
      while (walker.nextNode()) {
        const node = walker.currentNode;
        if (!node.data.trim() || hidden(node.parentElement)) continue;
        const range = document.createRange();
        range.selectNodeContents(node);
        for (const line of range.getClientRects()) {
          const box = shown(node.parentElement, line, panel);
          if (box.right - box.left > 2 && box.bottom - box.top > 2) texts.push({ node, box, text: node.data.trim() });
        }
      }
      for (const { box, text } of texts) if (box.right > card.right + 1) found.push(`outside its card: ${text}`);
      texts.forEach((one, k) => texts.slice(k + 1).forEach((other) => {
        const across = Math.min(one.box.right, other.box.right) - Math.max(one.box.left, other.box.left);
        const down = Math.min(one.box.bottom, other.box.bottom) - Math.max(one.box.top, other.box.top);
        const [line, next] = [one, other].map(({ node }) => node.parentElement.closest("text, p") ?? node);
        const related = line === next;
        if (across > 2 && down > 4 && !related) found.push(`${one.text} over ${other.text}`);
      }));
    }
  }
  for (const line of document.querySelectorAll(".unrolled-math")) {
    if (line.checkVisibility() && line.scrollWidth > line.clientWidth + 1) found.push(`cut off: ${line.textContent}`);
  }
  return found;
}
"""
ATTENTION = "/attention?panel=decoder,attention_formulas,token_contributions"


@pytest.mark.slow
@pytest.mark.parametrize("lang", ["en", "ko"])
@pytest.mark.parametrize("path", ["/?panel=-none", ATTENTION])
def test_no_label_lies_over_another_and_nothing_is_cut_off(open_page, path, lang):
    page = open_page(f"{path}&lang={lang}")
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        settle(page)

        def no_faults(width=width) -> None:
            assert page.evaluate(FAULTS) == [], width

        until(page, no_faults)


def test_maps_of_heads_stay_inside_their_panel_and_their_labels_apart(open_page):
    page = open_page("/attention?panel=heads&lang=ko", width=390, height=844)
    panel = page.locator(".st-key-panel_heads")
    ticks = panel.locator(".xtick text")
    expect(ticks.first).to_be_attached()

    def no_faults() -> None:
        right = panel.bounding_box()["x"] + panel.bounding_box()["width"]
        for button in panel.locator(".unrolled-attention-heads-grid button").all():
            box = button.bounding_box()
            assert box["x"] + box["width"] <= right
        places = [tick["x"] + tick["width"] / 2 for tick in (each.bounding_box() for each in ticks.all())]
        assert len(places) > 15 and all(later - before > 9 for before, later in pairwise(places))

    until(page, no_faults)


def test_a_telephone_shows_the_playback_controls_first_and_the_whole_ranking(open_page):
    page = open_page("/states?net=sentiment&panel=tracking&lang=ko", width=390, height=844)
    player, menus = page.locator(".unrolled-player"), page.locator(".st-key-controls")
    ranking = page.locator(".unrolled-unit-ranking")

    def in_order() -> None:
        page.get_by_test_id("stMain").evaluate("(element) => element.scrollTo(0, 0)")  # a link to a panel scrolls to it
        top = player.bounding_box()
        assert top["y"] > 0
        assert top["y"] + top["height"] < min(844, menus.bounding_box()["y"])
        assert ranking.evaluate("({ scrollWidth, clientWidth }) => scrollWidth - clientWidth") <= 1
        assert ranking.locator("th").count() > 5

    until(page, in_order)


def test_player_token_line_and_cell_share_a_small_screen(open_page):
    """At 1024 x 768 the playback controls stay below the list of panels, beside the panel in view."""
    page = open_page("/?panel=-none", width=1024, height=768)
    page.locator('.unrolled-panel-list button[data-panel="cell"]').click()
    bar = page.locator(".unrolled-player[data-compact]")
    expect(bar).to_have_count(1)
    page.wait_for_function(
        """() => [".unrolled-scrubber", ".unrolled-token-strip", ".unrolled-cell-diagram svg"].every((name) => {
            const { top, bottom } = document.querySelector(name).getBoundingClientRect();
            return top >= 0 && bottom <= innerHeight;
        })"""
    )
    counter = page.locator(".unrolled-counter")
    before = counter.inner_text()
    bar.locator(".unrolled-next").click()
    expect(counter).not_to_have_text(before)
    page.mouse.wheel(0, -3000)
    expect(bar).to_have_count(0)
