"""The presenter's part of the Room page: a lesson's notes, the next thing to show, and its questions to the class.

It is drawn for everybody who opens the page, and its buttons work in a teacher's page alone: the room's server takes nothing
from another.
"""

from __future__ import annotations

import html
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import streamlit as st

from models.core.messages import Problem
from viz.address import View, query_string
from viz.escape import escape_markdown
from viz.i18n import _, language
from viz.lessons.answers import explanation, right_answer
from viz.lessons.find_lessons import shipped_lessons
from viz.lessons.lesson import ChoiceForm, LensView, Lesson, NumberForm, Question, Section, SketchForm
from viz.pages import LENSES
from viz.pages.lessons.lesson_library import TEACHING, find_lesson, own_lessons
from viz.pages.lessons.lesson_view import view_fields
from viz.pages.synced_widget import synced_widget
from viz.session import Session

BUTTON = '<button type="button" class="unrolled-room-show" {name}="{value}">{label}</button>'


def presenter(session: Session) -> None:
    """Show the notes of the lesson that the view names, one section at a time."""
    lessons = {each.name: each for each in (*shipped_lessons(), *own_lessons(session))}
    is_open = session.view.lesson is not None
    # the style of the room hides it on all pages but a teacher's
    with (
        st.container(key="room_presenter"),
        st.expander(_("Run a lesson in this room"), icon=":material/co_present:", expanded=is_open),
    ):
        first = session.view.lesson if session.view.lesson in lessons else None

        def choose(name: str | None) -> None:
            session.navigate(lesson=name, section=None if name is None else 1)

        name = synced_widget(
            st.selectbox,
            _("Lesson"),
            [None, *sorted(lessons, key=lambda each: (each != TEACHING, lessons[each].number))],
            key="room_lesson",
            value=first,
            initial_argument="index",
            changed=choose,
            format_func=lambda each: "–" if each is None else lessons[each].in_language(language()).title,
        )
        lesson = find_lesson(session, name)
        if lesson is not None:
            _show_section(session, lesson)


def _show_section(session: Session, lesson: Lesson) -> None:
    text = lesson.in_language(language())
    number = min(max(session.view.section or 1, 1), len(text.sections))
    session.fill_defaults(section=number)
    section = text.sections[number - 1]
    back, place, on = st.columns([1, 4, 1], vertical_alignment="center")
    with back:
        st.button(_("Back"), key="room_back", disabled=number == 1, on_click=_move, args=(session, number - 1))
    with place:
        title = _("Section {section} of {count}: {title}").format(
            section=number, count=len(text.sections), title=escape_markdown(section.title)
        )
        st.subheader(title, anchor=False)
    with on:
        st.button(
            _("Next"),
            key="room_next",
            disabled=number == len(text.sections),
            on_click=_move,
            args=(session, number + 1),
        )
    notes, plan = st.columns([3, 2], gap="large")
    with notes, st.container(height=420, border=True, key="room_notes"):
        st.markdown(section.markdown)
    with plan:
        _show_actions(lesson, section, number)
        if number < len(text.sections):
            st.caption(_("Next: {title}").format(title=escape_markdown(text.sections[number].title)))


def _move(session: Session, section: int) -> None:
    session.navigate(section=section)


def _show_actions(lesson: Lesson, section: Section, number: int) -> None:
    buttons = [_button("data-room-show", _lesson_address(lesson, number), _("Show this section to the class"))]
    if section.view is not None:
        buttons.insert(0, _button("data-room-show", _view_address(section.view), _("Show its view to the class")))
    st.html("".join(buttons))
    for place, each in enumerate(section.questions):
        st.markdown(each.ask)
        try:
            with st.spinner(_("Computing the answer …")):
                asked = room_question(each, question_translations(lesson, number, place, each))
        except Problem:
            st.caption(_("This question cannot be computed."))
            continue
        st.html(_button("data-room-ask", json.dumps(asked, ensure_ascii=False), _("Ask the room")))


def _button(name: str, value: str, label: str) -> str:
    return BUTTON.format(name=name, value=html.escape(value), label=html.escape(label))


def _lesson_address(lesson: Lesson, section: int) -> str:
    return f"lessons?{query_string(View(lesson=lesson.name, section=section))}"


def _view_address(view: LensView) -> str:
    """Return the address of a section's view on its lens, with its panels open."""
    shown = View(**view_fields(view))  # type: ignore[arg-type]
    page = "" if view.lens == LENSES[0].name else view.lens
    return f"{page}?{query_string(replace(shown, panel=','.join(reversed(view.panels))))}"


def question_translations(lesson: Lesson, section: int, place: int, question: Question) -> dict[str, Question]:
    """Return a question of a section by language, in those in which the lesson asks the same there."""
    found = {}
    for lang, text in lesson.texts.items():
        others = text.sections[section - 1].questions if section <= len(text.sections) else ()
        if place < len(others) and (others[place].answer, others[place].place) == (question.answer, question.place):
            found[lang] = others[place]
    return found


def room_question(question: Question, translations: Mapping[str, Question]) -> dict[str, Any]:
    """Return a question of a lesson in the form of `viz.rooms.room_question`.

    Args:
        question: which question.
        translations: itself by language.

    Raises:
        Problem: its answer cannot be computed.
    """
    answer = right_answer(question)
    asked: dict[str, Any] = {
        "ask": {lang: each.ask for lang, each in translations.items()},
        "explain": {lang: explanation(each, answer) for lang, each in translations.items()},
        "right": answer,
        "markdown": True,
    }
    match question.form:
        case ChoiceForm(choices=choices):
            texts = {
                lang: {choice.key: choice.text for choice in each.form.choices}
                for lang, each in translations.items()
                if isinstance(each.form, ChoiceForm)
            }
            listed = [
                {"key": each.key, "text": {lang: found[each.key] for lang, found in texts.items() if each.key in found}}
                for each in choices
            ]
            return asked | {"form": "choices", "choices": listed}
        case NumberForm(tolerance=tolerance, is_relative=is_relative):
            size = abs(float(answer)) if is_relative else 1.0  # type: ignore[arg-type]
            return asked | {"form": "number", "tolerance": tolerance * size}
        case SketchForm(low=low, high=high):
            from viz.lessons.answer_functions.place_run import PlaceRun

            steps = len(answer)  # type: ignore[arg-type]
            labels = PlaceRun(question.place).run.labels
            tokens = list(labels) if len(labels) == steps else [str(step + 1) for step in range(steps)]
            return asked | {"form": "sketch", "low": low, "high": high, "tokens": tokens}
