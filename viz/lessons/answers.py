"""The right answer of a question, the verdict on a given one, and the explanation with the number.

answer = right_answer(question)              # a number, the key of a choice, or a number for each time step
is_right(question.form, answer, 0.02)
explanation(question, answer)                # Markdown
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.core.messages import Problem
from viz.figures.log_norm_axis import power_text
from viz.josa import format_message
from viz.lessons.answer_expression import evaluate, finite_number
from viz.lessons.lesson import AnswerForm, ChoiceForm, NumberForm, Question, SketchForm
from viz.lessons.lesson_blocks import ANSWER_FIELD

Answer = float | str | list[float]

MAX_CURVE = 2000
"""Steps of a curve at most."""

_EXPONENT = re.compile(r"(?<=\d)e([+-]\d+)")


def right_answer(question: Question) -> Answer:
    """Return the right answer: a number, the key of a choice, or a number for each time step.

    Raises:
        Problem: it cannot be computed, or does not answer the question; one sentence says why.
    """
    found = evaluate(question.answer, question.place)
    match question.form:
        case NumberForm():
            return _number(found)
        case ChoiceForm(choices=choices):
            key = {True: "yes", False: "no"}[found] if isinstance(found, bool) else str(found)
            names = [each.key for each in choices]
            if key not in names:
                raise Problem(
                    "The answer is “{answer}”, which is none of the choices. Use one of these keys: {names}.",
                    answer=key[:60],
                    names=", ".join(names),
                )
            return key
        case SketchForm():
            return _curve(found)


def _number(value: object) -> float:
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 2**53:
        raise Problem("A number of the answer is too large. Use a smaller one.")
    number = finite_number(value)
    if number is None:
        raise Problem("The answer is {value}, not a finite number. Choose another quantity.", value=str(value)[:60])
    return number


def _curve(values: object) -> list[float]:
    if not isinstance(values, list) or not 2 <= len(values) <= MAX_CURVE:
        raise Problem("The answer is not a curve. Use a function that gives a list, such as series(…).")
    return [float(_number(each)) for each in values]


def is_right(form: AnswerForm, answer: Answer, given: float | str) -> bool:
    """Return whether the reader's number or choice is right. A curve is neither: `compare_curves` measures it."""
    match form:
        case NumberForm(tolerance=tolerance, is_relative=is_relative):
            number, right = float(given), float(answer)  # type: ignore[arg-type]
            scale = abs(right) if is_relative else 1.0
            # a share of a tolerance for the rounding of the answer that is shown
            return math.isfinite(number) and abs(number - right) <= tolerance * scale * (1 + 1e-9) + 1e-15 * abs(right)
        case ChoiceForm():
            return given == answer
    return False


@dataclass(frozen=True)
class CurveComparison:
    """A drawn curve beside the real one.

    Attributes:
        distance: the mean of the absolute differences.
        correlation: Pearson's r; None where a curve is constant.
    """

    distance: float
    correlation: float | None


def compare_curves(answer: Sequence[float], drawn: Sequence[float]) -> CurveComparison:
    """Return how near a drawn curve is to the real one, (T) each."""
    one, two = np.asarray(answer, np.float64), np.asarray(drawn, np.float64)
    is_constant = np.ptp(one) == 0 or np.ptp(two) == 0
    return CurveComparison(float(np.abs(one - two).mean()), None if is_constant else float(np.corrcoef(one, two)[0, 1]))


def answer_text(question: Question, answer: Answer) -> str:
    """Return the right answer as Markdown: the text of a choice, or a number, a whole one in full; "" for a curve."""
    match question.form:
        case ChoiceForm() as form:
            return form.text_of(str(answer))
        case NumberForm():
            is_whole = not isinstance(answer, str | list) and float(answer).is_integer() and abs(answer) < 1e9
            return _formatted(answer, ",d" if is_whole else ".4g")
    return ""


def explanation(question: Question, answer: Answer) -> str:
    """Return the explanation as Markdown, with the right answer for each ``{answer}``."""
    value = answer_text(question, answer) if isinstance(question.form, ChoiceForm) else answer

    def fill(found: re.Match[str]) -> str:
        shown = "" if isinstance(value, list) else _formatted(value, found["format"] or "")
        before, after = question.explain[: found.start()], question.explain[found.end() :]
        # a number with a full stop at the start of a line would begin a numbered list
        begins_list = shown.isdigit() and before[-1:] in ("", "\n") and after[:1] in (".", ")")
        return shown + "\\" * begins_list

    return ANSWER_FIELD.sub(fill, question.explain)


def _formatted(value: Answer, form: str) -> str:
    """Return a number or a text in a format, with a Korean particle if the format names one."""
    if isinstance(value, str):  # only the particle applies to a text
        form = re.sub(r"^[^가-힣]*", "", form)
    elif not re.sub(r"[가-힣]", "", form):
        form = ("d" if isinstance(value, int) else ".4g") + form
    if form.startswith(("d", ",d", "+d")) and isinstance(value, float):
        value = round(value)
    shown = format_message("{answer:" + form + "}", {"answer": value})
    if isinstance(value, str):
        return shown
    return _EXPONENT.sub(lambda found: f"·{power_text(int(found[1]))}", shown).replace("-", "−")
