"""The Lessons page without a browser: the list, a lesson's questions and views, lessons of one's own, and the strip."""

import re
import zipfile
from dataclasses import replace
from io import BytesIO

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models import load_network
from models.core.messages import Problem
from tests.support import oracle
from tests.support.lens_page import mounted_components, run, start, text_of, widget_at
from viz.address import View, parse_view, view_params
from viz.layout import set_language
from viz.lessons.find_lessons import shipped_lessons
from viz.pages.lessons.lesson_sections import display_formulas
from viz.pages.lessons.lesson_upload import lesson_sources
from viz.pages.lessons.lesson_view import section_language_views, view_fields
from viz.pages.lessons.reader_progress import (
    PROGRESS,
    GivenAnswer,
    LessonProgress,
    Progress,
    question_name,
    read_progress,
)
from viz.pages.lessons.typed_number import typed_number
from viz.pages.panels import PAGE_PANELS
from viz.session import Session
from viz.view_options import parse_options

LESSON = """---
title: A small lesson
question: What does the counter count?
minutes: 5
sources:
  - The test, https://example.org
textbooks: Nothing.
---
## First

Text with $x$.

```predict
ask: What is the hidden state?
number: 0.001 absolute
answer: value("hidden", 0, 2)
explain: It is {answer:.3f}.
```

Behind the prediction.

```view
lens: step
panels: equations, units_now
net: counter
text: .aabb.
layer: rnn.l0
unit: 0
step: 2
```

## Second

```check
ask: Which token comes last?
net: counter
text: .aabb.
choices:
  dot: the dot
  a: the a
answer: which(dot=probability(".", step=4), a=probability("a", step=4))
explain: It is {answer}.
```
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with one lesson, as a teacher names it on the command line."""
    path = tmp_path_factory.mktemp("class") / "01-small"
    path.mkdir()
    (path / "en.md").write_text(LESSON, encoding="utf-8")
    return path.parent


def button(page, label):
    """Return the button with a label."""
    return next(each for each in page.button if label in each.label)


def place(page):
    """Return the lesson and the section in the address."""
    found = {name: page.query_params[name] for name in ("lesson", "section")}
    view, _problems = parse_view(
        {name: value if isinstance(value, str) else value[-1] for name, value in found.items()}
    )
    return view.lesson, view.section


def panels(page):
    """Return the names of the open panels."""
    return {each.name for each in page.session_state[PAGE_PANELS].panels if each.is_open}


def hidden_state():
    """Return torch's hidden state of unit 0 at step 2."""
    net = load_network("counter")
    with torch.no_grad():
        return float(oracle.network(net.module, net.encode(".aabb."))["rnn.l0"]["hidden"][2, 0])


@pytest.mark.slow
def test_a_lesson_is_predicted_looked_at_and_checked(folder):
    page = start("lessons", opened=folder)
    button(page, "A small lesson").click()
    page = run(page)
    assert place(page) == ("small", 1)
    assert "Behind the prediction." not in text_of(page) and panels(page) == set()

    page.text_input[0].set_value("about a half")
    button(page, "Answer").click()
    page = run(page)
    assert "“about a half” is not a number." in text_of(page)
    page.text_input[0].set_value("10")
    button(page, "Answer").click()
    page = run(page)
    right = hidden_state()
    assert f"It is {right:.3f}." in text_of(page) and "Your answer: 10." in text_of(page)
    assert "Behind the prediction." in text_of(page)
    assert panels(page) == {"equations", "units_now"} and "player" in mounted_components(page)
    view = page.session_state["unrolled"].view
    assert (view.net, view.text, view.unit, view.step) == ("counter", ".aabb.", 0, 2)

    button(page, "Answer again").click()
    page = run(page)
    assert panels(page) == set()
    page.text_input[0].set_value(f"{right:.5f}")
    button(page, "Answer").click()
    page = run(page)
    assert any("Right." in each.value for each in page.success)

    button(page, "Next: Second").click()
    page = run(page)
    assert place(page) == ("small", 2)
    page.radio[0].set_value("a")
    button(page, "Answer").click()
    page = run(page)
    assert "Your answer: the a. The computed answer: the dot" in text_of(page)
    assert "0 of 1 checks right" in text_of(page) and "Nothing." in text_of(page)
    stored = page.session_state[PROGRESS]
    assert stored.of("small").opened == {1, 2}
    assert read_progress(stored.to_json()).lessons == stored.lessons
    button(page, "All lessons").click()
    page = run(page)
    assert button(page, "A small lesson").label.endswith("✓")


@pytest.mark.slow
def test_what_a_reader_changes_in_a_view_stays_and_a_new_visit_opens_the_lessons_view(folder):
    answered = Progress({"small": LessonProgress({1}, {question_name("en", 1, 1): GivenAnswer(None, False)})})
    link = {"lesson": "small", "section": "1", "lang": "en"}
    page = start("lessons", opened=folder, state={PROGRESS: answered}, net="counter", step="4", **link)
    assert page.session_state["unrolled"].view.step == 4  # the link's
    page.toggle[0].set_value(True)
    page = run(page)
    assert page.session_state["unrolled"].view.step == 4
    page = start("lessons", opened=folder, state={PROGRESS: answered}, **link)
    assert page.session_state["unrolled"].view.step == 2


SECTIONS_IN_TWO_LANGUAGES = [
    (lesson, number, language, other)
    for lesson in shipped_lessons()
    for language, other in (("en", "ko"), ("ko", "en"))
    for number, section in enumerate(lesson.texts[language].sections, 1)
    if section.view is not None and lesson.texts[other].sections[number - 1].view is not None
]


@pytest.mark.parametrize(
    ("lesson", "number", "language", "other"),
    [pytest.param(*each, id=f"{each[0].name}-{each[1]}-{each[3]}") for each in SECTIONS_IN_TWO_LANGUAGES],
)
def test_another_language_of_a_lesson_shows_the_view_of_its_text(lesson, number, language, other):
    own, wanted = (view_fields(lesson.texts[each].sections[number - 1].view) for each in (language, other))
    changed = own | {"step": 3, "unit": 1, "edits": "rnn.l0.bias_ih[0]=1"}  # by the reader
    session = Session(view=View(lang=language, lesson=lesson.name, section=number, **changed), keeps_address=True)
    session.language_views = section_language_views(lesson, language, number)
    set_language(session, other)
    place = {"lang": other, "lesson": lesson.name, "section": number}
    assert session.view == View(**(changed if own == wanted else wanted), **place)
    assert language not in session.language_views
    reloaded, problems = parse_view(view_params(session.view))
    assert parse_options(reloaded.look) == parse_options(session.view.look)
    assert replace(reloaded, look=session.view.look) == session.view and not problems


def test_most_lessons_have_views_that_differ_by_language():
    found = {
        each.name for each, number, *pair in SECTIONS_IN_TWO_LANGUAGES if section_language_views(each, "en", number)
    }
    assert len(found) > 10


@pytest.mark.slow
@pytest.mark.parametrize("text", [".aabb.", ".aaabbb."])
def test_a_change_of_language_opens_its_view_and_keeps_the_answers(tmp_path, text):
    path = tmp_path / "01-small"
    path.mkdir()
    (path / "en.md").write_text(LESSON, encoding="utf-8")
    other = LESSON.replace(".aabb.", text).replace("A small lesson", "작은 강의")
    (path / "ko.md").write_text(other if text == ".aabb." else other.replace("step: 2", "step: 1"), encoding="utf-8")
    answers = {question_name(lang, 1, 1): GivenAnswer(10.0, False) for lang in ("en", "ko")}
    progress = Progress({"small": LessonProgress({1}, answers)})
    link = {"lesson": "small", "section": "1"}
    page = start(
        "lessons",
        opened=tmp_path,
        state={PROGRESS: progress},
        lang="en",
        net="counter",
        text=".aabb.",
        step="4",
        **link,
    )
    for lang, expected in (
        ("ko", (text, 4 if text == ".aabb." else 1)),
        ("en", (".aabb.", 4 if text == ".aabb." else 2)),
    ):
        page.segmented_control(key="language").set_value(lang)
        page = run(page)
        view = page.session_state["unrolled"].view
        assert (view.lang, view.text, view.step) == (lang, *expected)
        assert "player" in mounted_components(page)
        assert set(page.session_state[PROGRESS].of("small").answers) == set(answers)
        address = {name: each if isinstance(each, str) else each[-1] for name, each in page.query_params.items()}
        again = start("lessons", opened=tmp_path, state={PROGRESS: progress}, **address)
        assert again.session_state["unrolled"].view == view


@pytest.mark.slow
def test_the_strip_leads_back_from_every_lens_until_the_lesson_is_left():
    lesson = shipped_lessons()[0]
    page = start("step", lesson=lesson.name, section="2", net="counter", panel="-none")
    assert [each.proto.label for each in page.get("page_link") if "back to the lesson" in each.proto.label]
    link = next(each.proto for each in page.get("page_link") if "back to the lesson" in each.proto.label)
    assert f"lesson={lesson.name}" in link.query_string and "section=2" in link.query_string
    widget_at(page.selectbox, "choose_net").set_value("python-lm")
    page = run(page)
    assert page.session_state["unrolled"].view.lesson == lesson.name
    button(page, "Leave the lesson").click()
    page = run(page)
    assert "lesson" not in page.query_params and "section" not in page.query_params


def test_what_a_link_names_wrongly_is_one_sentence(folder):
    page = start("lessons", opened=folder, lesson="nothing")
    assert "There is no lesson “nothing” here." in text_of(page)
    page = start("lessons", opened=folder, lesson="small", section="9")
    assert "The lesson has no section 9. Choose one from 1 to 2." in text_of(page)


def test_a_search_finds_sections_and_terms():
    page = start("lessons")
    page.text_input[0].set_value("vanishing gradient")
    page = run(page)
    assert "**vanishing gradient**" in text_of(page)
    page.text_input[0].set_value("zzzz")
    page = run(page)
    assert "Nothing was found for “zzzz”." in text_of(page)


def test_a_folder_with_an_error_is_named_with_its_line(tmp_path):
    (tmp_path / "en.md").write_text(LESSON.replace("lens: step", "lens: steps"), encoding="utf-8")
    page = start("lessons", opened=tmp_path)
    line = LESSON.split("lens: step")[0].count("\n") + 1
    assert re.search(rf"en\W+md\W+{line}\W+There is no lens “steps”", text_of(page))


def test_lessons_are_uploaded_as_files_or_as_an_archive():
    content = BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("class/02-second/en.md", LESSON)
        archive.writestr("class/01-first/ko.md", LESSON)
        archive.writestr("class/notes.txt", "x")
    found = lesson_sources({"class.zip": content.getvalue()})
    assert found == {"02-second": {"en": LESSON}, "01-first": {"ko": LESSON}}
    assert lesson_sources({"en.md": LESSON.encode()}) == {"my-lesson": {"en": LESSON}}
    for contents in ({"notes.md": b"x"}, {"a.zip": b"no archive"}, {"en.md": b"\xff\xfe\x00"}):
        with pytest.raises(Problem):
            lesson_sources(contents)


def test_a_displayed_formula_gets_lines_of_its_own():
    assert display_formulas("a $$b$$ c\n\n  $$d$$\n") == "a $$b$$ c\n\n  $$\n  d\n  $$\n"


@given(st.floats(allow_nan=False, allow_infinity=False, width=32))
def test_a_typed_number_is_read_in_every_form(number):
    assert typed_number(repr(number).replace("-", "−")) == pytest.approx(number)
    assert typed_number(f" {number} % ") == pytest.approx(number / 100)
    assert typed_number(str(number).replace(".", ",")) == pytest.approx(number)
    assert typed_number(f"{number!r}/4") == pytest.approx(number / 4)


@pytest.mark.parametrize("text", ["a", "1/0", "1e9999", "--1", "1.2.3", "1_0", "٣", "10^", "0x1", "1" * 500])
def test_what_is_no_number_is_refused(text):
    with pytest.raises(Problem, match="is not a number"):
        typed_number(text)


def test_an_empty_answer_is_asked_for():
    with pytest.raises(Problem, match="Write a number"):
        typed_number(" ")


def test_powers_of_ten_are_numbers():
    for text, value in (("10^-3", 1e-3), ("2 × 10^(-3)", 2e-3), ("−10^2", -100), ("3·10^4", 3e4)):
        assert typed_number(text) == pytest.approx(value)


answers = st.builds(
    GivenAnswer,
    st.none() | st.text(max_size=20) | st.floats(-1e9, 1e9) | st.lists(st.floats(-1, 1), max_size=4).map(tuple),
    st.booleans(),
)
names = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=20)
lessons = st.builds(
    LessonProgress, st.sets(st.integers(1, 20), min_size=1), st.dictionaries(names, answers, max_size=4)
)


@given(st.dictionaries(names, lessons, max_size=4))
def test_a_progress_comes_back_from_its_text(found):
    assert read_progress(Progress(found).to_json()).lessons == found


@given(st.text(max_size=60) | st.recursive(st.none() | st.integers() | st.text(max_size=5), st.lists).map(str))
def test_any_other_text_is_refused_as_a_progress(text):
    for each in (text, '{"lessons": {"a": {"opened": [0], "answers": {}}}}', '{"lessons": {"a": ' + "[" * 9999):
        with pytest.raises(Problem):
            read_progress(each)
