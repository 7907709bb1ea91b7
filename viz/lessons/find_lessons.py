"""Lessons in their order, and the search over them and the glossary."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from viz.lessons.lesson import Lesson
from viz.lessons.lesson_problems import LessonError
from viz.lessons.read_lesson import FILES, folder_name, read_lesson
from viz.terms import TERMS, Term

FOLDER = Path(__file__).parent
"""The folder of the lessons that come with the app."""

MAX_LESSONS, MAX_HITS, MAX_QUERY = 100, 30, 100
"""Lessons of a folder, hits of a search, and characters of a query, at most."""

EXCERPT = 60
"""Characters of an excerpt before and after the words that were found."""


def lesson_folders(folder: Path) -> list[Path]:
    """Return the folders of lessons: the folder itself if it is one, else those in it, in their order."""
    if _is_lesson(folder):
        return [folder]
    try:
        inside = [each for each in folder.iterdir() if each.is_dir() and _is_lesson(each)]
    except OSError:
        return []
    return sorted(inside, key=lambda each: (folder_name(each)[0] or MAX_LESSONS, each.name))[:MAX_LESSONS]


def _is_lesson(folder: Path) -> bool:
    return any((folder / name).is_file() for name in FILES.values())


def read_lessons(folder: Path) -> tuple[list[Lesson], list[LessonError]]:
    """Return the lessons of a folder in their order, and the first problem of each that cannot be read."""
    lessons, problems = [], []
    for each in lesson_folders(folder):
        try:
            lessons.append(read_lesson(each))
        except LessonError as problem:
            problems.append(problem)
    return lessons, problems


@cache
def shipped_lessons() -> tuple[Lesson, ...]:
    """Return the lessons that come with the app, in their order, without one that cannot be read."""
    return tuple(read_lessons(FOLDER)[0])


@dataclass(frozen=True)
class LessonHit:
    """A section of a lesson that a search found.

    Attributes:
        lesson: the lesson.
        language: of the text in which it was found.
        section: from 0; None if the title or the question of the lesson was found.
        excerpt: plain text around the first word that was found.
    """

    lesson: Lesson
    language: str
    section: int | None
    excerpt: str


@dataclass(frozen=True)
class TermHit:
    """A term of the glossary that a search found."""

    term: Term


def search_lessons(query: str, lessons: Sequence[Lesson], language: str) -> list[LessonHit]:
    """Return the places where all words of a query occur: titles and questions first, the given language first.

    Case and accents do not matter. A word may be the beginning of one in the text, in Korean any part of one.
    """
    words = _words(query)
    if not words:
        return []
    titles, texts = [], []
    for lesson in lessons:
        for name in sorted(lesson.texts, key=lambda each: each != language):
            text = lesson.texts[name]
            about = f"{text.title}. {text.question}"
            is_title = _contains(about, words)
            if is_title:
                titles.append(LessonHit(lesson, name, None, about))
            found = [
                LessonHit(lesson, name, place, _excerpt(content, words))
                for place, section in enumerate(text.sections)
                if _contains(content := _plain(f"{section.title}. {section.markdown}"), words)
            ]
            texts += found
            if found or is_title:
                break  # the other language would repeat the same lesson
    return (titles + texts)[:MAX_HITS]


def search_terms(query: str, terms: Iterable[Term] = TERMS) -> list[TermHit]:
    """Return the terms whose name, other names or gloss contain all words of a query, names first."""
    words = _words(query)
    if not words:
        return []
    by_name = [
        each for each in terms if _contains(" ".join([*each.name.values(), *sum(each.also.values(), ())]), words)
    ]
    by_gloss = [each for each in terms if each not in by_name and _contains(" ".join(each.gloss.values()), words)]
    return [TermHit(each) for each in (by_name + by_gloss)[:MAX_HITS]]


def _words(query: str) -> list[str]:
    return _folded(query[:MAX_QUERY]).split()


def _folded(text: str) -> str:
    """Return a text in lower case, without accents; Korean syllables stay whole."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return unicodedata.normalize("NFC", "".join(each for each in decomposed if not unicodedata.combining(each)))


def _contains(text: str, words: list[str]) -> bool:
    folded = _folded(text)
    return all(_place(folded, word) >= 0 for word in words)


def _place(folded: str, word: str) -> int:
    """Return where a word is: at the beginning of one if it is of Latin letters, else anywhere; -1 for nowhere."""
    if not word[0].isascii():
        return folded.find(word)
    found = re.search(rf"(?<![a-z0-9]){re.escape(word)}", folded)
    return found.start() if found else -1


def _plain(markdown: str) -> str:
    """Return Markdown without its signs, on one line."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", markdown)
    return " ".join(re.sub(r"[*`#>|]|\$+", "", text).split())


def _excerpt(text: str, words: list[str]) -> str:
    place = max(0, min((found for word in words if (found := _place(_folded(text), word)) >= 0), default=0))
    start, end = max(0, place - EXCERPT), place + EXCERPT
    start = text.find(" ", start) + 1 if start else 0
    shown = text[start:end].rsplit(" ", 1)[0] if end < len(text) else text[start:]
    return ("… " if start else "") + shown + (" …" if end < len(text) else "")
