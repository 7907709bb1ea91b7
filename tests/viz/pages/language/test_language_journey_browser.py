"""A journey through the Language lens in Korean: the probabilities of the notes, a zero, smoothing."""

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from models.language.corpus import read_corpus, shipped_text
from models.language.corpus_counts import CorpusCounts
from models.language.sentence_probability import product_of, sentence_factors
from models.language.smoothing import Smoothing
from tests.support.browser import opened_page, rerun, serve, until
from tests.support.step_page import pick

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PANELS = "chain_rule,-smoothing,-ngram_counts,-unseen_ngrams,-word_windows,-neural_models,-word_vectors"


def factor_row(page: Page, word: str):
    """Return the row of a word in the table of factors."""
    return page.locator(".st-key-panel_chain_rule tr").filter(has=page.get_by_text(word, exact=True)).first


def number(page: Page, quantity: str, layer: str, unit: int) -> float:
    """Return a hidden number of the page."""
    at = f'[data-quantity="{quantity}"][data-layer="{layer}"][data-unit="{unit}"]'
    return float(page.locator(at).first.get_attribute("data-value", timeout=1000).replace("Infinity", "inf"))


def test_a_zero_is_found_and_smoothed(tmp_path, monkeypatch, browser):
    monkeypatch.setenv("UNROLLED_RUNS", str(tmp_path))
    counts = CorpusCounts(read_corpus(shipped_text("ko")))
    words = ["그는", "정말", "좋은", "마법사예요"]
    with serve() as url, opened_page(browser, f"{url}/language?panel={PANELS}", locale="ko-KR") as page:
        expect(factor_row(page, "그는")).to_contain_text("10 / 100")
        expect(factor_row(page, "그는")).to_contain_text("0.1")
        expect(factor_row(page, "정말")).to_contain_text("8 / 10")
        expect(factor_row(page, "정말")).to_contain_text("0.8")

        box = page.get_by_label("문장", exact=True)
        box.fill(" ".join(words))
        rerun(page, lambda: box.press("Enter"))
        expect(page.get_by_text("“마법사예요” 단어는 말뭉치의 어휘에 없어요.")).to_be_visible()
        until(page, lambda: number(page, "probability", "counting", 3) == 0)
        assert until(page, lambda: number(page, "sentence_log2", "counting", 0)) == -float("inf")

        pick(page, "스무딩", "위튼–벨")
        factors = sentence_factors(counts, Smoothing("witten_bell"), words, 3)
        product = product_of(np.array([each.probability for each in factors]))
        until(page, lambda: abs(number(page, "sentence_log2", "counting", 0) - product.log2) < 1e-9)
        assert number(page, "probability", "counting", 3) == pytest.approx(factors[3].probability, rel=1e-12)
        expect(page.get_by_text("어휘에 없어요.")).to_have_count(0)

        page.get_by_text("영어 문장 100개", exact=True).click()
        expect(factor_row(page, "He")).to_contain_text("10 / 100")
        page.go_back()  # to the sentence in Korean and its smoothing
        until(page, lambda: abs(number(page, "sentence_log2", "counting", 0) - product.log2) < 1e-9)
        expect(box).to_have_value(" ".join(words))
        page.go_back()
        until(page, lambda: number(page, "probability", "counting", 3) == 0)
