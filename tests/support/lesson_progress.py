"""The progress of a reader to whom the answers of a lesson were shown, and the language of the browser's test of a lesson."""

from viz.lessons.lesson import Lesson
from viz.pages.lessons.reader_progress import GivenAnswer, LessonProgress, Progress, question_name


def shown_answers(lesson: Lesson) -> Progress:
    """Return the progress after "Show the answer" at every question of a lesson, so that all its views are shown."""
    names = [
        question_name(text.language, section, place)
        for text in lesson.texts.values()
        for section, each in enumerate(text.sections, 1)
        for place, _question in enumerate(each.questions, 1)
    ]
    return Progress({lesson.name: LessonProgress(set(), {name: GivenAnswer(None, False) for name in names})})


def language_in_browser(lesson: Lesson) -> str:
    """Return the language in which a browser opens all sections of a lesson: in turn English and Korean."""
    return ("ko", "en")[lesson.number % 2]
