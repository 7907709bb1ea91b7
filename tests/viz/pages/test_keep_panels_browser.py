"""The file of a page's open panels in a browser without a network: its figures, tables and drawings have its numbers."""

from playwright.sync_api import expect

from tests.support.browser import until
from tests.support.offline_page import offline_page

BARS = """() => [...document.querySelectorAll(".js-plotly-plot")].map(
  ({ data, calcdata }) => calcdata.map((trace) => trace.map(({ x, y, p, s }) => [x ?? p, y ?? s])))"""
NUMBERS = "found => found.map(({ dataset: d }) => [d.quantity, d.unit ?? '', d.step ?? '', d.value])"
CELLS = "rows => rows.map((row) => [...row.cells].map((cell) => cell.innerText.trim()))"


def keep(page, tmp_path, key: str = "keep_page"):
    """Press the button; return the file that is downloaded."""
    with page.expect_download() as download:
        page.locator(f".st-key-{key} button").first.click()
    kept = tmp_path / download.value.suggested_filename
    download.value.save_as(kept)
    assert kept.stat().st_size <= 3_000_000
    return kept


def test_a_figure_of_plotly_and_a_table_have_the_numbers_of_the_page(open_page, browser, tmp_path):
    page = open_page("/language?panel=unseen_ngrams,chain_rule,-smoothing,-token_ids,-ngram_counts&lang=ko")
    page.locator(".js-plotly-plot .bars").first.wait_for(state="attached")
    bars = page.evaluate(BARS)
    rows = page.locator(".st-key-panel_chain_rule table").first.locator("tr").evaluate_all(CELLS)
    assert len(bars[0][0]) > 2
    assert len(rows) > 3
    kept = keep(page, tmp_path)
    with offline_page(browser, kept, ready=".unrolled-kept-panel") as offline:
        figure = offline.locator('[data-panel="unseen_ngrams"] .unrolled-updated-figure')
        figure.scroll_into_view_if_needed()
        figure.locator(".bars").first.wait_for(state="attached")
        assert offline.evaluate(BARS) == bars
        table = offline.locator('[data-panel="chain_rule"] table').first
        assert table.locator("tr").evaluate_all(CELLS) == rows
        expect(offline.locator("html")).to_have_attribute("lang", "ko")
        assert offline.locator("[data-value=dark], [data-value=en]").count() == 0  # one theme and language
        assert offline.locator("footer a").get_attribute("href").startswith(page.url.split("?")[0])


def test_the_drawings_of_an_edited_network_have_the_numbers_of_the_page_and_stay_at_its_step(
    open_page, browser, tmp_path
):
    page = open_page("/edit?net=counter&text=aabb&step=2&unit=1&edits=rnn.l0.forget_bias%3D1&panel=-none")
    drawn = ".unrolled-edited-prediction [data-value], .unrolled-heatmap [data-value]"
    page.wait_for_selector(drawn, state="attached")
    shown = until(page, lambda: page.eval_on_selector_all(drawn, NUMBERS))
    assert {step for _quantity, _unit, step, _value in shown} == {"2"}
    kept = keep(page, tmp_path)
    with offline_page(browser, kept) as offline:
        until(offline, lambda: _equal(offline.eval_on_selector_all(drawn, NUMBERS), shown))
        sentences = offline.locator(".unrolled-document-sentences").inner_text()
        assert "Time step 3, unit 1 of layer rnn.l0." in sentences
        assert "The network was edited (1 edit)" in sentences
        steps = offline.evaluate("""() => {
          const store = unrolled.store("edit_changed"), seen = [];
          store.subscribe((changed) => { if (changed.has("step")) seen.push(store.step); });
          return (window.steps = seen);
        }""")
        assert steps == [2]
        offline.locator(".unrolled-heatmap [tabindex='0']").first.press("ArrowLeft")
        until(offline, lambda: _equal(offline.evaluate("window.steps"), [2, 1, 2]))  # moved, and back


def test_norm_curves_of_gradients_are_kept(open_page, browser, tmp_path):
    page = open_page("/gradients?net=counter&text=aabb&step=3&panel=-none")
    curves = '[data-group="gradient-norms"] [data-value]'
    lines = ".unrolled-line-chart svg g > path[fill=none]"
    page.wait_for_selector(lines, state="attached")
    shown = page.eval_on_selector_all(curves, NUMBERS)
    assert len(shown) == 8  # of the hidden and the cell state
    kept = keep(page, tmp_path, "keep_panels")
    with offline_page(browser, kept) as offline:
        offline.wait_for_selector(lines, state="attached")
        assert offline.eval_on_selector_all(curves, NUMBERS) == shown
        pair = '.unrolled-gradient-heatmap [data-quantity="pair_norm"]'
        assert (found := offline.eval_on_selector_all(pair, NUMBERS))
        assert found == page.eval_on_selector_all(pair, NUMBERS)


def _equal(found: object, wanted: object) -> None:
    assert found == wanted
