"""The strip on every page but that of the lessons, while a lesson is being read: a link back to its section."""

from dataclasses import replace

import streamlit as st

from viz.address import View
from viz.escape import escape_markdown
from viz.i18n import _, language
from viz.pages.page_elements import lens_link
from viz.session import Session

LESSON_PLACE = "lesson_place"
"""In the session state: the lesson and section whose view the Lessons page has opened; None elsewhere."""

WHOLE_LESSON = "whole_lesson"
"""In the session state: the lesson that is being saved (`viz.pages.lessons.whole_lesson`); None elsewhere."""


def lesson_strip(session: Session) -> None:
    """Show the strip if the view is that of a lesson."""
    st.session_state[WHOLE_LESSON], session.keeps_address = None, False
    st.session_state[LESSON_PLACE] = None  # the Lessons page opens the section's view again
    if session.view.lesson is None:
        return
    from viz.pages.lessons.lesson_library import find_lesson  # only a page that shows the strip needs it

    lesson = find_lesson(session, session.view.lesson)
    if lesson is None:
        return
    section = session.view.section or 1
    if lesson.number:
        label = _("Lesson {number}, section {section}: back to the lesson").format(
            number=lesson.number, section=section
        )
    else:
        label = _("“{title}”, section {section}: back to the lesson").format(
            title=escape_markdown(lesson.in_language(language()).title), section=section
        )
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="lesson_strip"):
        lens_link("lessons", label, replace(View(), lang=session.view.lang), icon=":material/arrow_back:")
        st.button(
            _("Leave the lesson"),
            key="leave_lesson",
            type="tertiary",
            on_click=lambda: session.navigate(lesson=None, section=None),
        )
