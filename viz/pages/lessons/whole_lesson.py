"""Saving a whole lesson: its sections are shown one after another, each whole, and the browser copies them into one file."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields

import streamlit as st

from viz.address import PAGE_FIELDS, View
from viz.components.reports import index
from viz.components.save_lesson import save_lesson
from viz.components.streamlit_host import reported
from viz.escape import file_name
from viz.i18n import language
from viz.lessons.lesson import Lesson, LessonText
from viz.pages.lesson_strip import LESSON_PLACE, WHOLE_LESSON
from viz.pages.lessons.lesson_style import SAVED
from viz.pages.lessons.lesson_view import view_fields
from viz.session import Session

BUTTON = "save_lesson"


@dataclass
class WholeLesson:
    """A lesson that is being saved.

    Attributes:
        lesson: its name.
        section: the number of the section that is shown to be copied.
        view: the reader's view before the saving, which is shown again after it.
    """

    lesson: str
    section: int
    view: View


def is_copied(session: Session) -> bool:
    """Return whether the section that the view names is shown to be copied; a reader who left it has ended the saving."""
    whole: WholeLesson | None = st.session_state.get(WHOLE_LESSON)
    if whole is not None and (session.view.lesson, session.view.section) == (whole.lesson, whole.section):
        return True
    st.session_state[WHOLE_LESSON], session.keeps_address = None, False
    return False


def save_button(session: Session, lesson: Lesson, text: LessonText, number: int) -> None:
    """Show the button that saves the lesson."""
    save_lesson(
        lesson.name,
        number,
        count=len(text.sections),
        copying=is_copied(session),
        title=text.title,
        language=text.language,
        file=file_name(lesson.name),
        selectors=SAVED,
        key=BUTTON,
        on_section=lambda: _show(session, lesson),
    )


def _show(session: Session, lesson: Lesson) -> None:
    """Show the section that the browser copies next; none is left with 0, and the reader is back at the view of before."""
    report = reported(BUTTON, "section", {"section": index})
    if report is None:
        return
    whole: WholeLesson | None = st.session_state.get(WHOLE_LESSON)
    sections = lesson.in_language(language()).sections
    if 1 <= report["section"] <= len(sections):
        number = report["section"]
        before = whole.view if whole is not None else session.view
        st.session_state[WHOLE_LESSON] = WholeLesson(lesson.name, number, before)
        session.keeps_address = True
        view = sections[number - 1].view
        changes = {field.name: field.default for field in fields(View) if field.name not in PAGE_FIELDS}
        if view is not None:
            changes |= view_fields(view)
        session.navigate(**changes, section=number)
    elif whole is not None:
        st.session_state[WHOLE_LESSON] = None
        session.navigate(**asdict(whole.view))
        session.keeps_address = False
    st.session_state[LESSON_PLACE] = (session.view.lesson, session.view.section)
