"""Lessons from Markdown: what is read, and one sentence with its line for everything that is not right."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.core.messages import Problem
from viz.lessons.lesson import ChoiceForm, LensView, MarkdownBlock, NumberForm, Question, QuestionPlace, SketchForm
from viz.lessons.lesson_problems import LessonError
from viz.lessons.read_lesson import MAX_FILE, decode_source, folder_name, lesson_of_sources, parse_lesson, read_lesson

FRONT = """---
title: A title
question: Why?
minutes: 10
sources:
  - Someone (2013), https://example.org/paper
textbooks: Some of them are wrong.
---
"""

BODY = """## First section

Text with $a < b$ and `<code>`.

```predict
ask: How much?
number: 0.1 relative
answer: gradient_norm(0)
explain: It is {answer:.2g}.
```

```view
lens: gradients
panels: gradient_map, cells
net: recall-rnn
text: no
layer: rnn.l0
unit: 3
step: 12
look: "loss:answer"
edits: rnn.l0.forget_bias=1
```

## Checks

```check
ask: Which?
choices:
  rnn: the RNN
  lstm: the LSTM
answer: which(rnn=1, lstm=2)
explain: "{answer}."
net: recall-lstm
```

```check
ask: Draw it.
sketch: {low: -1, high: 1}
answer: series("hidden", 0)
explain: It falls.
```
"""


def read(source):
    text, problems = parse_lesson(source, Path("en.md"), "en")
    assert problems == []
    return text


def problems_of(source):
    return [(problem.line, str(problem)) for problem in parse_lesson(source, Path("en.md"), "en")[1]]


def in_section(markdown):
    """A lesson with this Markdown in its section; its first line is line 10 of the file."""
    return FRONT + "## Section\n" + markdown


def test_a_lesson_is_what_its_file_says():
    text = read(FRONT + BODY)
    assert (text.title, text.question, text.minutes, text.textbooks) == (
        "A title", "Why?", 10, "Some of them are wrong.",
    )  # fmt: skip
    assert text.sources == ("Someone (2013), https://example.org/paper",)
    first, last = text.sections
    assert (first.title, first.line, last.title) == ("First section", 9, "Checks")
    assert [type(block) for block in first.blocks] == [MarkdownBlock, Question, LensView]
    assert first.view == LensView(
        "gradients", ("gradient_map", "cells"), "recall-rnn", "no", "rnn.l0", 3, 12, None, "rnn.l0.forget_bias=1",
        look="loss:answer", line=first.view.line,
    )  # fmt: skip
    assert (FRONT + BODY).split("\n")[first.view.line - 1] == "lens: gradients"
    assert first.prediction.form == NumberForm(0.1, True)
    assert first.prediction.place == QuestionPlace(
        "recall-rnn", "no", "rnn.l0.forget_bias=1", "rnn.l0", look="loss:answer"
    )
    choice, sketch = text.checks
    assert isinstance(choice.form, ChoiceForm) and choice.form.text_of("lstm") == "the LSTM"
    assert choice.place == QuestionPlace("recall-lstm")
    assert sketch.form == SketchForm(-1.0, 1.0)


def test_values_are_the_texts_that_were_written():
    """YAML's own types would change them: ``no`` to False, ``1.10`` to 1.1, a date to an object."""
    text = read(in_section('```view\nlens: step\nnet: counter\ntext: "1.10"\nquantity: no\n```'))
    assert (text.sections[0].view.text, text.sections[0].view.quantity) == ("1.10", "no")


def test_line_ends_of_other_systems_and_a_byte_order_mark_are_read():
    source = decode_source(b"\xef\xbb\xbf" + (FRONT + BODY).replace("\n", "\r\n").encode(), Path("en.md"))
    assert read(source).sections[0].title == "First section"


def test_formulas_are_no_markdown():
    read(in_section("$$\n= a_{t}\n+ b\n$$\n\n$W<b>x$ and `$` and \\$5 and $x_1$ *and* $x_2$"))


@pytest.mark.parametrize(
    ("markdown", "line", "sentence"),
    [
        ("<b>bold</b>", 10, "HTML is not shown: “<b>”."),
        ("text\n\n<script>alert(1)</script>", 12, "HTML is not shown: “<script>alert(1)</script>”."),
        ("![x](https://example.org/a.png)", 10, "A lesson has no images."),
        ("**글자(letter)**에서", 10, "These asterisks are shown as they are: “**글자(letter)**에서”."),
        ("**식 $h_t$**에서", 10, "These asterisks are shown as they are"),
        ("[x](javascript:alert(1))", 10, None),
        ("[x](//example.org)", 10, "The link “//example.org” is not allowed."),
        ("[x](ftp://example.org)", 10, "The link “ftp://example.org” is not allowed."),
        ("An open $x formula", 10, "A formula begins with $ and does not end."),
        ("# Title", 10, "A line begins with one #."),
        ("```veiw\nlens: step\n```", 10, "There is no block “veiw”."),
        ("- item\n\n  ```view\n  lens: step\n  ```", 12, "This block is inside a list or a quotation."),
        ("```view\nlens: step", 10, "This block has no end."),
        ("```view\nlens: step\n```\n\n```view\nlens: step\n```", 15, "This section has two views."),
        ("", 9, "This section is empty."),
        ("```view\nlens: nothing\n```", 11, "There is no lens “nothing”."),
        ("```view\nlens: step\npanels: heads\n```", 12, "This lens has no panel “heads”."),
        ("```view\nlens: step\nunit: -1\n```", 12, "“unit” cannot be “-1”."),
        ("```view\nlens: step\nunits: 1\n```", 12, "There is no field “units” here."),
        ("```view\nlens: step\nlens: states\n```", 12, "The name “lens” occurs twice"),
        ("```view\nlens: step\ntext: [a, b]\n```", 12, "“text” is not a text."),
        ("```view\nlens: step\ntext: five # six\n```", 12, "The text after # is a comment in YAML."),
        ("```view\nlens: step\ntext: &a one\n```", 12, "This line has a name with & or *"),
        ("```view\nlens: step\ntext: *a\n```", 12, "This line has a name with & or *"),
        ("```view\nlens: !!python/name:os.system step\n```", 11, "This line has a value that begins with !."),
        ("```view\nlens: step\ntext: a: b\n```", 12, "This line is not valid YAML."),
        ("```view\nlook: colour:red\nlens: step\n```", 11, "No lens has the option “colour”."),
        ("```view\n- lens\n```", 11, "This block has no fields."),
        ("```view\nlens: [[[[[[a]]]]]]\n```", 11, "This block has more than 500 values or 4 levels."),
    ],
)
def test_what_is_wrong_is_one_sentence_at_its_line(markdown, line, sentence):
    found = problems_of(in_section(markdown))
    if sentence is None:  # a scheme that Markdown itself does not take as a link: the text is shown as it is
        assert found == []
        return
    assert len(found) == 1
    assert found[0][0] == line
    assert found[0][1].startswith(sentence)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ("number: 0.1 relative", None),
        ("number: 10 percent", "“number” cannot be “10 percent”."),
        ("number: .inf absolute", "“number” cannot be “.inf absolute”."),
        ("choices: {a: one}", "There are 1 choices."),
        ("choices: {a b: one, c: two}", "The choice “a b” is not valid."),
        ("choices: {a: <i>one</i>, c: two}", "HTML is not shown: “<i>”."),
        ("sketch: {low: 1, high: 1}", "“sketch” needs a range."),
        ("number: 1 absolute\nsketch: {low: 0, high: 1}", "A question has exactly one of these fields"),
        ("", "A question has exactly one of these fields"),
    ],
)
def test_a_question_has_one_valid_form(fields, sentence):
    found = problems_of(in_section(f"```check\nask: What?\n{fields}\nanswer: 1\nexplain: That.\n```"))
    assert [problem.startswith(sentence) for _line, problem in found] == ([] if sentence is None else [True])


@pytest.mark.parametrize(
    ("field", "is_valid"),
    [
        ("{answer}", True),
        ("{answer:.2g}", True),
        ("{answer:,}", True),
        ("{answer:.1%을}", True),
        ("{answer:99999999}", False),
        ("{answer:x}", False),
        ("$h_{t}$", True),
    ],
)
def test_the_answer_in_an_explanation_has_a_short_format(field, is_valid):
    source = in_section(f'```check\nask: What?\nnumber: 1 absolute\nanswer: 1\nexplain: "It is {field}."\n```')
    assert bool(problems_of(source)) != is_valid


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("", "The front matter is missing."),
        ("## Section\ntext", "The front matter is missing."),
        ("---\ntitle: A\nquestion: B\n---\n", "The lesson has no section."),
        ("---\nquestion: B\n---\n## S\ntext", "“title” is missing."),
        ("---\ntitle: A\nquestion: B\nminutes: 0\n---\n## S\ntext", "“minutes” cannot be “0”."),
        ("---\ntitle: A\nquestion: B\nsources: one\n---\n## S\ntext", "“sources” is not a list."),
        ("---\ntitle: A\nquestion: B\nauthor: C\n---\n## S\ntext", "There is no field “author” here."),
        ("---\ntitle: A\nquestion: B\n---\nbefore\n## S\ntext", "There is text before the first section."),
        ("---\ntitle: A\nquestion: B\n---\n## \ntext", "The section has no title."),
        ("---\ntitle: A\nquestion: B\n---\n" + "## S\ntext\n" * 21, "The lesson has more than 20 sections"),
        ("---\ntitle: A\nquestion: B\n---\n## S\n" + "```view\n```\n" * 8000, "The lesson has more than 20 sections"),
        ("---\ntitle: " + "a" * 30_000 + "\n---\n", "This block has more than 20,000 characters."),
    ],
)
def test_a_file_that_is_no_lesson_is_one_sentence(source, sentence):
    found = problems_of(source)
    assert len(found) == 1
    assert found[0][1].startswith(sentence)


def test_a_large_file_and_one_that_is_not_text_are_refused(tmp_path):
    for content, sentence in (
        (b"a" * (MAX_FILE + 1), "100,000"),
        (b"a" * 10_000_000, "100,000"),
        (b"\xff\xfe", "UTF-8"),
    ):
        (tmp_path / "en.md").write_bytes(content)
        with pytest.raises(LessonError, match=sentence):
            read_lesson(tmp_path)


def test_a_folder_without_files_is_no_lesson(tmp_path):
    with pytest.raises(LessonError, match="There is no lesson here"):
        read_lesson(tmp_path)


def test_a_lesson_needs_one_language_and_falls_back_to_it():
    lesson = lesson_of_sources(Path("07-vanishing"), {"ko": FRONT + BODY})
    assert (lesson.number, lesson.name) == (7, "vanishing")
    assert lesson.in_language("en") is lesson.texts["ko"]


def test_a_problem_names_the_file_and_the_line():
    with pytest.raises(LessonError) as caught:
        lesson_of_sources(Path("mine"), {"en": in_section("<b>")})
    assert caught.value.place == str(Path("mine/en.md:10"))
    assert str(caught.value).count(". ") == 1


@pytest.mark.parametrize(
    ("name", "found"), [("07-vanishing", (7, "vanishing")), ("mine", (0, "mine")), ("1-", (0, "1-"))]
)
def test_the_number_of_a_folder_is_no_part_of_the_name(name, found):
    assert folder_name(Path(name)) == found


HOSTILE = st.text(alphabet="#`-|:[]{}()<>$*&!\\ \n'\"abp=%0", max_size=200)


@settings(max_examples=60, deadline=None)
@given(HOSTILE, st.sampled_from(["", "view", "predict", "check"]))
def test_any_text_is_a_lesson_or_sentences(text, block):
    body = f"```{block}\n{text}\n```\n" if block else text
    for source in (text, FRONT + "## S\n" + body, f"---\n{text}\n---\n## S\nx"):
        lesson, problems = parse_lesson(source, Path("en.md"), "en")
        assert lesson is not None or problems
        for problem in problems:
            assert isinstance(problem, Problem) and "\n" not in str(problem)
