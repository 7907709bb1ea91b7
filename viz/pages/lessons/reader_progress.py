"""A reader's progress through the lessons: which sections were opened, and what was answered.

The browser stores it as JSON, so that it needs no account; a reader can export and import the same text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

import streamlit as st

from models.core.messages import Problem
from viz.components.lesson_progress import lesson_progress
from viz.components.streamlit_host import reported
from viz.lessons.lesson import Lesson, LessonText

Given = float | str | tuple[float, ...] | None
"""What a reader answered: a number, the key of a choice, a curve; None if the answer was shown at once."""

PROGRESS, STORAGE = "lesson_progress", "lesson_storage"
"""In the session state: the progress; key of the component that stores it in the browser."""

MAX_TEXT, MAX_LESSONS, MAX_ENTRIES, MAX_NAME, MAX_POINTS = 1_000_000, 300, 200, 200, 2000
"""Limits of a stored progress: characters, lessons, entries of a lesson, characters of a name, points of a curve."""


@dataclass(frozen=True)
class GivenAnswer:
    """A reader's answer, and whether it was right."""

    given: Given
    is_right: bool


@dataclass
class LessonProgress:
    """The progress through one lesson.

    Attributes:
        opened: the sections that were opened, from 1.
        answers: by the question's name (`question_name`).
    """

    opened: set[int] = field(default_factory=set)
    answers: dict[str, GivenAnswer] = field(default_factory=dict)


@dataclass
class Progress:
    """The progress through all lessons.

    Attributes:
        lessons: by name.
        is_cleared: whether the reader deleted it, so that the browser has to delete it too.
    """

    lessons: dict[str, LessonProgress] = field(default_factory=dict)
    is_cleared: bool = False

    def of(self, lesson: str) -> LessonProgress:
        """Return the progress through a lesson, to be read or changed."""
        return self.lessons.setdefault(lesson, LessonProgress())

    def add(self, other: Progress) -> None:
        """Add what another progress has and this one lacks."""
        for name, lesson in other.lessons.items():
            own = self.of(name)
            own.opened |= lesson.opened
            own.answers = lesson.answers | own.answers

    def clear(self) -> None:
        """Delete everything."""
        self.lessons.clear()
        self.is_cleared = True

    def is_done(self, lesson: Lesson) -> bool:
        """Return whether all checks of a lesson are answered, in one of its languages."""
        answers = self.lessons.get(lesson.name, LessonProgress()).answers
        return any(set(check_names(text)) <= answers.keys() for text in lesson.texts.values() if text.checks)

    def is_begun(self, lesson: Lesson) -> bool:
        """Return whether a section of a lesson was opened."""
        return bool(self.lessons.get(lesson.name, LessonProgress()).opened)

    def to_json(self) -> str:
        """Return the text that `read_progress` reads."""
        lessons = {
            name: {
                "opened": sorted(lesson.opened),
                "answers": {key: [each.given, each.is_right] for key, each in sorted(lesson.answers.items())},
            }
            for name, lesson in sorted(self.lessons.items())
            if lesson.opened or lesson.answers
        }
        return json.dumps({"unrolled": 1, "lessons": lessons}, ensure_ascii=False, separators=(",", ":"))


def question_name(language: str, section: int, place: int) -> str:
    """Return the name of a question: its language, its section and its place there, from 1."""
    return f"{language}.{section}.{place}"


def check_names(text: LessonText) -> list[str]:
    """Return the names of the checks of a lesson in one language."""
    return [
        question_name(text.language, section, place)
        for section, each in enumerate(text.sections, 1)
        for place, question in enumerate(each.questions, 1)
        if question.kind == "check"
    ]


def read_progress(text: str) -> Progress:
    """Return a progress that was stored or exported.

    Raises:
        Problem: the text is not such a progress.
    """
    try:
        if len(text) > MAX_TEXT:
            raise ValueError
        lessons = json.loads(text)["lessons"]
        if not isinstance(lessons, dict) or len(lessons) > MAX_LESSONS:
            raise ValueError
        return Progress({_name(name): _lesson(each) for name, each in lessons.items()})
    except (ValueError, KeyError, TypeError, RecursionError):
        raise Problem(
            "This file is not an exported progress. Choose the .json file that the Lessons page exported."
        ) from None


def _lesson(value: Any) -> LessonProgress:
    opened, answers = value["opened"], value["answers"]
    if not isinstance(opened, list) or not isinstance(answers, Mapping) or len(opened) + len(answers) > MAX_ENTRIES:
        raise ValueError
    if not all(type(each) is int and 0 < each < 1000 for each in opened):
        raise ValueError
    return LessonProgress(set(opened), {_name(name): _answer(*each) for name, each in answers.items()})


def _answer(given: Any, is_right: Any) -> GivenAnswer:
    if not isinstance(is_right, bool):
        raise ValueError
    if isinstance(given, list) and len(given) <= MAX_POINTS:
        return GivenAnswer(tuple(map(_number, given)), is_right)
    if given is None or (isinstance(given, str) and len(given) <= MAX_NAME):
        return GivenAnswer(given, is_right)
    return GivenAnswer(_number(given), is_right)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise ValueError
    return float(value)


def _name(value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= MAX_NAME:
        raise ValueError
    return value


def get_progress() -> Progress:
    """Return this reader's progress."""
    found: Progress = st.session_state.setdefault(PROGRESS, Progress())
    return found


def store_progress(place: str) -> None:
    """Store the progress in the browser, after what the browser had stored was added to it; ``place``: what is shown."""
    progress = get_progress()
    text = progress.to_json() if progress.lessons or progress.is_cleared else None
    lesson_progress(text, place, key=STORAGE, on_stored=_add_stored)


def _add_stored() -> None:
    found = reported(STORAGE, "stored", {"text": _stored_text})
    if found is None:
        return
    try:
        get_progress().add(read_progress(found["text"]))
    except Problem:
        return  # not the app's: it is replaced at the reader's next step


def _stored_text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise ValueError
    return value
