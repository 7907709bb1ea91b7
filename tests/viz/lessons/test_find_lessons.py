"""The order of lessons, and the search over them and the glossary."""

from pathlib import Path

import pytest

from viz.lessons.find_lessons import lesson_folders, read_lessons, search_lessons, search_terms, shipped_lessons
from viz.lessons.read_lesson import lesson_of_sources

ENGLISH = """---
title: The vanishing gradient
question: Why does an early word get less?
---
## Backpropagation
The gradient is *multiplied* by $W$ at every step, [see here](https://example.org).
## Café
Long short-term memory.
"""
KOREAN = """---
title: 기울기 소실
question: 앞의 단어는 왜 기울기를 거의 받지 못할까요?
---
## 역전파
시점마다 가중치를 곱해요. 셀 상태는 LSTM에만 있어요.
## 끝
끝이에요.
"""
LESSON = lesson_of_sources(Path("07-vanishing"), {"en": ENGLISH, "ko": KOREAN})


def hits(query, language="en"):
    return [(hit.language, hit.section) for hit in search_lessons(query, [LESSON], language)]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("vanishing", [("en", None)]),
        ("VANISH early", [("en", None)]),
        ("gradient", [("en", None), ("en", 0)]),
        ("multiplied", [("en", 0)]),
        ("cafe", [("en", 1)]),
        ("anishing", []),
        ("example.org", []),
        ("셀 상태", [("ko", 0)]),
        ("기울기", [("ko", None)]),
        ("", []),
        ("(.*", []),
        ("gradient nothing", []),
    ],
)
def test_all_words_of_a_query_occur(query, found):
    assert hits(query) == found


def test_the_language_of_the_page_comes_first_and_the_other_does_not_repeat_it():
    assert hits("LSTM", "ko") == [("ko", 0)]
    assert hits("LSTM", "en") == [("ko", 0)]


def test_an_excerpt_is_plain_text_around_the_word():
    [hit] = search_lessons("multiplied", [LESSON], "en")
    assert hit.excerpt == "Backpropagation. The gradient is multiplied by W at every step, see here."


@pytest.mark.parametrize("query", ["forget gate", "망각 게이트", "timestep", "타임스텝"])
def test_a_term_is_found_by_its_names_in_both_languages(query):
    first = search_terms(query)[0].term
    names = [*first.name.values(), *first.also["en"], *first.also["ko"]]
    assert any(query in name for name in names)


def test_a_term_is_found_by_its_gloss_after_those_named_so():
    found = [hit.term for hit in search_terms("cell state")]
    assert found[0].name["en"] == "cell state" and len(found) > 1


def test_lessons_are_in_the_order_of_their_numbers(tmp_path):
    for name in ("10-last", "2-first", "own", "not-a-lesson"):
        (tmp_path / name).mkdir()
        if name != "not-a-lesson":
            (tmp_path / name / "en.md").write_text(ENGLISH if name != "own" else "broken", encoding="utf-8")
    assert [each.name for each in lesson_folders(tmp_path)] == ["2-first", "10-last", "own"]
    assert lesson_folders(tmp_path / "own") == [tmp_path / "own"]
    lessons, [problem] = read_lessons(tmp_path)
    assert [each.name for each in lessons] == ["first", "last"]
    assert problem.path == tmp_path / "own" / "en.md"
    assert lesson_folders(tmp_path / "nothing") == []


def test_the_lessons_of_the_app_have_numbers_and_names_of_their_own():
    lessons = shipped_lessons()
    assert [each.number for each in lessons] == sorted({each.number for each in lessons})
    assert len({each.name for each in lessons}) == len(lessons)
