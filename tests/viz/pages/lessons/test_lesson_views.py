"""Every section of the app's lessons without a browser, in the language in which no browser opens it."""

import pytest

from tests.support.inline_training import InlineQueue
from tests.support.lens_page import run, shown_texts, start
from tests.support.lesson_progress import language_in_browser, shown_answers
from viz.i18n import LANGUAGES, use_language
from viz.lessons.find_lessons import shipped_lessons
from viz.lessons.lesson import SketchForm
from viz.pages.lessons import question_answer
from viz.pages.lessons.reader_progress import PROGRESS
from viz.pages.panels import PAGE_PANELS

COMPUTED = ("The computed answer:", "계산한 답:")


@pytest.mark.slow
@pytest.mark.parametrize("lesson", shipped_lessons(), ids=lambda lesson: lesson.name)
def test_every_section_opens_in_the_other_language(monkeypatch, lesson):
    monkeypatch.setattr(question_answer, "shared_queue", InlineQueue)
    (language,) = set(LANGUAGES) - {language_in_browser(lesson)}
    text = lesson.in_language(language)
    page = start("lessons", state={PROGRESS: shown_answers(lesson)}, lesson=lesson.name, section="1", lang=language)
    for number, section in enumerate(text.sections, 1):
        if number > 1:
            page.button(key="section_after").click()
            with use_language(language):  # in which `AppTest` looks up the options of menus
                page = run(page)
        assert section.title in [each.value.replace("\\", "") for each in page.header]
        computed = [each for each in shown_texts(page, "info") if each.startswith(COMPUTED)]
        assert len(computed) == sum(not isinstance(each.form, SketchForm) for each in section.questions)
        if section.view is not None and section.view.lens != "train":
            shown = {each.name for each in page.session_state[PAGE_PANELS].panels if each.is_open}
            assert shown >= set(section.view.panels)
