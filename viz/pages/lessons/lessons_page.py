"""Lessons: the guided way from a sequence to the Transformer. Each lesson shows panels of the other pages."""

import streamlit as st

from viz.i18n import _
from viz.pages.lessons.lesson_library import find_lesson
from viz.pages.lessons.lesson_list import show_lesson_list
from viz.pages.lessons.lesson_sections import show_lesson
from viz.pages.lessons.lesson_style import STYLE
from viz.session import get_session


def page() -> None:
    """Show the lesson of the view, or the list of lessons."""
    session = get_session()
    st.html(STYLE)
    name = session.view.lesson
    lesson = find_lesson(session, name)
    with st.container(key="lesson_page"):
        if lesson is not None:
            show_lesson(session, lesson)
            return
        if name is not None:
            session.add_notice(_("There is no lesson “{name}” here. Choose one from the list.").format(name=name[:60]))
            session.fill_defaults(lesson=None, section=None)
        show_lesson_list(session)
