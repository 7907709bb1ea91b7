"""The questions of a lesson: the reader answers, then the computed answer is shown beside the reader's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite

import streamlit as st

from models.core.messages import Problem
from viz.components.sketch import sketch
from viz.components.streamlit_host import reported
from viz.escape import widget_key
from viz.i18n import _, translate
from viz.lessons.answer_functions.place_run import PlaceRun
from viz.lessons.answers import Answer, answer_text, compare_curves, explanation, is_right
from viz.lessons.lesson import ChoiceForm, Lesson, NumberForm, Question, SketchForm
from viz.pages.lessons.question_answer import question_answer
from viz.pages.lessons.reader_progress import MAX_POINTS, Given, GivenAnswer, get_progress
from viz.pages.lessons.typed_number import typed_number
from viz.pages.page_elements import show_problem


@dataclass(frozen=True)
class AskedQuestion:
    """A question on the page.

    Attributes:
        lesson: its lesson.
        question: the question.
        name: its name in the progress (`reader_progress.question_name`).
        title: what it is called on the page.
    """

    lesson: Lesson
    question: Question
    name: str
    title: str

    @property
    def key(self) -> str:
        """The key of its widgets."""
        return "question_" + widget_key(self.lesson.name, self.name)

    @property
    def given(self) -> GivenAnswer | None:
        """The reader's answer, None if there is none."""
        return get_progress().of(self.lesson.name).answers.get(self.name)

    def give(self, given: Given, *, right: bool = False) -> None:
        """Store the reader's answer."""
        get_progress().of(self.lesson.name).answers[self.name] = GivenAnswer(given, right)

    def ask_again(self) -> None:
        """Remove the reader's answer."""
        get_progress().of(self.lesson.name).answers.pop(self.name, None)


def show_question(asked: AskedQuestion, *, on_paper: bool = False) -> bool:
    """Show a question, and once it is answered the computed answer; return whether it is answered.

    ``on_paper``: with a place for the answer, instead of controls.
    """
    kind = asked.question.kind
    with st.container(border=True, key=f"lesson_{kind}_{asked.key}"):
        st.markdown(f"**{asked.title}**")
        st.markdown(asked.question.ask)
        if asked.given is None and on_paper:
            _show_place(asked)
            return False
        if asked.given is None:
            _FORMS[type(asked.question.form)](asked)
            return False
        try:
            with st.spinner(_("Computing the answer …")):
                _show_answer(asked, asked.given.given)
        except Problem as problem:
            show_problem(problem)
        st.button(_("Answer again"), key=f"{asked.key}_again", type="tertiary", on_click=asked.ask_again)
    return True


def _show_place(asked: AskedQuestion) -> None:
    """Show the choices of a question, or a place to write or to draw the answer."""
    form = asked.question.form
    if isinstance(form, ChoiceForm):
        st.markdown("  \n".join(f"☐ {each.text}" for each in form.choices))
    elif isinstance(form, NumberForm):
        st.markdown(_("Your answer, a number") + ": ______________")
    else:
        _ask_sketch(asked)


def _buttons(asked: AskedQuestion, submit: Callable[[], None]) -> None:
    """Show the buttons of a form."""
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        st.form_submit_button(_("Answer"), type="primary", on_click=submit, key=f"{asked.key}_submit")
        st.form_submit_button(
            _("Show the answer"), type="tertiary", on_click=lambda: asked.give(None), key=f"{asked.key}_show"
        )


def _ask_number(asked: AskedQuestion) -> None:
    key, wrong = f"{asked.key}_number", f"{asked.key}_wrong"

    def submit() -> None:
        try:
            asked.give(typed_number(st.session_state.get(key) or ""))
        except Problem as problem:
            st.session_state[wrong] = problem

    with st.form(f"{asked.key}_form", border=False):
        st.text_input(
            _("Your answer, a number"), key=key, placeholder=_("a number, such as 0.25, 1/4 or 1e-3"), max_chars=40
        )
        problem = st.session_state.pop(wrong, None)
        if problem is not None:
            st.warning(translate(problem), icon=":material/info:")
        _buttons(asked, submit)


def _ask_choice(asked: AskedQuestion) -> None:
    assert isinstance(asked.question.form, ChoiceForm)
    texts = {each.key: each.text for each in asked.question.form.choices}
    key, empty = f"{asked.key}_choice", f"{asked.key}_empty"

    def submit() -> None:
        chosen = st.session_state.get(key)
        if chosen in texts:
            asked.give(chosen)
        else:
            st.session_state[empty] = True

    with st.form(f"{asked.key}_form", border=False):
        st.radio(_("Your answer, one of these"), list(texts), index=None, key=key, format_func=lambda name: texts[name])
        if st.session_state.pop(empty, False):
            st.warning(_("Choose one of the answers."), icon=":material/info:")
        _buttons(asked, submit)


def _ask_sketch(asked: AskedQuestion) -> None:
    form = asked.question.form
    assert isinstance(form, SketchForm)
    try:
        tokens = _tokens(asked.question, question_answer(asked.question))
    except Problem as problem:
        show_problem(problem)
        return
    key = f"{asked.key}_sketch"

    def submit() -> None:
        found = reported(key, "drawn", {"values": _curve})
        if found is not None and len(found["values"]) == len(tokens):
            asked.give(found["values"])

    sketch(tokens, (form.low, form.high), key=key, on_drawn=submit)
    st.button(_("Show the answer"), key=f"{asked.key}_show", type="tertiary", on_click=lambda: asked.give(None))


_FORMS: dict[type, Callable[[AskedQuestion], None]] = {
    NumberForm: _ask_number,
    ChoiceForm: _ask_choice,
    SketchForm: _ask_sketch,
}


def _curve(value: object) -> tuple[float, ...]:
    if not isinstance(value, list) or not 0 < len(value) <= MAX_POINTS:
        raise ValueError
    numbers = tuple(float(each) for each in value if isinstance(each, int | float) and not isinstance(each, bool))
    if len(numbers) != len(value) or not all(map(isfinite, numbers)):
        raise ValueError
    return numbers


def _show_answer(asked: AskedQuestion, given: Given) -> None:
    """Show the computed answer beside the reader's, and the explanation."""
    question = asked.question
    answer = question_answer(question)
    right = isinstance(given, float | str) and is_right(question.form, answer, given)
    asked.give(given, right=right)
    if isinstance(question.form, SketchForm):
        _show_curves(asked, question.form, given, answer)
    elif given is None:
        st.info(
            _("The computed answer: {answer}").format(answer=answer_text(question, answer)), icon=":material/functions:"
        )
    elif right:
        st.success(
            _("Right. The computed answer: {answer}").format(answer=answer_text(question, answer)),
            icon=":material/check_circle:",
        )
    else:
        st.warning(
            _("Your answer: {given}. The computed answer: {answer}").format(
                given=_shown(question, given), answer=answer_text(question, answer)
            ),
            icon=":material/cancel:",
        )
    st.markdown(explanation(question, answer))


def _shown(question: Question, given: Given) -> str:
    """Return a reader's answer as Markdown; "–" if it is one of another version of the question."""
    is_choice = isinstance(question.form, ChoiceForm)
    known = {each.key for each in question.form.choices} if isinstance(question.form, ChoiceForm) else set()
    if (is_choice and given in known) or (not is_choice and isinstance(given, float)):
        return answer_text(question, given)
    return "–"


def _tokens(question: Question, answer: Answer) -> list[str]:
    """Return what a curve's time steps are called: the tokens of the sequence, or numbers if it has no such tokens."""
    count = len(answer) if isinstance(answer, list) else 0
    if question.place.net:
        at = PlaceRun(question.place)
        labels = at.run.labels_of(at.layer_name) if at.run.trace.layers else at.run.prediction_labels
        if len(labels) == count:
            return list(labels)
    return [str(step + 1) for step in range(count)]


def _show_curves(asked: AskedQuestion, form: SketchForm, given: Given, answer: Answer) -> None:
    assert isinstance(answer, list)
    drawn = given if isinstance(given, tuple) and len(given) == len(answer) else None
    sketch(
        _tokens(asked.question, answer),
        (form.low, form.high),
        drawn=drawn,
        computed=answer,
        key=f"{asked.key}_curves",
        on_drawn=lambda: None,
    )
    if drawn is None:
        return
    found = compare_curves(answer, drawn)
    text = _("Mean distance between the two curves: {distance}.").format(distance=f"{found.distance:.3g}")
    if found.correlation is not None:
        text += " " + _("Correlation: r = {r}.").format(r=f"{found.correlation:.2f}".replace("-", "−"))
    st.caption(text)
