"""The upload of lessons: the Markdown files of one lesson, or a .zip of one lesson or several."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path, PurePosixPath

import streamlit as st

from models.core.messages import Problem
from viz.escape import escape_markdown
from viz.i18n import LANGUAGES, _, translate
from viz.lessons.lesson_problems import LessonError
from viz.lessons.read_lesson import FILES, MAX_FILE, decode_source, lesson_of_sources
from viz.pages.lessons.lesson_library import add_lesson
from viz.pages.page_elements import caption, show_problem
from viz.pages.upload_box import upload_box
from viz.uploads import remove_uploads

UPLOAD = "lesson_upload"
"""In the session state: the number of uploads."""

MAX_ENTRIES = 100
"""Files of a .zip at most."""


def upload_lessons() -> None:
    """Show the upload, and what is wrong with an uploaded lesson, with its file and line."""
    caption(
        _(
            "A lesson is a folder with the files {files}. Upload these files, or a .zip of the folder; viz/lessons/README.md "
            "describes the form."
        ).format(files=", ".join(FILES.values()))
    )
    turn = st.session_state.setdefault(UPLOAD, 0)
    files = upload_box(
        _("Files of a lesson"),
        type=["md", "zip"],
        accept_multiple_files=True,
        key=f"{UPLOAD}_{turn}",
        max_upload_size=2,
    )
    if not files:
        return
    contents = {file.name: file.getvalue() for file in files}
    remove_uploads(files)
    try:
        for folder, sources in lesson_sources(contents).items():
            add_lesson(lesson_of_sources(Path(folder), sources))
    except LessonError as error:
        st.warning(escape_markdown(f"{error.place}: {translate(error)}"), icon=":material/info:")
    except Problem as problem:
        show_problem(problem)
    else:
        st.session_state[UPLOAD] = turn + 1
        st.rerun()


def lesson_sources(contents: dict[str, bytes]) -> dict[str, dict[str, str]]:
    """Return the texts of the uploaded lessons by language, by the name of the lesson's folder.

    Args:
        contents: of the files, by their names.

    Raises:
        Problem: a .zip cannot be opened, or there is no lesson in the files.
    """
    found: dict[str, dict[str, str]] = {}
    for name, content in contents.items():
        members = _members(content) if name.lower().endswith(".zip") else {name: content}
        stem = PurePosixPath(name).stem if name.lower().endswith(".zip") else "my-lesson"
        for member, data in members.items():
            path = PurePosixPath(member)
            language = next((code for code in LANGUAGES if FILES[code] == path.name), None)
            if language is not None:
                folder = path.parent.name or stem
                found.setdefault(folder, {})[language] = decode_source(data, Path(folder) / path.name)
    if not found:
        raise Problem(
            "There is no lesson in these files. Upload files with the names {names}, or a .zip with them.",
            names=", ".join(FILES.values()),
        )
    return found


def _members(content: bytes) -> dict[str, bytes]:
    """Return the Markdown files of a .zip; of one that is too long, its beginning, which ``decode_source`` refuses."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = [each for each in archive.infolist() if each.filename.endswith(tuple(FILES.values()))]
            if len(entries) > MAX_ENTRIES:
                raise ValueError
            members = {}
            for entry in entries:
                with archive.open(entry) as file:
                    members[entry.filename] = file.read(4 * MAX_FILE + 1)
            return members
    except (zipfile.BadZipFile, ValueError, RuntimeError, NotImplementedError, OSError, EOFError):
        raise Problem("The .zip cannot be opened. Make it again from the folder of the lesson.") from None
