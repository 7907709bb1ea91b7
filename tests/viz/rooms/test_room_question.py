"""The form of a question, which answers fit it, and what is made of all answers."""

import csv
import io
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from viz.rooms.room_question import (
    SECRET_FIELDS,
    answers_as_csv,
    checked_answer,
    checked_question,
    public_question,
    summarize_answers,
)

CHOICES = {
    "form": "choices",
    "ask": {"en": "Open?", "ko": "열렸나요?"},
    "choices": [{"key": "yes", "text": {"en": "open"}}, {"key": "no", "text": {"en": "=1+1"}}],
    "right": "yes",
    "explain": {"en": "It is 0.97."},
    "after": {"step": 3, "unit": 1},
}
NUMBER = {"form": "number", "ask": {"en": "How large?"}, "right": 0.5, "tolerance": 0.05, "explain": {"en": ""}}
SKETCH = {
    "form": "sketch", "ask": {"en": "Draw"}, "tokens": ["a", " ", ""], "low": -1, "high": 1, "right": [0.1, 0.2, 0.3],
    "explain": {},
}  # fmt: skip

json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize("question", [CHOICES, NUMBER, SKETCH], ids=lambda each: each["form"])
def test_a_question_keeps_its_form_and_hides_its_answer(question):
    checked = checked_question(json.loads(json.dumps(question)))
    assert checked_question(checked) == checked
    assert not set(SECRET_FIELDS) & set(public_question(checked))
    assert public_question(checked)["ask"] == question["ask"]


@pytest.mark.parametrize("question", [CHOICES, NUMBER, SKETCH], ids=lambda each: each["form"])
@given(data=st.data())
def test_a_question_with_any_wrong_field_is_refused_or_well_formed(question, data):
    name = data.draw(st.sampled_from(sorted(question)))
    changed = {**question, name: data.draw(json_values)}
    try:
        checked = checked_question(changed)
    except (ValueError, KeyError, TypeError):
        return
    assert checked["form"] == question["form"] and all(isinstance(each, str) for each in checked["ask"].values())
    json.dumps(checked, allow_nan=False)


@given(json_values)
def test_only_answers_that_fit_are_taken(value):
    for question in (CHOICES, NUMBER, SKETCH):
        try:
            given_answer = checked_answer(question, value)
        except (ValueError, TypeError):
            continue
        if question is CHOICES:
            assert given_answer in ("yes", "no")
        elif question is NUMBER:
            assert math.isfinite(given_answer)
        else:
            assert len(given_answer) == 3 and all(-1 <= each <= 1 for each in given_answer)


def test_answers_are_counted():
    assert summarize_answers(CHOICES, {"a": "yes", "b": "no", "c": "yes"}) == {
        "count": 3,
        "counts": {"yes": 2, "no": 1},
    }
    found = summarize_answers(NUMBER, {"a": 0.52, "b": 0.6, "c": 0.52})
    assert found == {"count": 3, "numbers": [(0.52, 2), (0.6, 1)], "right": 2}
    assert summarize_answers(SKETCH, {"a": [0, 0, 0]}) == {"count": 1, "curves": [[0, 0, 0]]}


def test_the_table_has_neither_names_nor_formulas():
    rows = list(csv.reader(io.StringIO(answers_as_csv(CHOICES, {"someone": "no", "other": "no"}, "en"))))
    assert rows == [["answer", "count", "right"], ["open", "0", "1"], ["'=1+1", "2", "0"]]
    rows = list(csv.reader(io.StringIO(answers_as_csv(NUMBER, {"someone": 0.5, "other": 2.0}, "ko"))))
    assert rows[1:] == [["0.5", "1", "1"], ["2.0", "1", "0"]]
    rows = list(csv.reader(io.StringIO(answers_as_csv(SKETCH, {"someone": [0.0, 1.0, -1.0]}, "en"))))
    assert rows[0][0] == "1 a" and rows[1:] == [["0.1", "0.2", "0.3"], ["0.0", "1.0", "-1.0"]]
