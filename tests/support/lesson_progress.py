"""The progress of a reader to whom the answers of a lesson were shown."""

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
