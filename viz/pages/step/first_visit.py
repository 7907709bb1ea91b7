"""The strip of a first visit, above the Step page: to look around, to begin with the first lesson, or to open a file.

`viz/static/streamlit_page.js` shows it until one of its buttons is pressed, on this visit or an earlier one.
"""

import sys

import streamlit as st

from viz.address import NAMES
from viz.command_line import named_lesson
from viz.i18n import _
from viz.pages import find_lens
from viz.pages.page_elements import caption
from viz.session import Session

DOOR, STARTED = "first_visit_page", "startup_lessons_opened"
"""In the session state: the page that the reader chose; whether the lessons that the command line names were opened."""

STYLE = """
<style>
  html:not([data-first-visit]) [data-testid="stLayoutWrapper"]:has(> .st-key-first_visit) { display: none; }
  .st-key-first_visit { background: light-dark(#f2f4f7, #1b222c); }
  .st-key-first_visit [data-testid="stCaptionContainer"] { margin-bottom: 0; }
</style>
"""


def first_visit(session: Session) -> None:
    """Show the strip if the address named no view, or open the page that was chosen."""
    page = st.session_state.pop(DOOR, _first_page(session))
    if page is not None:
        st.switch_page(find_lens(page).page())
    if not session.first_visit:
        return
    doors = (
        ("", _("Show me"), _("This page: a network at work, number by number."), ":material/visibility:"),
        ("lessons", _("Start with lesson 1"), _("The first of fourteen lessons, ten minutes each."), ":material/school:"),
        ("checkpoint", _("Look into my file"), _("A checkpoint or a saved run."), ":material/upload_file:"),
    )  # fmt: skip
    st.html(STYLE)
    with st.container(border=True, key="first_visit"):
        for column, (name, title, what, icon) in zip(st.columns(len(doors), gap="medium"), doors, strict=True):
            with column:
                st.button(
                    title,
                    key=f"first_visit_{name or 'step'}",
                    icon=icon,
                    type="primary" if name == "lessons" else "secondary",
                    width="stretch",
                    on_click=lambda name=name: _choose(session, name),
                )
                caption(what)


def _first_page(session: Session) -> str | None:
    """Return the Lessons page where the app was started for lessons, once and unless the address has a view."""
    lesson = named_lesson(sys.argv[1:])
    if (lesson is None and session.lessons_folder is None) or st.session_state.get(STARTED):
        return None
    st.session_state[STARTED] = True
    if set(st.query_params) & set(NAMES) - {"lang"}:
        return None
    if lesson is not None:
        _open_lesson(session, lesson)
    return "lessons"


def _choose(session: Session, page: str) -> None:
    session.first_visit = False
    if page == "lessons":
        _open_lesson(session, "1")
    if page:
        st.session_state[DOOR] = page


def _open_lesson(session: Session, wanted: str) -> None:
    """Open a lesson by its number or name; of an unknown one, the Lessons page says that there is none."""
    from viz.lessons.find_lessons import shipped_lessons  # not needed by the Step page
    from viz.pages.lessons.lesson_sections import go_to

    names = {str(number): lesson.name for number, lesson in enumerate(shipped_lessons(), 1)}
    go_to(session, names.get(wanted, wanted))
