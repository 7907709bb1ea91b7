"""One vocabulary in both languages: every string, card and component's word uses its terms; the pages explain them."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from viz import i18n
from viz.glossary import PAGES, gloss, glossary_markdown, mark_terms, notation_markdown
from viz.i18n import LANGUAGES, use_language
from viz.pages import LENSES
from viz.terms import NOTATION, TERMS, forbidden_in

ROOT = Path(__file__).parents[2]
CARDS = sorted(ROOT.glob("models/zoo/*.json"))


def strings_of(value):
    """Every string in a card's value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from strings_of(each)
    elif isinstance(value, list):
        for each in value:
            yield from strings_of(each)


def messages(lang):
    """Every string of the app in a language: those of the code, of `models` and of the components' words."""
    for message in i18n.read_catalogue("ko"):
        said = message.id if lang == "en" else message.string
        yield from said if isinstance(said, (tuple, list)) else [said]


@pytest.mark.parametrize("lang", LANGUAGES)
def test_no_string_uses_a_forbidden_synonym(lang):
    assert [(found, text) for text in messages(lang) if (found := forbidden_in(text, lang))] == []


@pytest.mark.parametrize("path", CARDS, ids=lambda path: path.stem)
def test_no_card_uses_a_forbidden_synonym(path):
    card = json.loads(path.read_text(encoding="utf-8"))
    for lang in LANGUAGES:
        for field in ("title", "task"):
            assert forbidden_in(card[field][lang], lang) == []
        assert forbidden_in(card["default"]["why"][lang], lang) == []


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_vocabulary_of_the_field_is_used(lang):
    """The terms of lecture notes occur on the pages."""
    said = "\n".join(messages(lang)).lower()
    names = {term.name["en"]: term.name[lang].lower() for term in TERMS}
    for wanted in (
        "time step", "hidden state", "cell state", "forget gate", "backpropagation", "vanishing gradient",
        "exploding gradient", "element-wise product", "sigmoid", "attention weight", "context vector", "self-attention",
        "cross-attention", "long-term dependency", "output layer", "vanilla rnn", "parameter", "bidirectional",
    ):  # fmt: skip
        name = names[next(each for each in names if each.lower() == wanted)]
        assert name in said or name.replace("y", "ies") in said, name


def test_every_term_is_whole():
    assert len({term.name["en"] for term in TERMS}) == len({term.name["ko"] for term in TERMS}) == len(TERMS) >= 50
    for term in TERMS:
        assert term.page in PAGES and term.page in {lens.name for lens in LENSES}
        for lang in LANGUAGES:
            assert term.name[lang] and term.gloss[lang].endswith((".", "요.", ")."))
            assert forbidden_in(term.name[lang], lang) == forbidden_in(term.gloss[lang], lang) == []
            for pattern in term.forbidden[lang]:
                re.compile(pattern)


def test_the_other_names_of_textbooks_are_said():
    also = {term.name["ko"]: term.also["ko"] for term in TERMS}
    assert {"삭제 게이트", "forget 게이트"} <= set(also["망각 게이트"])
    assert "기억 셀" in also["셀 상태"] and "아다마르 곱" in also["원소별 곱"]


def test_the_notations_are_bridged():
    with use_language("ko"):
        table = notation_markdown("ko")
    for symbol in ("W_{xf}", "W_{if}", "b_f", "b_{hf}", "C_t", "c_t"):
        assert symbol in table
    assert "z와 1 − z" in table and "쿼리는 디코더 상태" in table
    assert all(row.meaning["en"] and row.meaning["ko"] for row in NOTATION)


def test_the_first_use_of_a_term_says_its_gloss():
    seen = {}
    with use_language("en"):
        first = mark_terms("Is the forget gate open? `forget gate`, forget gates", seen)
        again = mark_terms("The forget gate", seen)
    assert first.count("<dfn") == 1 and 'tabindex="0"' in first and "`forget gate`" in first
    assert "share of the previous cell state" in first and "→ Step" in first
    assert again == "The forget gate"
    with use_language("en"):
        assert mark_terms("Is the forget gate open? `forget gate`, forget gates", seen) == first  # a part run again


def test_korean_terms_are_found_before_particles():
    with use_language("ko"):
        marked = mark_terms("망각 게이트가 닫힌 시점에서 기울기 소실이 생겨요.", {})
    assert re.findall(r">([^<]+)</dfn>", marked) == ["망각 게이트", "시점", "기울기 소실"]
    assert "삭제 게이트" in marked


@given(st.text(alphabet="abc `*_[]()<>$\\“” forget gate\n", max_size=60))
def test_marking_changes_no_other_text(text):
    with use_language("en"):
        marked = mark_terms(text, {})
    shown = re.sub(r'<dfn class="unrolled-term"[^>]*>|</dfn>', "", marked)
    assert shown.replace("&lt;", "<") == text


def test_no_caption_becomes_html():
    with use_language("en"):
        marked = mark_terms("The forget gate of <img src=x onerror=alert(1)> and <b>units</b>", {})
    assert re.findall("<[^>]*>", re.sub(r'<dfn class="unrolled-term"[^>]*>|</dfn>', "", marked)) == []


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_glossary_lists_every_term(lang):
    with use_language(lang):
        rows = glossary_markdown(lang).splitlines()
        assert len(rows) == len(TERMS) + 2 and len({row.replace("\\|", "").count("|") for row in rows}) == 1
        assert gloss(TERMS[0], lang).count("\n") == 2
