"""The list of all lessons: what each asks, what is done, what comes next, a search, and lessons of one's own."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from models.core.messages import Problem
from viz.escape import escape_markdown, widget_key
from viz.i18n import _, language, ngettext, translate
from viz.lessons.find_lessons import search_lessons, search_terms, shipped_lessons
from viz.lessons.lesson import Lesson
from viz.pages.lessons.lesson_library import RESEARCH, TEACHING, folder_problems, own_lessons
from viz.pages.lessons.lesson_sections import go_to
from viz.pages.lessons.lesson_upload import upload_lessons
from viz.pages.lessons.reader_progress import get_progress, read_progress, store_progress
from viz.pages.page_elements import caption, show_problem
from viz.pages.upload_box import upload_box
from viz.session import Session
from viz.uploads import remove_uploads

SEARCH, IMPORT = "lesson_search", "lesson_import"
"""In the session state: the text that is searched; the number of files that were imported."""


def show_lesson_list(session: Session) -> None:
    """Show the list."""
    store_progress("")
    shipped, own = shipped_lessons(), own_lessons(session)
    for problem in folder_problems(session):
        session.add_notice(f"{problem.place}: {translate(problem)}")
    with st.container(key="lesson_way"):
        st.title(_("Lessons"), anchor=False)
        st.markdown(
            _(
                "From a sequence to the Transformer: each lesson asks a question, lets you predict the answer, and then "
                "computes it with a real network that you can change."
            )
        )
        _show_next_step(session, [each for each in shipped if each.name not in (RESEARCH, TEACHING)])
        query = st.text_input(
            _("Search the lessons and the glossary"), key=SEARCH, max_chars=100, icon=":material/search:"
        )
        if query.strip():
            _show_found(session, query, [*shipped, *own])
        else:
            _show_all(session, shipped, own)
        _show_own_and_progress()
    session.mark_good()


def _show_next_step(session: Session, lessons: Sequence[Lesson]) -> None:
    """Show how many lessons are done, and a button that opens the next one."""
    progress = get_progress()
    done = [each for each in lessons if progress.is_done(each)]
    following = next((each for each in lessons if each not in done), None)
    with st.container(horizontal=True, vertical_alignment="center", gap="medium", key="lesson_continue"):
        if following is not None:
            title = escape_markdown(following.in_language(language()).title)
            opened = progress.of(following.name).opened if progress.is_begun(following) else {1}
            is_new = not any(map(progress.is_begun, lessons))
            label = _("Begin with lesson {number}: {title}") if is_new else _("Continue with lesson {number}: {title}")
            st.button(
                label.format(number=following.number, title=title),
                key="continue_lessons",
                type="primary",
                on_click=lambda: go_to(session, following.name, max(opened)),
            )
        if lessons:
            st.caption(_("{done} of {count} lessons done").format(done=len(done), count=len(lessons)))


def _show_all(session: Session, shipped: Sequence[Lesson], own: Sequence[Lesson]) -> None:
    apart = (RESEARCH, TEACHING)
    groups = [
        (_("All lessons"), [each for each in shipped if each.name not in apart]),
        (_("For researchers and teachers"), [each for each in shipped if each.name in apart]),
    ]
    groups.insert(len(groups) if session.lessons_folder is None else 0, (_("Own lessons"), list(own)))
    for title, lessons in groups:
        if lessons:
            if title:
                st.markdown(f"#### {title}")
            for lesson in lessons:
                _show_row(session, lesson)


def _show_row(session: Session, lesson: Lesson, excerpt: str = "", section: int | None = None) -> None:
    """Show a lesson as a button and a line: its question, or the ``excerpt`` that a search found in a section."""
    progress, text = get_progress(), lesson.in_language(language())
    if progress.is_done(lesson):
        state = " ✓"
    elif progress.is_begun(lesson):
        last = max(progress.of(lesson.name).opened)
        state = " · " + _("section {section} of {count}").format(section=last, count=len(text.sections))
    else:
        state = ""
    key = widget_key(lesson.name, lesson.number, section)
    title = f"{lesson.number}. {text.title}" if lesson.number else text.title
    if section is not None and section <= len(text.sections):
        title, state = f"{title} › {text.sections[section - 1].title}", ""
    start = section or (max(progress.of(lesson.name).opened) if progress.is_begun(lesson) else 1)
    start = 1 if progress.is_done(lesson) and section is None else min(start, len(text.sections))
    with st.container(gap=None, key=f"way_{key}"):
        st.button(
            escape_markdown(title) + state,
            key=f"open_lesson_{key}",
            type="tertiary",
            on_click=lambda: go_to(session, lesson.name, start),
        )
        minutes = ngettext("{n} minute", "{n} minutes", text.minutes).format(n=text.minutes)
        st.caption(excerpt or f"{escape_markdown(text.question)} · {minutes}")


def _show_found(session: Session, query: str, lessons: Sequence[Lesson]) -> None:
    """Show what a search finds: sections of lessons, then terms of the glossary."""
    sections, terms = search_lessons(query, lessons, language()), search_terms(query)
    if not sections and not terms:
        st.info(
            _("Nothing was found for “{query}”. Search for another word.").format(query=escape_markdown(query)),
            icon=":material/search_off:",
        )
    for hit in sections:
        _show_row(session, hit.lesson, escape_markdown(hit.excerpt), None if hit.section is None else hit.section + 1)
    lang = language()
    for term in (each.term for each in terms):
        others = ", ".join(escape_markdown(name) for code, name in term.name.items() if code != lang)
        st.markdown(f"**{escape_markdown(term.name[lang])}** ({others}): {escape_markdown(term.gloss[lang])}")


def _show_own_and_progress() -> None:
    upload, progress = st.columns(2, gap="large")
    with upload, st.expander(_("A lesson of your own"), icon=":material/upload_file:"):
        upload_lessons()
    with progress, st.expander(_("Your progress"), icon=":material/save:"):
        caption(_("It is stored in this browser only. A file takes it to another one."))
        st.download_button(
            _("Export progress (JSON)"),
            get_progress().to_json(),
            file_name="unrolled-lessons.json",
            mime="application/json",
            on_click="ignore",
            key="export_progress",
        )
        _import_progress()
        st.button(_("Delete progress"), key="delete_progress", on_click=get_progress().clear)


def _import_progress() -> None:
    turn = st.session_state.setdefault(IMPORT, 0)
    file = upload_box(_("Import progress"), type="json", key=f"{IMPORT}_{turn}", max_upload_size=1)
    if file is None:
        return
    content = file.getvalue()
    remove_uploads([file])
    try:
        get_progress().add(read_progress(content.decode("utf-8", "replace")))
    except Problem as problem:
        show_problem(problem)
        return
    st.session_state[IMPORT] = turn + 1
    st.rerun()
