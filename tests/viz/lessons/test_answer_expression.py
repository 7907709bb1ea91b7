"""Answers as expressions: what may be written, and the bounds of what may come from anybody."""

import math
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.core.messages import Problem
from viz.lessons.answer_expression import evaluate, parse_expression
from viz.lessons.answers import answer_text, compare_curves, explanation, is_right, right_answer
from viz.lessons.lesson import AnswerChoice, ChoiceForm, NumberForm, Question, QuestionPlace, SketchForm

NOWHERE = QuestionPlace()
COUNTER = QuestionPlace("counter", ".aabb.")


def question(answer, form, explain="It is {answer}.", place=NOWHERE):
    return Question("check", "What?", form, answer, explain, place)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 + 2 * 3 ** 2 - 4 / 2", 17),
        ("7 % 4", 3),
        ("-2 if 3 > 2 and not 1 > 2 else 5", -2),
        ("[1, 2, 3][1] + [4, 5][last]", 7),
        ("1 < 2 < 3", True),
        ("2 ** 0.5", math.sqrt(2)),
    ],
)
def test_arithmetic(text, value):
    assert evaluate(text, NOWHERE) == pytest.approx(value)


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "().__class__",
        "value.__globals__",
        "(lambda: 1)()",
        "[x for x in [1]]",
        "{1: 2}",
        "{1, 2}",
        "f'{1}'",
        "x := 1",
        "a = 1",
        "1; 2",
        "value(*[1])",
        "value(**{'a': 1})",
        "...",
        "None",
        "b'a'",
        "1j",
        "series('hidden', 0)[0:2]",
        "open('/etc/passwd')",
        "eval('1')",
        "max(max)",
        "'a' * 10",
        "'a' + 'b'",
        "[1] * 100",
        "1 << 2",
        "1 // 0",
        "1 / 0",
        "10.0 ** 400",
        "9 ** 9 ** 9 ** 9",
        "(-1) ** 0.5",
        "[1][5]",
        "'a'[0]['b']",
        "log(-1)",
        "exp(1000)",
        "which(is=1, a=2)",
        "mean([])",
        "1 if",
        "",
        "(" * 300,
        "-" * 900 + "1",
        "+".join("1" * 400),
        "max(" * 13 + "1" + ")" * 13,
        "+".join(f"word_cosine('He', 'is', 'english', window={size})" for size in range(1, 6)),
        "1" * 1001,
        "value('hidden', 0, 0)",
        "value('hidden', 0, 0, net='../../etc')",
        "value('nothing', 0, 0, net='counter')",
        "value('hidden', 99, 0, net='counter')",
        "value('hidden', 0, 1.5, net='counter')",
        "value('hidden', net='counter')",
        "value('hidden', 0, 0, net=1)",
        "value('hidden', 0, 0, net='counter', text='xyz')",
        "value('hidden', 0, 0, net='counter', edits='nothing')",
        "value('hidden', 0, 0, net='counter', layer='rnn.l9')",
        "initial_gradient('RNN', 0.9, 10**9)",
        "position_encoding(1, 1, 10**9)",
        "count('no such words', 'english')",
        "count('He', '../corpus')",
        "layer_output('output', 0, look='call:{')",
        "layer_output('output', 0, look='call:{\"units\":10000000}')",
        "trained_parameters(look='training:{}', units=10**9)",
        'training_losses(look=\'training:{"units":1024,"steps":10000,"examples":900}\')',
        'kept_at_all_steps(\'time\', look=\'training:{"examples":900,"time_dropout":0.5,"units":100000000}\')',
        "T",
    ],
)
def test_what_is_not_an_answer_is_one_sentence_at_once(text):
    began = time.process_time()
    with pytest.raises(Problem) as caught:
        right_answer(question(text, NumberForm(0.1, False)))
    assert time.process_time() - began < 5
    assert "\n" not in str(caught.value) and str(caught.value).rstrip()[-1] in ".)"


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet="max(min)[0]1.5+-*/%<>=!,'\"and or not if else last T", max_size=40))
def test_any_expression_is_a_value_or_a_sentence(text):
    try:
        evaluate(text, NOWHERE)
    except Problem as problem:
        assert "\n" not in str(problem)


def test_a_python_word_as_a_key_is_explained():
    with pytest.raises(Problem, match="“is=” cannot be in an answer"):
        parse_expression("which(is=1, goes=2)")


def test_an_unknown_function_is_answered_by_near_ones():
    with pytest.raises(Problem, match=r"There is no function “gradient_nrom”\. Use one of these: gradient_norm"):
        parse_expression("gradient_nrom(0)")


def test_the_place_of_the_question_is_the_default():
    assert evaluate("T", COUNTER) == 6
    assert evaluate('value("hidden", 0, last) == value("hidden", 0, T - 1)', COUNTER)
    assert evaluate('value("cell", 0, 2)', COUNTER) == evaluate(
        'value("cell", 0, 2, net="counter", text=".aabb.")', QuestionPlace("wave")
    )


CHOICES = ChoiceForm(
    (AnswerChoice("rnn", "the *RNN*"), AnswerChoice("lstm", "the LSTM"), AnswerChoice("yes", "it does"))
)


def test_a_choice_is_a_key_or_yes_or_no():
    assert right_answer(question("which(rnn=1, lstm=2)", CHOICES)) == "lstm"
    assert right_answer(question("1 < 2", CHOICES)) == "yes"
    for text in ("1 > 2", "which(gru=1, lstm=0)", "3"):
        with pytest.raises(Problem, match="none of the choices"):
            right_answer(question(text, CHOICES))
    assert is_right(CHOICES, "lstm", "lstm") and not is_right(CHOICES, "lstm", "rnn")
    assert explanation(question("", CHOICES, "It is {answer:.2g}."), "rnn") == "It is the *RNN*."


@pytest.mark.parametrize(
    ("form", "given", "right"),
    [
        (NumberForm(0.1, True), 2.2, True),
        (NumberForm(0.1, True), 2.21, False),
        (NumberForm(0.1, True), math.nan, False),
        (NumberForm(0.05, False), 1.95, True),
        (NumberForm(0.05, False), 1.94, False),
        (NumberForm(0, False), 2, True),
    ],
)
def test_a_number_is_right_within_the_tolerance(form, given, right):
    assert is_right(form, 2.0, given) is right


@pytest.mark.parametrize(
    ("explain", "value", "shown"),
    [
        ("{answer}", 0.123456, "0.1235"),
        ("{answer}", 12345, "12345"),
        ("{answer:d}. Twice as long.\n{answer:d}) four", 4.0, "4\\. Twice as long.\n4\\) four"),
        ("It is {answer:d}. So\n{answer:.1f}. It", 4.0, "It is 4. So\n4.0. It"),
        ("{answer:,}", 12345, "12,345"),
        ("{answer:.2g}", 1.23e-7, "1.2·10⁻⁷"),
        ("{answer:.1%}", 0.123, "12.3%"),
        ("{answer:.2f을} 봐요", 0.5, "0.50을 봐요"),
        ("{answer:.2f은}", 0.52, "0.52는"),
        (r"$h_{t}$ = {answer:d}", 3.0, r"$h_{t}$ = 3"),
    ],
)
def test_an_explanation_shows_the_answer(explain, value, shown):
    assert explanation(question("", NumberForm(0, False), explain), value) == shown


@pytest.mark.parametrize(
    ("value", "shown"), [(18816, "18,816"), (18816.0, "18,816"), (-3.0, "−3"), (0.0706508, "0.07065")]
)
def test_a_whole_number_is_shown_in_full(value, shown):
    assert answer_text(question("", NumberForm(0, False)), value) == shown


def test_a_curve_is_compared_by_distance_and_correlation():
    form = SketchForm(-1, 1)
    curve = right_answer(question('series("hidden", 0)', form, place=COUNTER))
    assert len(curve) == 6
    same = compare_curves(curve, curve)
    assert (same.distance, same.correlation) == (0, pytest.approx(1))
    other = compare_curves([0.0, 1.0, 0.0], [1.0, 0.0, 1.0])
    assert (other.distance, other.correlation) == (1, pytest.approx(-1))
    assert compare_curves([0.0, 1.0], [0.5, 0.5]).correlation is None
    with pytest.raises(Problem, match="not a curve"):
        right_answer(question("1", form))
    assert answer_text(question("", form), curve) == ""
