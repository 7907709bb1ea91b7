"""An address carries a view there and back, and no address, however odd, is more than a sentence of trouble."""

import re
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.browser import ROOT
from viz.address import MAX_EDITS, MAX_TEXT, NAMES, View, parse_view, query_string, too_long, view_params
from viz.i18n import LANGUAGES, use_language
from viz.panel_choice import ALL, PANELS
from viz.view_options import OPTIONS, format_options, options_for_new_network, options_for_new_text, parse_options

words = st.text(st.characters(categories=("L", "N", "P", "S")), min_size=1, max_size=60)
numbers = st.integers(0, 10**9)
texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=300)
views = st.builds(
    View,
    net=st.none() | words,
    text=st.none() | texts,
    layer=st.none() | words,
    unit=st.none() | numbers,
    step=st.none() | numbers,
    quantity=st.none() | words,
    lang=st.none() | st.sampled_from(list(LANGUAGES)),
    edits=texts,
    look=st.builds(format_options, st.dictionaries(st.sampled_from(OPTIONS), texts, max_size=4)),
    panel=st.lists(st.sampled_from([*PANELS, ALL, "-cell"]), max_size=3, unique=True).map(",".join),
    source=st.none() | numbers,
    attend=texts,
    lesson=st.none() | words,
    section=st.none() | numbers.map(lambda number: max(number, 1)),
)


def test_the_names_of_an_address_are_a_contract():
    assert {"net", "text", "layer", "unit", "step", "lang", "edits", "source", "attend", "lesson", "section"} <= set(
        NAMES
    )


@given(views)
def test_a_view_comes_back_from_its_address(view):
    assert parse_view(view_params(view)) == (view, [])


@given(views)
def test_a_view_comes_back_from_its_link(view):
    assert parse_view(dict(parse_qsl(query_string(view), keep_blank_values=True))) == (view, [])


@given(st.dictionaries(st.sampled_from([*NAMES, "utm_source", ""]), texts | st.sampled_from(["-1", "²", "1e3", "0x1"])))
def test_any_address_gives_a_view_and_one_sentence_for_each_bad_piece(address):
    view, problems = parse_view(address)
    assert parse_view(view_params(view)) == (view, [])
    assert len(problems) <= len(set(NAMES) & set(address))
    for name in ("net", "layer", "quantity", "lang"):  # taken letter by letter, or refused
        if getattr(view, name) is not None:
            assert getattr(view, name) == address[name]
    for problem in problems:
        assert problem.endswith(".") and "\n" not in problem.removesuffix(".")


@pytest.mark.parametrize("name", ["unit", "step", "source"])
@pytest.mark.parametrize("value", ["", "-1", "1.5", " 3", "1_0", "٣", "²", "nan", "99999999999", "9" * 5000])
def test_a_number_is_a_number(name, value):
    view, problems = parse_view({name: value})
    assert view == View() and len(problems) == 1
    assert f"“{name}”" in problems[0]


def test_a_bad_piece_leaves_the_good_ones_and_is_as_it_was_before():
    before = View(net="counter", step=3, unit=1)
    view, problems = parse_view({"net": "python-lm", "step": "soon", "lang": "xx"}, before)
    assert view == View(net="python-lm", step=3)
    assert problems == [
        "In the link, “step” cannot be “soon”. Use a whole number, 0 or greater.",
        "In the link, “lang” cannot be “xx”. Use one of these: en, ko.",
    ]


def test_a_problem_is_told_in_the_language_of_the_page():
    with use_language("ko"):
        (problem,) = parse_view({"step": "soon"})[1]
    assert "soon" in problem and "In the link" not in problem


def test_a_long_text_stays_out_of_the_address():
    assert "text" in view_params(View(text="x" * MAX_TEXT))
    assert view_params(View(net="counter", text="x" * (MAX_TEXT + 1))) == {"net": "counter"}
    view, problems = parse_view({"text": "x" * 100_000})
    assert view.text is None and len(problems) == 1


@given(st.dictionaries(st.from_regex("[a-z]+", fullmatch=True), texts, max_size=4))
def test_choices_of_a_look_come_back(choices):
    assert parse_options(format_options(choices)) == choices


def test_a_look_that_is_none_is_one_sentence():
    view, problems = parse_view({"look": "order=mean"}, View(look="order:mean"))
    assert view == View(look="order:mean")
    assert problems == [
        "In the link, “look” cannot be “order=mean”. Use the form order:mean;steps:0-99.",
    ]


def test_parts_that_no_page_has_are_one_sentence_and_the_others_stay():
    view, problems = parse_view({"look": "colour:red;order:mean", "panel": "cell,nothing,-less,path"})
    assert view == View(look="order:mean", panel="cell,-less,path")
    assert problems == [
        "In the link, “look” contains “colour”, which no page has. Use the form order:mean;steps:0-99.",
        "In the link, “panel” contains “nothing”, which no page has. Use the form equations,-prediction.",
    ]


def test_every_panel_and_option_of_the_pages_is_one_that_a_link_may_have():
    pages = "".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "viz" / "pages").rglob("*.py")))
    panels = re.findall(r'@panel\(\s*"(\w+)"|\w+_PANEL = "(\w+)"', pages)
    assert {first or second for first, second in panels} <= set(PANELS)
    named = re.findall(r'view_choice\(\s*"(\w+)"|view_(?:widget|buttons)\([^@]*?\bname="(\w+)"', pages)
    assert {first or second for first, second in named} <= set(OPTIONS)


def test_a_number_that_is_too_large_is_not_called_no_number():
    _view, [problem] = parse_view({"step": "99999999999"})
    assert problem == "In the link, the number 99999999999 for “step” is too large. Use at most 1,000,000,000."


def test_another_text_leaves_what_is_not_of_its_steps():
    assert options_for_new_text("order:mean;other:x;span:3-9;steps:0-99") == "order:mean"
    assert options_for_new_network("cells:knobs;order:mean;steps:0-99") == "cells:knobs"


def test_empty_text_is_a_text():
    assert parse_view(view_params(View(text=""))) == (View(text=""), [])


@pytest.mark.parametrize("name", ["text", "edits"])
def test_what_is_too_long_for_a_link_is_left_out_and_refused(name):
    most = {"text": MAX_TEXT, "edits": MAX_EDITS}[name]
    fits, does_not = (View(net="counter", **{name: "x" * size}) for size in (most, most + 1))
    assert too_long(fits) == () and parse_view(view_params(fits)) == (fits, [])
    assert too_long(does_not) == (name,) and view_params(does_not) == {"net": "counter"}
    with use_language("en"):
        view, [problem] = parse_view({"net": "counter", name: "x" * (most + 1)})
    assert f"{most + 1:,}" in problem and f"{most:,}" in problem and problem.endswith(".")
    assert view == View(net="counter", **({} if name == "text" else {"edits": ""}))
