"""A view inside a lesson: the panels of a lens, which the lens itself draws, and its player."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace

import streamlit as st

from viz.address import NAMES, PAGE_FIELDS, View
from viz.i18n import _
from viz.lessons.lesson import LensView, Lesson
from viz.pages import find_lens
from viz.pages.lesson_strip import LESSON_PLACE
from viz.pages.lessons.lesson_style import HIDDEN_CONTROLS
from viz.pages.page_elements import lens_link
from viz.pages.panels import PAGE_PANELS, PagePanels
from viz.session import Session

CONTROLS = "lesson_controls"


def open_section_view(session: Session, view: LensView | None) -> None:
    """Make the view of a section the session's, unless the address has another one, or the reader has changed it since."""
    place = (session.view.lesson, session.view.section)
    if st.session_state.get(LESSON_PLACE) == place:
        return
    st.session_state[LESSON_PLACE] = place
    if view is None or set(st.query_params) & (set(NAMES) - set(PAGE_FIELDS)):
        return
    notices = list(session.notices)
    session.navigate(**view_fields(view))
    session.notices[:] = notices


def section_language_views(lesson: Lesson, language: str, number: int) -> dict[str, dict[str, object]]:
    """Return the fields of the views that a section has in the lesson's other languages, where they differ from its own.

    The text of a section describes the numbers of its own view: a lesson in another language needs the other view.
    """
    own = _shown(lesson.in_language(language).sections[number - 1].view)
    found = {}
    for name, text in lesson.texts.items():
        view = text.sections[min(number, len(text.sections)) - 1].view
        if view is not None and _shown(view) != own:
            found[name] = view_fields(view)
    return found


def _shown(view: LensView | None) -> LensView | None:
    """Return what a view shows, wherever it is in its file."""
    return view and replace(view, panels=(), line=0)


def view_fields(view: LensView) -> dict[str, object]:
    """Return the fields of `View` that a view of a lesson sets: all but `PAGE_FIELDS`."""
    names = [field.name for field in fields(View) if field.name not in PAGE_FIELDS]
    return {name: getattr(view, name) for name in names}


def lens_panels(session: Session, view: LensView) -> Callable[[], None]:
    """Reserve the place of a view; return the function that draws it, which takes as long as its lens."""
    lens = find_lens(view.lens)
    tools = st.container(horizontal=True, vertical_alignment="center", gap="medium", key="lesson_tools")
    with tools:
        controls = view.lens == "train" or st.toggle(
            _("Change the network, the text and other settings"), key=CONTROLS
        )  # the controls of a training run show its progress and stop it
        link = st.container(width="content")
    lens_place = st.container(key="lesson_lens")
    places = {name: st.container(border=True, key=f"panel_{name}") for name in view.panels}
    if not controls:
        st.html(HIDDEN_CONTROLS)

    def draw() -> None:
        page: PagePanels = st.session_state[PAGE_PANELS]
        page.only(places)
        with lens_place:
            lens.show()
        with link:
            label = _("Open this view on the {lens} page").format(lens=_(lens.title))
            lens_link(view.lens, label, session.view, panels=tuple(reversed(view.panels)))

    return draw
