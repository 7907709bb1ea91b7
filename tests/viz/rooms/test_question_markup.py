"""The Markdown of questions as HTML: what a browser's parser finds in it, and that nothing of a person is an element."""

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.hostile_text import HOSTILE
from viz.escape import escape_html, latex_text, printable
from viz.lessons.find_lessons import shipped_lessons
from viz.lessons.lesson import ChoiceForm
from viz.rooms.question_markup import (
    MATH_ATTRIBUTES,
    MATH_ELEMENTS,
    formula_html,
    question_html,
    question_plain,
    with_markup,
)
from viz.rooms.room_question import SECRET_FIELDS, answers_as_csv, checked_question, public_question

ALLOWED = MATH_ELEMENTS | {"em", "strong", "code", "br"}

PARTS = [
    "$", "*", "**", "`", "<img src=x onerror=alert(1)>", "<", ">", "&lt;b&gt;", "\\", "\\text{", "}", "{", "_", "^",
    "\\href{", "javascript:", "[a](javascript:b)", "![a](b)", "<https://a.b>", "\\frac", "\n", "\\style{a}{b}", '"', "'",
    "가", "\0",
]  # fmt: skip


class Parsed(HTMLParser):
    """The elements, attributes and text of a piece of HTML."""

    def __init__(self, html):
        super().__init__()
        self.found, self.text = [], ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, [name for name, _value in attributes]))

    def handle_data(self, data):
        self.text += data


def assert_safe(html):
    for tag, attributes in Parsed(html).found:
        assert tag in ALLOWED and set(attributes) <= MATH_ATTRIBUTES, html


@given(st.lists(st.sampled_from(PARTS) | st.text(max_size=6), max_size=14).map("".join))
def test_no_text_becomes_another_element(text):
    assert_safe(question_html(text))


@pytest.mark.parametrize(
    "text",
    [
        "<img src=x onerror=alert(1)>", r"$\text{<img src=x onerror=alert(1)>}$", r"$\href{javascript:alert(1)}{x}$",
        "[x](javascript:alert(1))", "[x](https://example.org)", "![x](https://example.org/a.png)", "$" + "{" * 700 + "$",
        "`<script>alert(1)</script>`", r"$\frac{1}$", r"$\text{&lt;script&gt;}$",
    ],
)  # fmt: skip
def test_hostile_texts_are_texts(text):
    html = question_html(text)
    assert_safe(html)
    assert "<script" not in html and "<img" not in html and "href" not in re.sub(r"<code>.*</code>", "", html)


def test_marks_become_elements():
    html = question_html("**Which** of `a*b`, *c* and $f_6 = 0$?")
    assert html.startswith("<strong>Which</strong> of <code>a*b</code>, <em>c</em> and <math")
    assert "<msub><mi>f</mi><mn>6</mn></msub>" in html
    assert Parsed(question_html(r"$a < b$ & c")).text == "a<b & c"
    assert question_plain("**Which** of `a*b`, *c*?") == "Which of a*b, c?"


SIGNS = "\\{}$&#%_^~<>`"
"""The characters that TeX reads as something else; LaTeX has a command for each of them in a text."""

texts = st.text(max_size=40) | st.lists(st.sampled_from([*HOSTILE, *SIGNS, " ", "a", "0", "\ue000"]), max_size=9).map(
    "".join
)


@given(st.lists(texts, min_size=1, max_size=4))
def test_each_text_in_a_formula_is_shown_as_it_is(parts):
    html = formula_html(r"P(" + r" \mid ".join(map(latex_text, parts)) + r") = \frac{1}{2}")
    assert_safe(html)
    shown = re.findall(r"<mtext>(.*?)</mtext>", html)
    assert shown == [escape_html(printable(each).replace(" ", "\u00a0")) for each in parts]
    assert "<mo>=</mo><mfrac><mrow><mn>1</mn></mrow><mrow><mn>2</mn></mrow></mfrac>" in html


@pytest.mark.parametrize(
    ("latex", "shown"),
    [
        (r"\text{\textless UNK\textgreater }", "<UNK>"), (r"\text {a \& b}", "a\u00a0&\u00a0b"), (r"\text{}", ""),
        (r"a \\ \text{a\}b}", "aa}b"), (r"\mathbf{\text{\{x}}", "{x"), ("\\textbf{\ue0000\ue000}\\text{b}", "\ue0000\ue000b"),
    ],
)  # fmt: skip
def test_escapes_in_a_text_are_read(latex, shown):
    assert Parsed(formula_html(latex)).text == shown


def test_what_a_formula_leaves_room_for_is_not_visible():
    html = formula_html(r"a &\phantom{=} b")
    assert re.search(r"<mphantom>(?:(?!</mphantom>).)*=(?:(?!</mphantom>).)*</mphantom>", html)
    assert "=" not in re.sub(r"<mphantom>.*?</mphantom>|<[^>]*>", "", html)
    assert_safe(html)
    assert '<mpadded width="0"><mphantom>' in formula_html(r"\vphantom{x}")
    assert '<mpadded height="0" depth="0"><mphantom>' in formula_html(r"\hphantom{x}")


@pytest.mark.parametrize("latex", [r"\cancel{a} + \text{a\&b}", r"\boxed{x}"])
def test_a_formula_with_an_element_that_is_not_kept_is_shown_as_it_is_written(latex):
    assert formula_html(latex) == f"<code>{escape_html(latex)}</code>"


def shipped_texts():
    """Return each text of the questions of all lessons."""
    for lesson in shipped_lessons():
        for text in lesson.texts.values():
            for question in (each for section in text.sections for each in section.questions):
                choices = question.form.choices if isinstance(question.form, ChoiceForm) else ()
                yield from (question.ask, question.explain, *(each.text for each in choices))


def test_no_question_of_a_lesson_keeps_its_marks():
    texts = list(shipped_texts())
    assert sum("$" in each for each in texts) > 50
    for text in texts:
        html = question_html(text)
        assert_safe(html)
        seen = Parsed(re.sub(r"<code>.*?</code>", "", html)).text
        assert not re.search(r"\*\*|[$`\\]|(?<!\w)\*\w", seen), (text, seen)


def test_a_question_gets_its_html_and_hides_that_of_the_answer():
    question = {
        "form": "choices", "ask": {"en": "Is *it*?"}, "choices": [
            {"key": "a", "text": {"en": "*Moscow*"}}, {"key": "b", "text": {"en": "<b>"}},
        ], "right": "a", "explain": {"en": "$f$"}, "markdown": True,
        "ask_html": {"en": "<script>"}, "explain_html": {"en": "<script>"},
    }  # fmt: skip
    found = with_markup(checked_question(question))
    assert found["ask_html"] == {"en": "Is <em>it</em>?"}
    assert [each["html"]["en"] for each in found["choices"]] == ["<em>Moscow</em>", "&lt;b&gt;"]
    assert "explain_html" in SECRET_FIELDS and not set(SECRET_FIELDS) & set(public_question(found))
    assert answers_as_csv(found, {"someone": "a"}, "en").splitlines()[1] == "Moscow,1,1"
    plain = with_markup(checked_question(question | {"markdown": False}))
    assert not {"ask_html", "explain_html"} & set(plain) and "html" not in plain["choices"][0]
