"""One section of a lesson on the page: its text, its questions and its view, and the way to the next section."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import fields

import streamlit as st

from viz.address import PAGE_FIELDS, PROJECTOR, View
from viz.escape import escape_markdown
from viz.i18n import LANGUAGES, _, language, ngettext
from viz.lessons.find_lessons import shipped_lessons
from viz.lessons.lesson import LensView, Lesson, LessonText, MarkdownBlock, Question, Section
from viz.pages.lesson_strip import LESSON_PLACE
from viz.pages.lessons.lesson_library import RESEARCH, TEACHING, next_lesson
from viz.pages.lessons.lesson_questions import AskedQuestion, show_question
from viz.pages.lessons.lesson_style import LARGE, PRINT
from viz.pages.lessons.lesson_view import lens_panels, open_section_view, section_language_views
from viz.pages.lessons.reader_progress import check_names, get_progress, question_name, store_progress
from viz.pages.lessons.whole_lesson import is_copied, save_button
from viz.pages.synced_widget import synced_widget
from viz.session import Session

_FORMULA = re.compile(r"^([ \t]*)\$\$(.+?)\$\$[ \t]*$", re.MULTILINE)


def go_to(session: Session, lesson: str | None, section: int | None = 1) -> None:
    """Open a section of a lesson, or the list of lessons (None), with the view that the section names."""
    st.session_state[LESSON_PLACE] = None
    defaults = {field.name: field.default for field in fields(View) if field.name not in PAGE_FIELDS}
    session.navigate(**defaults, lesson=lesson, section=section if lesson else None)


def show_lesson(session: Session, lesson: Lesson) -> None:
    """Show the section of a lesson that the view names."""
    text = lesson.in_language(language())
    number = session.view.section or 1
    if not 1 <= number <= len(text.sections):
        session.add_notice(
            _("The lesson has no section {section}. Choose one from 1 to {count}.").format(
                section=number, count=len(text.sections)
            )
        )
        number = min(max(number, 1), len(text.sections))
    session.fill_defaults(section=number)
    section = text.sections[number - 1]
    open_section_view(session, section.view)
    session.language_views = section_language_views(lesson, text.language, number)
    copied = is_copied(session)
    if not copied:
        get_progress().of(lesson.name).opened.add(number)
    st.html(PRINT)
    if session.view.mode == PROJECTOR:
        st.html(LARGE)
    _show_head(session, lesson, text, number)
    draw = _show_blocks(session, lesson, text, number, section, whole=copied)
    if number == len(text.sections):
        _show_end(lesson, text)
    _show_next(session, lesson, text, number)
    store_progress(f"{lesson.name}/{number}")
    if draw is not None:
        draw()
    session.mark_good()


def lesson_heading(lesson: Lesson) -> str:
    """Return what the page calls a lesson: its number among the app's lessons, or for whom it is."""
    if lesson not in shipped_lessons():
        return _("Own lesson")
    if lesson.name == RESEARCH:
        return _("For researchers")
    if lesson.name == TEACHING:
        return _("For teachers")
    return _("Lesson {number}").format(number=lesson.number)


def _show_head(session: Session, lesson: Lesson, text: LessonText, number: int) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="medium", key="lesson_head"):
        st.button(
            _("All lessons"), key="all_lessons", icon=":material/arrow_back:", type="tertiary",
            on_click=lambda: go_to(session, None),
        )  # fmt: skip
        _section_choice(session, lesson, text, number)
        is_large = session.view.mode == PROJECTOR
        st.button(
            _("Leave large type") if is_large else _("Large type"),
            key="lesson_mode",
            icon=":material/present_to_all:",
            type="tertiary",
            help=_("Larger type without the header of the page, for a projector"),
            on_click=lambda: session.set_mode("" if is_large else PROJECTOR),
        )
        save_button(session, lesson, text, number)
    with st.container(key="lesson_title", gap="xsmall"):
        minutes = ngettext("{n} minute", "{n} minutes", text.minutes).format(n=text.minutes)
        place = _("section {section} of {count}").format(section=number, count=len(text.sections))
        st.caption(f"{lesson_heading(lesson)} · {place} · {minutes}")
        if text.language != language():
            st.caption(_("This lesson is written in {language} only.").format(language=LANGUAGES[text.language]))
        st.title(escape_markdown(text.title), anchor=False)
        if number == 1:
            with st.container(key="lesson_question"):
                st.markdown(escape_markdown(text.question))
        st.header(escape_markdown(text.sections[number - 1].title), anchor=False)


def _section_choice(session: Session, lesson: Lesson, text: LessonText, number: int) -> None:
    """Show the sections as buttons; one that was opened and whose questions are answered is marked."""
    progress = get_progress().of(lesson.name)

    def is_done(k: int) -> bool:
        questions = sum(isinstance(block, Question) for block in text.sections[k - 1].blocks)
        names = [question_name(text.language, k, place) for place in range(1, questions + 1)]
        return k in progress.opened and progress.answers.keys() >= set(names)

    marks = {k: f"{k} ✓" if is_done(k) else str(k) for k in range(1, len(text.sections) + 1)}
    synced_widget(
        st.segmented_control,
        _("Section"),
        list(marks),
        key="lesson_section",
        value=number,
        changed=lambda k: go_to(session, lesson.name, k),
        initial_argument="default",
        format_func=marks.__getitem__,
        required=True,
        label_visibility="collapsed",
    )


def _show_blocks(
    session: Session, lesson: Lesson, text: LessonText, number: int, section: Section, *, whole: bool
) -> Callable[[], None] | None:
    """Show a section up to its first prediction that is not answered; return the function that draws its view, if shown.

    ``whole``: to its end, with questions that cannot be answered, as on paper.
    """
    draw: Callable[[], None] | None = None
    place = 0
    for k, block in enumerate(section.blocks):
        if isinstance(block, MarkdownBlock):
            with st.container(key=f"lesson_text_{k}"):
                st.markdown(display_formulas(block.markdown))
        elif isinstance(block, LensView):
            draw = lens_panels(session, block)
        else:
            place += 1
            name = question_name(text.language, number, place)
            asked = AskedQuestion(lesson, block, name, _question_title(text, block, name))
            is_answered = show_question(asked, on_paper=whole)
            if not whole and block.kind == "predict" and not is_answered and k + 1 < len(section.blocks):
                st.caption(_("The rest of this section is shown once you have answered, or have looked at the answer."))
                break
    return draw


def display_formulas(markdown: str) -> str:
    r"""Return Markdown with line breaks inside a ``$$`` formula on a line of its own, which Streamlit needs to display it.

    >>> display_formulas("$$a$$")
    '$$\na\n$$'
    """
    return _FORMULA.sub(r"\1$$\n\1\2\n\1$$", markdown)


def _question_title(text: LessonText, question: Question, name: str) -> str:
    if question.kind == "predict":
        return _("Predict before you look")
    names = check_names(text)
    return _("Check {n} of {count}").format(n=names.index(name) + 1, count=len(names))


def _show_end(lesson: Lesson, text: LessonText) -> None:
    """Show what textbooks get wrong, and the sources."""
    with st.container(key="lesson_text_end"):
        if text.textbooks:
            st.markdown(f"#### {_('What textbooks get wrong here')}\n\n{text.textbooks}")
        if text.sources:
            st.markdown(f"#### {_('Sources')}\n\n" + "\n".join(f"- {each}" for each in text.sources))
        answers = get_progress().of(lesson.name).answers
        names = check_names(text)
        if names and set(names) <= answers.keys():
            right = sum(answers[name].is_right for name in names)
            st.markdown(
                f"**{_('Lesson done: {right} of {count} checks right.').format(right=right, count=len(names))}**"
            )


def _show_next(session: Session, lesson: Lesson, text: LessonText, number: int) -> None:
    """Show the buttons of the sections before and after, at the end that of the next lesson."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="lesson_next"):
        if number > 1:
            st.button(
                _("Back"),
                key="section_before",
                icon=":material/chevron_left:",
                on_click=lambda: go_to(session, lesson.name, number - 1),
            )
        if number < len(text.sections):
            following = escape_markdown(text.sections[number].title)
            st.button(
                _("Next: {title}").format(title=following),
                key="section_after",
                type="primary",
                on_click=lambda: go_to(session, lesson.name, number + 1),
            )
            return
        after = next_lesson(session, lesson)
        if after is not None:
            title = escape_markdown(after.in_language(language()).title)
            st.button(
                _("Next lesson: {title}").format(title=title),
                key="lesson_after",
                type="primary",
                on_click=lambda: go_to(session, after.name),
            )
        st.button(_("All lessons"), key="all_lessons_end", on_click=lambda: go_to(session, None))
