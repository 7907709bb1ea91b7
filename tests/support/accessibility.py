"""What a page must be for every reader: axe-core's rules, nothing cut on a telephone, targets that a finger meets."""

from collections.abc import Iterable
from functools import cache
from importlib.resources import files

from playwright.sync_api import Page

from tests.support.browser import settle

RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa")
"""Tags of axe-core's rules: WCAG 2.0, 2.1 and 2.2, levels A and AA."""

STREAMLIT = (
    ("color-contrast", '[data-testid="stCode"] .token', "colours of code, which no setting of the theme changes"),
    ("aria-prohibited-attr", "[data-tag]", "a name on the chips of a multiple selection, which have no role"),
)
"""Violations in elements that Streamlit draws and that nothing of ours can mend: rule, selector, reason."""

AXE = """
async ([rules, own, only]) => {
  const options = only ? { runOnly: { type: "rule", values: only } } : { runOnly: rules };
  const { violations } = await axe.run(document, { ...options, resultTypes: ["violations"], elementRef: true });
  return violations.flatMap(({ id, help, nodes }) => nodes
    .filter(({ element }) => !own.some(([rule, selector]) => rule === id && element.closest(selector)))
    .map(({ html, target, any, all, none }) => `${id} (${help}): ${html.slice(0, 160)} at ${target.join(" ").slice(-120)}: `
      + [...any, ...all, ...none].map((each) => each.message).join(" ").slice(0, 200)));
}
"""

LAYOUT = """
(smallest) => {
  const found = [];
  const main = document.querySelector('[data-testid="stMain"]');
  const isShown = (node) => node.checkVisibility({ visibilityProperty: true, opacityProperty: true })
    && !node.closest(".unrolled-hidden, .unrolled-tooltip, [style*='clip-path'], .katex-mathml")
    && !node.closest("option, style, script, title, desc");
  const nameOf = (node) => {
    const panel = node.closest('[class*="st-key-"]')?.className.toString().match(/st-key-[\\w-]+/)?.[0] ?? "";
    return `${panel} <${node.tagName.toLowerCase()} class="${node.getAttribute("class") ?? ""}">`;
  };
  const text = (node) => (node.getAttribute?.("aria-label") ?? node.textContent ?? "").trim().slice(0, 50);
  // Nothing scrolls sideways but what is made for it.
  for (const each of [document.documentElement, document.body, main]) {
    const [width, room] = [each.scrollWidth, each.clientWidth];
    if (width > room + 1) found.push(`the page scrolls sideways: ${width} > ${room} of ${nameOf(each)}`);
  }
  const boxOf = (node) => {
    if (node.nodeType !== Node.TEXT_NODE) return node.getBoundingClientRect();
    const range = document.createRange();
    range.selectNodeContents(node);
    return range.getBoundingClientRect();
  };
  // Outside the window, or cut by an element that does not scroll.
  const cutBy = (node, box) => {
    for (let each = node.parentElement; each && each !== main; each = each.parentElement) {
      const { overflowX } = getComputedStyle(each);
      if (overflowX === "auto" || overflowX === "scroll") return null; // the reader scrolls it
      if (each.matches(".unrolled-hit > .before, .unrolled-hit > .after")) return null; // as many words as fit
      const edge = each.getBoundingClientRect();
      const clips = overflowX !== "visible" && !(each instanceof SVGElement && !(each instanceof SVGSVGElement));
      if (clips && edge.width > 2 && (box.right > edge.right + 1.5 || box.left < edge.left - 1.5)) return each;
    }
    return box.right > innerWidth + 1 || box.left < -1 ? document.body : null;
  };
  // Drawings and formulas that fit a telephone; others, with a column for each token or number, scroll.
  for (const each of main.querySelectorAll(".unrolled-cell-diagram .scroll, .unrolled-hits, .katex-display")) {
    const over = each.scrollWidth - each.clientWidth;
    if (each.querySelector(".mtable")) continue; // lines whose signs are aligned
    if (isShown(each) && over > 3) found.push(`wider than its place by ${over}: ${nameOf(each)} "${text(each)}"`);
  }
  const nodes = [];
  const walker = document.createTreeWalker(main, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode;
    if (node.data.trim()) nodes.push([node, node.parentElement]);
  }
  for (const each of main.querySelectorAll("canvas, svg, img, button, input, select, textarea")) nodes.push([each, each]);
  for (const [node, element] of nodes) {
    if (!isShown(element)) continue;
    const box = boxOf(node);
    if (box.width < 2 || box.height < 2) continue;
    const by = cutBy(node, box);
    const range = `${Math.round(box.left)}..${Math.round(box.right)}`;
    if (by) found.push(`cut: ${nameOf(element)} "${text(node)}" ${range}, by ${nameOf(by)}`);
  }
  // Texts of a drawing that are shown smaller than is legible.
  for (const each of main.querySelectorAll(".unrolled svg text")) {
    if (!isShown(each) || !each.textContent.trim()) continue;
    const { a, b } = each.getScreenCTM();
    const size = parseFloat(getComputedStyle(each).fontSize) * Math.hypot(a, b);
    if (size < 9) found.push(`small text: ${nameOf(each)} "${text(each)}" ${size.toFixed(1)} px`);
  }
  // Targets of ours. A link inside a sentence may be smaller (WCAG 2.5.8); a box in a label is met through the label.
  const TARGETS = "button, select, summary, input, textarea, a[href], [role=button], [role=slider], [role=radio], "
    + "[role=checkbox], [data-part][tabindex]";
  const OURS = ".unrolled, [data-testid^='stBaseButton'], [data-testid^='stPageLink']"; // of Streamlit's, those that we size
  for (const each of main.querySelectorAll(TARGETS)) {
    if (!isShown(each) || !each.closest(OURS)) continue;
    const target = each.matches("[type=checkbox], [type=radio]") ? each.closest("label") ?? each : each;
    const { width, height } = target.getBoundingClientRect();
    if (width < 2 || height < 2 || (each.matches("a") && each.closest("p"))) continue;
    if (each.matches(".unrolled :disabled.label")) continue; // the name of a row that opens nothing
    if (width < smallest - 0.5 || height < smallest - 0.5) {
      found.push(`small: ${nameOf(each)} "${text(each)}" ${Math.round(width)} x ${Math.round(height)}`);
    }
  }
  return [...new Set(found)];
}
"""


@cache
def axe_script() -> str:
    """Return the source of axe-core."""
    return (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")


def show_all(page: Page) -> None:
    """Make the window as tall as the page: axe-core skips what its scrolled parts hide."""
    for _ in range(3):
        height = page.get_by_test_id("stMain").evaluate("({ scrollHeight }) => scrollHeight")
        if page.viewport_size["height"] >= height:
            break
        page.set_viewport_size({"width": page.viewport_size["width"], "height": height})
        settle(page)


def axe_violations(page: Page, only: Iterable[str] = ()) -> list[str]:
    """Return a line for each violation in what is ours; ``only``: names of rules, all of `RULES` if there are none."""
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(axe_script())
    own = [[rule, selector] for rule, selector, _reason in STREAMLIT]
    return page.evaluate(AXE, [list(RULES), own, list(only) or None])


def layout_faults(page: Page, smallest: int) -> list[str]:
    """Return a line for everything that is cut or outside the window, and each target of less than ``smallest`` pixels."""
    return page.evaluate(LAYOUT, smallest)
