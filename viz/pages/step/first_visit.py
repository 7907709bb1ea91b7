"""The strip of a first visit, above the Step page: to look around, to begin with the first lesson, or to open a file.

`viz/static/streamlit_page.js` shows it until one of its buttons is pressed, on this visit or an earlier one.
"""

import streamlit as st

from viz.i18n import _
from viz.pages import find_lens
from viz.pages.page_elements import caption
from viz.session import Session

DOOR = "first_visit_page"
"""In the session state: the page that the reader chose."""

STYLE = """
<style>
  html:not([data-first-visit]) [data-testid="stLayoutWrapper"]:has(> .st-key-first_visit) { display: none; }
  .st-key-first_visit { background: light-dark(#f2f4f7, #1b222c); }
  .st-key-first_visit [data-testid="stCaptionContainer"] { margin-bottom: 0; }
</style>
"""


def first_visit(session: Session) -> None:
    """Show the strip if the address named no view, or open the page that was chosen."""
    page = st.session_state.pop(DOOR, None)
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


def _choose(session: Session, page: str) -> None:
    session.first_visit = False
    if page == "lessons":
        from viz.lessons.find_lessons import shipped_lessons  # not needed by the Step page
        from viz.pages.lessons.lesson_sections import go_to

        go_to(session, shipped_lessons()[0].name)
    if page:
        st.session_state[DOOR] = page
