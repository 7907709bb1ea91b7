"""The linter of lessons: every problem of a folder, with its file and line.

A lesson is right if its files can be read, its views exist, its answers can be computed and fit their questions, and its
languages have the same sections and questions.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from models.core.messages import Problem, Sentence
from viz.i18n import LANGUAGES
from viz.lessons.answers import explanation, right_answer
from viz.lessons.check_view import check_view
from viz.lessons.find_lessons import lesson_folders
from viz.lessons.lesson import LensView, LessonText, Question, SketchForm
from viz.lessons.lesson_problems import LessonError
from viz.lessons.read_lesson import FILES, parse_lesson, read_source

MAX_PROBLEMS = 200
"""Problems of one lesson that are listed."""


def check_folder(folder: Path) -> list[LessonError]:
    """Return the problems of the lessons in a folder, which is a lesson or contains some; [] if they are right."""
    folders = lesson_folders(folder)
    if not folders:
        return [
            LessonError(
                Problem("There is no lesson here. Write it in {names}.", names=" / ".join(FILES.values())), folder
            )
        ]
    return [problem for each in folders for problem in check_lesson(each)]


def check_lesson(folder: Path) -> list[LessonError]:
    """Return the problems of the lesson in a folder; [] if it is right."""
    texts: dict[str, LessonText] = {}
    problems: list[LessonError] = []
    for language, name in FILES.items():
        path = folder / name
        if not path.is_file():
            problems.append(
                LessonError(
                    Problem(
                        "The lesson has no {language} text. Write it in {name}.",
                        language=LANGUAGES[language],
                        name=name,
                    ),
                    folder,
                )
            )
            continue
        try:
            text, found = parse_lesson(read_source(path), path, language)
        except LessonError as problem:
            problems.append(problem)
            continue
        problems += found
        if text is not None:
            texts[language] = text
            problems += check_text(text)
    problems += _differences(list(texts.values()))
    return problems[:MAX_PROBLEMS]


def check_text(text: LessonText) -> Iterator[LessonError]:
    """Yield the problems of the views and the answers of a lesson in one language."""
    for section in text.sections:
        for block in section.blocks:
            if not isinstance(block, LensView | Question):
                continue
            try:
                check_view(block) if isinstance(block, LensView) else _check_question(block)
            except Problem as problem:
                yield LessonError(problem, text.path, block.line)


def _check_question(question: Question) -> None:
    answer = right_answer(question)
    explanation(question, answer)
    if isinstance(question.form, SketchForm) and isinstance(answer, list):
        low, high = min(answer), max(answer)
        if not question.form.low <= low <= high <= question.form.high:
            raise Problem(
                "The curve goes from {low} to {high}, outside of the sketch. Choose a larger range.",
                low=f"{low:.3g}",
                high=f"{high:.3g}",
            )


def _differences(texts: list[LessonText]) -> Iterator[LessonError]:
    """Yield the differences between the languages: numbers of sections, of predictions and of checks."""
    for text in texts[1:]:
        first = texts[0]
        counts = {
            Sentence("sections"): (len(first.sections), len(text.sections)),
            Sentence("predictions"): tuple(len(each.questions) - len(each.checks) for each in (first, text)),
            Sentence("checks"): (len(first.checks), len(text.checks)),
        }
        for what, (one, other) in counts.items():
            if one != other:
                yield LessonError(
                    Problem(
                        (
                            "The languages differ in their number of {what}: {first} has {one}, this file has {other}. "
                            "Write as many."
                        ),
                        first=first.path.name,
                        one=one,
                        what=what,
                        other=other,
                    ),
                    text.path,
                )
