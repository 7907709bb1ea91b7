"""Lessons from their files: Markdown with front matter, as ``README.md`` of this folder documents it.

lesson = read_lesson(Path("viz/lessons/07-vanishing"))
text, problems = parse_lesson(source, Path("en.md"), "en")
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from models.core.messages import Problem
from viz.i18n import LANGUAGES
from viz.lessons.lesson import Block, LensView, Lesson, LessonText, MarkdownBlock, QuestionKind, Section
from viz.lessons.lesson_blocks import FieldReader, read_question, read_view
from viz.lessons.lesson_markdown import MarkdownPart, MarkdownProblem, split_markdown
from viz.lessons.lesson_problems import LessonError
from viz.lessons.yaml_fields import YamlProblem, read_fields

MAX_FILE = 100_000
"""Characters of one file at most."""

MAX_SECTIONS, MAX_QUESTIONS, MAX_PARTS = 20, 40, 400
"""Sections, questions, and parts of the Markdown of one lesson at most."""

MAX_MINUTES = 240

FILES = {language: f"{language}.md" for language in LANGUAGES}
"""The file of each language in a lesson's folder."""

_FOLDER = re.compile(r"(?:(?P<number>\d{1,3})-)?(?P<name>.+)", re.DOTALL)


def read_lesson(folder: Path) -> Lesson:
    """Return the lesson in a folder.

    Raises:
        LessonError: it has no file, or the first problem in one of them.
    """
    sources = {}
    for language, name in FILES.items():
        if (folder / name).is_file():
            sources[language] = read_source(folder / name)
    return lesson_of_sources(folder, sources)


def lesson_of_sources(folder: Path, sources: Mapping[str, str]) -> Lesson:
    """Return the lesson of texts that are not files, as of an upload.

    Args:
        folder: its name is the lesson's name; need not exist.
        sources: the content of the file of each language.

    Raises:
        LessonError: there is no text, or the first problem in one of them.
    """
    if not sources:
        raise LessonError(
            Problem("There is no lesson here. Write it in {names}.", names=" / ".join(FILES.values())), folder
        )
    texts = {}
    for language, source in sources.items():
        text, problems = parse_lesson(source, folder / FILES[language], language)
        if text is None or problems:
            raise problems[0]
        texts[language] = text
    number, name = folder_name(folder)
    return Lesson(name, number, folder, texts)


def folder_name(folder: Path) -> tuple[int, str]:
    """Return the number and the name in the name of a lesson's folder.

    >>> folder_name(Path("07-vanishing"))
    (7, 'vanishing')
    """
    found = _FOLDER.fullmatch(folder.name)
    return (int(found["number"] or 0), found["name"]) if found else (0, "lesson")


def read_source(path: Path) -> str:
    """Return the content of a file. Raises LessonError: it is too large, not UTF-8, or cannot be opened."""
    try:
        with path.open("rb") as file:
            content = file.read(4 * MAX_FILE + 1)
    except OSError:
        raise LessonError(Problem("This file cannot be opened. Check its name and its permissions."), path) from None
    return decode_source(content, path)


def decode_source(content: bytes, path: Path) -> str:
    """Return the text of a file. Raises LessonError: it is too large, or not UTF-8."""
    try:
        text = content[: 4 * MAX_FILE + 4].decode("utf-8-sig")
    except UnicodeDecodeError:
        raise LessonError(Problem("This file is not text in UTF-8. Save it as UTF-8."), path) from None
    if len(content) > 4 * MAX_FILE or len(text) > MAX_FILE:
        raise LessonError(
            Problem("This file has more than {most:,} characters. Make two lessons of it.", most=MAX_FILE), path
        )
    return text.replace("\r\n", "\n").replace("\r", "\n")


def parse_lesson(source: str, path: Path, language: str) -> tuple[LessonText | None, list[LessonError]]:
    """Return a lesson's text and its problems; no text where it has no front matter or its Markdown cannot be split."""
    reader = _LessonReader(path, language)
    return reader.read(source), reader.problems


class _LessonReader:
    """The reading of one file, with the problems that are found."""

    def __init__(self, path: Path, language: str) -> None:
        self.path, self.language = path, language
        self.problems: list[LessonError] = []

    def add(self, problem: Problem, line: int = 0) -> None:
        """Add a problem at a line."""
        self.problems.append(LessonError(problem, self.path, line))

    def read(self, source: str) -> LessonText | None:
        """Return the lesson, or None."""
        lines = source.split("\n")
        ends = [number for number, line in enumerate(lines) if number and line.rstrip() == "---"]
        if lines[0].rstrip() != "---" or not ends:
            self.add(Problem("The front matter is missing. Begin the file with a line ---, fields, and a line ---."), 1)
            return None
        front = self._fields("\n".join(lines[1 : ends[0]]), 2)
        try:
            parts = split_markdown("\n".join(lines[ends[0] + 1 :]), ends[0] + 2)
        except MarkdownProblem as problem:
            self.add(problem, problem.line)
            return None
        if len(parts) > MAX_PARTS:
            self.add(self._too_long())
            return None
        return None if front is None else self._lesson(front, self._sections(parts))

    def _fields(self, text: str, line: int) -> FieldReader | None:
        try:
            return FieldReader(read_fields(text, line), self.add)
        except YamlProblem as problem:
            self.add(problem, problem.line)
            return None

    def _lesson(self, front: FieldReader, sections: tuple[Section, ...]) -> LessonText:
        lesson = LessonText(
            language=self.language,
            title=front.line_of_text("title", required=True),
            question=front.line_of_text("question", required=True),
            minutes=front.whole_number("minutes", 1, MAX_MINUTES) or 10,
            sources=front.texts("sources"),
            textbooks=front.markdown_of("textbooks"),
            sections=sections,
            path=self.path,
        )
        front.check_names()
        if not sections:
            self.add(Problem("The lesson has no section. Begin one with a line “## Title”."))
        if len(sections) > MAX_SECTIONS or len(lesson.questions) > MAX_QUESTIONS:
            self.add(self._too_long())
        return lesson

    def _too_long(self) -> Problem:
        return Problem(
            "The lesson has more than {sections} sections or {questions} questions. Make two lessons of it.",
            sections=MAX_SECTIONS,
            questions=MAX_QUESTIONS,
        )

    def _sections(self, parts: list[MarkdownPart]) -> tuple[Section, ...]:
        groups: list[tuple[MarkdownPart, list[MarkdownPart]]] = []
        for part in parts:
            if part.kind == "section":
                groups.append((part, []))
            elif groups:
                groups[-1][1].append(part)
            else:
                self.add(
                    Problem("There is text before the first section. Write a line “## Title” above it."), part.line
                )
        return tuple(self._section(heading, inside) for heading, inside in groups)

    def _section(self, heading: MarkdownPart, parts: list[MarkdownPart]) -> Section:
        if not heading.text:
            self.add(Problem("The section has no title. Write it after ##."), heading.line)
        if not parts:
            self.add(Problem("This section is empty. Write text, a view or a question."), heading.line)
        views = [part for part in parts if part.kind == "view"]
        for part in views[1:]:
            self.add(Problem("This section has two views. Put the second one into a section of its own."), part.line)
        view = None
        if views and (fields := self._fields(views[0].text, views[0].line)) is not None:
            view = read_view(fields)
        found = [self._block(part, view) for part in parts if part not in views[1:]]
        return Section(heading.text, tuple(block for block in found if block is not None), heading.line)

    def _block(self, part: MarkdownPart, view: LensView | None) -> Block | None:
        if part.kind == "markdown":
            return MarkdownBlock(part.text, part.line)
        if part.kind == "view":
            return view
        fields = self._fields(part.text, part.line)
        kind: QuestionKind = "predict" if part.kind == "predict" else "check"
        return None if fields is None else read_question(fields, kind, view)
