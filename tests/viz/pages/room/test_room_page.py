"""The Room page without a browser: the presenter's notes, and what its buttons show and ask."""

import html
import json
import re
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.support.lens_page import run, start, text_of
from viz.address import parse_view
from viz.i18n import LANGUAGES, use_language
from viz.lessons.answers import right_answer
from viz.lessons.find_lessons import shipped_lessons
from viz.pages.room.room_presenter import question_translations, room_question
from viz.rooms.room_question import checked_question

TEACHING = next(each for each in shipped_lessons() if each.name == "teaching")


def attributes(page, name):
    """Return what the presenter's buttons have in an attribute."""
    texts = "".join(each.proto.body for each in page.get("html"))
    return [html.unescape(found) for found in re.findall(rf'{name}="([^"]*)"', texts)]


def test_without_a_lesson_there_is_the_place_of_the_room_alone():
    page = start("room")
    assert any('id="unrolled-room"' in each.proto.body for each in page.get("html"))
    assert not attributes(page, "data-room-show") and not page.exception


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_section_has_its_notes_its_view_and_its_questions(lang):
    section = TEACHING.in_language(lang).sections[2]
    page = start("room", lesson="teaching", section="3", lang=lang)
    assert section.markdown[:60] in text_of(page)
    view_link, section_link = attributes(page, "data-room-show")
    shown, problems = parse_view(dict(parse_qsl(urlsplit(view_link).query, keep_blank_values=True)))
    assert not problems and urlsplit(view_link).path == section.view.lens
    assert (shown.net, shown.text, shown.layer) == (section.view.net, section.view.text, section.view.layer)
    assert urlsplit(section_link).path == "lessons" and "section=3" in section_link
    asked = [json.loads(each) for each in attributes(page, "data-room-ask")]
    assert [each["right"] for each in asked] == [right_answer(each) for each in section.questions]
    assert [each["ask"][lang] for each in asked] == [each.ask for each in section.questions]


def test_a_question_is_asked_in_every_language_in_which_it_is_the_same():
    counts = {1: 0, 2: 0}
    for lesson in shipped_lessons():
        for number, section in enumerate(lesson.texts["en"].sections, start=1):
            for place, question in enumerate(section.questions):
                found = question_translations(lesson, number, place, question)
                counts[len(found)] += 1
                assert found["en"] is question
                if "ko" in found:
                    assert found["ko"].place == question.place and found["ko"].ask != question.ask
    assert min(counts.values()) > 0  # some lessons show other texts in Korean


def test_next_and_back_move_the_presenter_alone():
    page = start("room", lesson="teaching", section="1")
    page.button(key="room_next").click()
    run(page)
    assert page.query_params["section"] in ("2", ["2"])
    assert page.button(key="room_back").disabled is False
    page.button(key="room_back").click()
    run(page)
    assert page.query_params["section"] in ("1", ["1"])


@pytest.mark.parametrize("lesson", shipped_lessons(), ids=lambda each: each.name)
def test_every_question_of_the_lessons_can_be_asked(lesson):
    for lang, text in lesson.texts.items():
        for question in text.questions:
            if any(name in question.answer for name in ("training_losses", "nearest_word", "word_cosine")):
                continue  # they train a network; the form is the same
            with use_language(lang):
                assert checked_question(json.loads(json.dumps(room_question(question, {lang: question}))))
