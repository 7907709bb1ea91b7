"""A question to a class: its form as JSON, which answers fit it, and the summary of all answers.

    {"id": "3f…", "form": "choices", "ask": {"en": "Is the gate open?", "ko": "…"},
     "choices": [{"key": "open", "text": {"en": "open", "ko": "열림"}}, …], "right": "open", "explain": {"en": "…"}}

``form`` is "choices", "number" (``right`` is a number, ``tolerance`` the largest difference that counts as right) or "sketch"
(``right`` is a number for each of the ``tokens``, between ``low`` and ``high``). ``after`` is where the page goes when the
answer is shown: fields of the player's view. ``markdown`` is true where the texts are Markdown; `viz.rooms.question_markup`
then writes their HTML.
"""

import csv
import io
from collections import Counter
from collections.abc import Mapping
from typing import Any

from viz.components.reports import finite, index
from viz.escape import csv_cell
from viz.i18n import LANGUAGES
from viz.rooms.question_markup import question_plain

MAX_WORDS = 800
"""Characters of a question and of each of its texts at most."""

MAX_CHOICES, MAX_POINTS = 12, 400
"""Choices of a question, and time steps of a sketch, at most."""

MAX_NUMBERS, MAX_CURVES = 30, 60
"""Different numbers and curves in a summary at most."""

SECRET_FIELDS = ("right", "explain", "explain_html", "after", "tolerance")
"""Fields that students get only when the answer is shown."""


def checked_question(value: Any) -> dict[str, Any]:
    """Return a question from a teacher's page. Raises ValueError: it has not the form of one."""
    if not isinstance(value, Mapping) or value.get("form") not in ("choices", "number", "sketch"):
        raise ValueError
    question: dict[str, Any] = {
        "form": value["form"],
        "ask": _texts(value.get("ask")),
        "explain": _texts(value.get("explain", {}), empty=True),
        "markdown": value.get("markdown") is True,
    }
    if value.get("after") is not None:
        question["after"] = checked_place(value["after"])
    if question["form"] == "choices":
        choices = value.get("choices")
        if not isinstance(choices, list) or not 2 <= len(choices) <= MAX_CHOICES:
            raise ValueError
        question["choices"] = [{"key": _text(each["key"]), "text": _texts(each["text"])} for each in choices]
        keys = [each["key"] for each in question["choices"]]
        if len(set(keys)) < len(keys) or value.get("right") not in keys:
            raise ValueError
        question["right"] = value["right"]
    elif question["form"] == "number":
        question["right"], question["tolerance"] = finite(value.get("right")), abs(finite(value.get("tolerance", 0)))
    else:
        tokens = value.get("tokens")
        if not isinstance(tokens, list) or not 2 <= len(tokens) <= MAX_POINTS:
            raise ValueError
        question["tokens"] = [_text(each, 40, empty=True) for each in tokens]
        question["low"], question["high"] = finite(value.get("low")), finite(value.get("high"))
        if question["low"] >= question["high"]:
            raise ValueError
        question["right"] = _points(value.get("right"), len(tokens))
    return question


def checked_place(value: Any) -> dict[str, Any]:
    """Return fields of a player's view: step, unit, quantity. Raises ValueError: a field has not its form."""
    if not isinstance(value, Mapping):
        raise ValueError
    place: dict[str, Any] = {}
    for name in ("step", "unit"):
        if value.get(name) is not None:
            place[name] = index(value[name])
    if value.get("quantity") is not None:
        place["quantity"] = _text(value["quantity"], 200)
    return place


def public_question(question: Mapping[str, Any]) -> dict[str, Any]:
    """Return a question without the fields that a student gets with its answer."""
    return {name: value for name, value in question.items() if name not in SECRET_FIELDS}


def checked_answer(question: Mapping[str, Any], value: Any) -> Any:
    """Return an answer to a question. Raises ValueError: it does not fit."""
    if question["form"] == "choices":
        if value not in [each["key"] for each in question["choices"]]:
            raise ValueError
        return value
    if question["form"] == "number":
        return finite(value)
    low, high = question["low"], question["high"]
    return [round(min(max(each, low), high), 4) for each in _points(value, len(question["tokens"]))]


def summarize_answers(question: Mapping[str, Any], answers: Mapping[str, Any]) -> dict[str, Any]:
    """Return the number of answers, and by the form of the question the counts of the choices or numbers, or the curves."""
    given = list(answers.values())
    summary: dict[str, Any] = {"count": len(given)}
    if question["form"] == "choices":
        counts = Counter(given)
        summary["counts"] = {each["key"]: counts[each["key"]] for each in question["choices"]}
    elif question["form"] == "number":
        summary["numbers"] = sorted(Counter(given).most_common(MAX_NUMBERS))
        summary["right"] = sum(abs(each - question["right"]) <= question["tolerance"] for each in given)
    else:
        summary["curves"] = given[:MAX_CURVES]
    return summary


def answers_as_csv(question: Mapping[str, Any], answers: Mapping[str, Any], lang: str) -> str:
    """Return all answers as a table without names: a row for each choice or number with its count, or for each drawing."""
    file = io.StringIO()
    table = csv.writer(file, lineterminator="\n")
    if question["form"] == "sketch":
        table.writerow([csv_cell(f"{step + 1} {token}") for step, token in enumerate(question["tokens"])])
        table.writerows([question["right"], *answers.values()])
        return file.getvalue()
    counts = Counter(answers.values())
    table.writerow(["answer", "count", "right"])
    if question["form"] == "choices":
        for each in question["choices"]:
            text = each["text"].get(lang) or next(iter(each["text"].values()))
            text = question_plain(text) if question.get("markdown") else text
            table.writerow([csv_cell(text), counts[each["key"]], int(each["key"] == question["right"])])
    else:
        for number, count in sorted(counts.items()):
            table.writerow([number, count, int(abs(number - question["right"]) <= question["tolerance"])])
    return file.getvalue()


def _text(value: Any, most: int = MAX_WORDS, *, empty: bool = False) -> str:
    if not isinstance(value, str) or len(value) > most or not (value or empty):
        raise ValueError
    return value


def _texts(value: Any, *, empty: bool = False) -> dict[str, str]:
    """Return a text by language."""
    if not isinstance(value, Mapping) or not set(value) <= set(LANGUAGES) or not (value or empty):
        raise ValueError
    return {lang: _text(each, empty=empty) for lang, each in value.items()}


def _points(value: Any, count: int) -> list[float]:
    if not isinstance(value, list) or len(value) != count:
        raise ValueError
    return [finite(each) for each in value]
