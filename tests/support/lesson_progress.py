"""The progress of a reader to whom the answers of lessons were shown."""

from viz.lessons.lesson import Lesson
from viz.pages.lessons.reader_progress import GivenAnswer, LessonProgress, Progress, question_name


def shown_answers(*lessons: Lesson) -> Progress:
    """Return the progress after "Show the answer" at every question of the lessons, so that all their views are shown."""
    return Progress({lesson.name: LessonProgress(set(), _shown(lesson)) for lesson in lessons})


def _shown(lesson: Lesson) -> dict[str, GivenAnswer]:
    return {
        question_name(text.language, section, place): GivenAnswer(None, False)
        for text in lesson.texts.values()
        for section, each in enumerate(text.sections, 1)
        for place, _question in enumerate(each.questions, 1)
    }
