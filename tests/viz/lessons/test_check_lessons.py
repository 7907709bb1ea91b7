"""The linter: broken views, wrong answers and missing languages of a lesson, and the lessons of the app, which have none."""

import subprocess
import sys

import pytest

from viz.i18n import LANGUAGES
from viz.lessons.check_lessons import check_folder, check_lesson
from viz.lessons.find_lessons import FOLDER, lesson_folders
from viz.lessons.read_lesson import read_lesson

FRONT = "---\ntitle: A\nquestion: B\n---\n## Section\n"
CHECK = "```check\nask: What?\n{form}\nanswer: {answer}\nexplain: That.\n```\n"
VIEW = "```view\nlens: {lens}\n{fields}\n```\n"


def lesson(tmp_path, body, korean=None):
    for language in LANGUAGES:
        text = body if language == "en" or korean is None else korean
        (tmp_path / f"{language}.md").write_text(FRONT + text, encoding="utf-8")
    return [(problem.path.name, problem.line, str(problem)) for problem in check_lesson(tmp_path)]


@pytest.mark.parametrize(
    ("body", "line", "sentence"),
    [
        (VIEW.format(lens="step", fields="net: nothing"), 7, "Unknown network “nothing”."),
        (VIEW.format(lens="step", fields="unit: 0"), 7, "The view names no network."),
        (VIEW.format(lens="step", fields="net: counter\ntext: xyz"), 7, "The vocabulary of counter contains none"),
        (VIEW.format(lens="step", fields="net: counter\nunit: 2"), 7, "“unit” cannot be 2."),
        (VIEW.format(lens="step", fields="net: counter\ntext: .ab\nstep: 3"), 7, "“step” cannot be 3."),
        (
            VIEW.format(lens="step", fields="net: counter\nlayer: rnn.l1"),
            7,
            "The network has no recurrent layer “rnn.l1”.",
        ),
        (
            VIEW.format(lens="step", fields="net: counter\nquantity: update_gate"),
            7,
            "“quantity” cannot be “update_gate”.",
        ),
        (
            VIEW.format(lens="edit", fields="net: counter\nedits: rnn.l0.nothing=1"),
            7,
            "Unknown weights “rnn.l0.nothing”.",
        ),
        (VIEW.format(lens="language", fields='look: "corpus:latin"'), 7, "“corpus” cannot be “latin”."),
        (VIEW.format(lens="checkpoint", fields="net: counter\nunit: 2"), 7, "“unit” cannot be 2."),
        (
            VIEW.format(lens="train", fields='look: "training:{\\"nothing\\":0}"'),
            7,
            "This file contains no training settings",
        ),
        (VIEW.format(lens="train", fields='look: "training:{\\"units\\":100000000}"'), 7, "The setting “"),
        (VIEW.format(lens="layer", fields='look: "call:{\\"units\\":0}"'), 7, "“units” is 0."),
        (CHECK.format(form="number: 1 absolute", answer="nothing(1)"), 7, "There is no function “nothing”."),
        (
            CHECK.format(form="choices: {a: one, b: two}", answer="which(a=1, c=2)"),
            7,
            "The answer is “c”, which is none",
        ),
        (
            CHECK.format(form="sketch: {low: 0, high: 0.1}", answer='series("cell", 0, net="counter")'),
            7,
            "The curve goes from",
        ),
    ],
)
def test_what_does_not_exist_is_one_sentence(tmp_path, body, line, sentence):
    right = CHECK.format(form="number: 1 absolute", answer="1")
    found = lesson(tmp_path, body, right if "```check" in body else "Text.")
    assert [(name, place) for name, place, _problem in found] == [("en.md", line)]
    assert found[0][2].startswith(sentence)


def test_a_view_of_a_head_of_a_transformer_is_right(tmp_path):
    fields = (
        "net: dates-transformer\ntext: 3 May 2021\nlayer: decoder.layers.0.multihead_attn\nunit: 3\nstep: 2\nsource: 4"
    )
    assert lesson(tmp_path, VIEW.format(lens="attention", fields=fields)) == []


def test_languages_have_the_same_sections_and_questions(tmp_path):
    check = CHECK.format(form="number: 1 absolute", answer="1")
    found = lesson(tmp_path, check + check, check + "## Another\ntext")
    assert [problem for _name, _line, problem in found] == [
        "The languages differ in their number of sections: en.md has 1, this file has 2. Write as many.",
        "The languages differ in their number of checks: en.md has 2, this file has 1. Write as many.",
    ]


def test_a_missing_language_and_an_empty_folder_are_named(tmp_path):
    assert "There is no lesson here" in str(check_folder(tmp_path)[0])
    (tmp_path / "en.md").write_text(FRONT + "text", encoding="utf-8")
    [problem] = check_folder(tmp_path)
    assert str(problem) == "The lesson has no 한국어 text. Write it in ko.md."


@pytest.mark.slow
def test_the_command_prints_each_problem_with_its_place(tmp_path):
    (tmp_path / "en.md").write_text(FRONT + "<b>", encoding="utf-8")
    (tmp_path / "ko.md").write_text(FRONT + "text", encoding="utf-8")
    done = subprocess.run([sys.executable, "-m", "viz.lessons", str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stdout.splitlines()[0].startswith(f"{tmp_path / 'en.md'}:6: HTML is not shown: “<b>”.")


SHIPPED = lesson_folders(FOLDER)
FEW_QUESTIONS = ("my-checkpoint", "teaching")
"""The lessons for a researcher and for a teacher: fewer predictions, one section more."""


@pytest.mark.slow
@pytest.mark.parametrize("folder", SHIPPED, ids=lambda folder: folder.name)
def test_a_lesson_of_the_app_has_no_problem(folder):
    assert [f"{problem.place}: {problem}" for problem in check_lesson(folder)] == []
    shipped = read_lesson(folder)
    assert set(shipped.texts) == set(LANGUAGES)
    for text in shipped.texts.values():
        assert 4 <= len(text.sections) <= 6 + (shipped.name in FEW_QUESTIONS)
        assert text.sources and 5 <= text.minutes <= 50
        assert any(section.view for section in text.sections)
        if shipped.name not in FEW_QUESTIONS:
            assert len(text.checks) == 3
            assert len(text.questions) > len(text.checks)
        checked = [
            place for place, section in enumerate(text.sections) for each in section.questions if each.kind == "check"
        ]
        assert not checked or checked[-1] == len(text.sections) - 1
