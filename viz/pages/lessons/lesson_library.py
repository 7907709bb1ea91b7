"""The lessons that a reader can open: the app's, those of the folder named on the command line, and uploaded ones."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import streamlit as st

from viz.lessons.find_lessons import lesson_folders, read_lessons, shipped_lessons
from viz.lessons.lesson import Lesson
from viz.lessons.lesson_problems import LessonError
from viz.lessons.read_lesson import FILES
from viz.session import Session

UPLOADED = "lesson_uploads"
"""In the session state: the lessons that the reader uploaded, by name."""

MAX_UPLOADED = 20
"""Uploaded lessons of one reader."""

RESEARCH, TEACHING = "my-checkpoint", "teaching"
"""The app's lessons for researchers and for teachers."""


def own_lessons(session: Session) -> list[Lesson]:
    """Return the lessons of the command line's folder that can be read, then those that the reader uploaded."""
    uploaded: dict[str, Lesson] = st.session_state.get(UPLOADED, {})
    return [*_folder_lessons(session)[0], *uploaded.values()]


def folder_problems(session: Session) -> list[LessonError]:
    """Return the first problem of each lesson of the command line's folder that cannot be read."""
    return _folder_lessons(session)[1]


def _folder_lessons(session: Session) -> tuple[list[Lesson], list[LessonError]]:
    folder = session.lessons_folder
    if folder is None:
        return [], []
    files = [each / name for each in lesson_folders(folder) for name in FILES.values()]
    return _read_lessons(folder, tuple(file.stat().st_mtime_ns if file.is_file() else 0 for file in files))


@lru_cache(maxsize=4)
def _read_lessons(folder: Path, changed: tuple[int, ...]) -> tuple[list[Lesson], list[LessonError]]:
    """Return the lessons of a folder, read again once a file has ``changed``."""
    return read_lessons(folder)


def add_lesson(lesson: Lesson) -> None:
    """Add an uploaded lesson; it replaces an uploaded one of the same name."""
    uploaded: dict[str, Lesson] = st.session_state.setdefault(UPLOADED, {})
    uploaded.pop(lesson.name, None)
    uploaded[lesson.name] = lesson
    while len(uploaded) > MAX_UPLOADED:
        del uploaded[next(iter(uploaded))]


def find_lesson(session: Session, name: str | None) -> Lesson | None:
    """Return the lesson of a name, an own one before one of the app; None if there is none."""
    if name is None:
        return None
    own = own_lessons(session)
    return next((each for each in (*reversed(own), *shipped_lessons()) if each.name == name), None)


def next_lesson(session: Session, lesson: Lesson) -> Lesson | None:
    """Return the lesson after another one in its order, None after the last."""
    for order in (shipped_lessons(), own_lessons(session)):
        names = [each.name for each in order]
        if lesson in order and names.index(lesson.name) + 1 < len(order):
            return order[names.index(lesson.name) + 1]
    return None
