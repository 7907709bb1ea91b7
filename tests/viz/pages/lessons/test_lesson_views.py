"""Every view of every lesson that comes with the app opens in its place, with all of its panels and without a message."""

import pytest

from tests.support.lens_page import run, start
from viz.lessons.find_lessons import shipped_lessons
from viz.pages.lessons import lesson_questions
from viz.pages.lessons.reader_progress import PROGRESS, GivenAnswer, LessonProgress, Progress, question_name
from viz.pages.panels import PAGE_PANELS


def answered(lesson):
    """Return the progress of a reader to whom all answers of a lesson were shown, so that its views are shown."""
    names = [
        question_name(text.language, section, place)
        for text in lesson.texts.values()
        for section, each in enumerate(text.sections, 1)
        for place, _question in enumerate(each.questions, 1)
    ]
    return Progress({lesson.name: LessonProgress(set(), {name: GivenAnswer(None, False) for name in names})})


@pytest.mark.slow
@pytest.mark.parametrize("lesson", shipped_lessons(), ids=lambda lesson: lesson.name)
def test_every_view_of_a_lesson_opens(lesson, monkeypatch):
    monkeypatch.setattr(lesson_questions, "_show_answer", lambda asked, given: None)  # computed in another test
    page = start("lessons", state={PROGRESS: answered(lesson)}, lang="en")
    seen = []
    for language, text in lesson.texts.items():
        for number, section in enumerate(text.sections, 1):
            if section.view is None or section.view in seen:
                continue
            seen.append(section.view)
            page.query_params.clear()
            page.query_params.update({"lang": language, "lesson": lesson.name, "section": str(number)})
            run(page)
            place = f"{text.path.name}:{section.view.line}"
            shown = page.session_state[PAGE_PANELS]
            assert (page.session_state["unrolled"].view.section, page.session_state["unrolled"].notices) == (number, [])
            missing = set(section.view.panels) - {each.name for each in shown.panels if each.is_drawn}
            assert section.view.lens == "train" or not missing, (
                place,
                missing,
            )  # Train's are of a run that was started
            assert not page.error, place
