"""The session: what a link opens, what stays in the address, and in which language a page speaks."""

import pytest
from streamlit.testing.v1 import AppTest

from viz.address import View
from viz.session import Session

SCRIPT = """
import streamlit as st
from viz import layout
from viz.i18n import _
from viz.session import get_session

def report():
    session = get_session()
    session.apply_report(session.revisions.last, step=st.session_state.step)

@st.fragment
def fragment():
    st.text(_("Copy link"))
    st.button("again", key="again")

def page():
    if session.view.net is None:
        session.fill_defaults(net="python-lm", text="def f(x)", layer="rnn.l0", unit=3, step=4)
    if session.view.step > 99:
        session.reject("The text ends before that step.")
    session.mark_good()
    st.number_input("step", value=0, key="step", on_change=report)
    fragment()

session = get_session()
with session.page_run(opened=None), layout.page_frame():
    page()
"""

OPENING = {"net": "python-lm", "text": "def f(x)", "layer": "rnn.l0", "unit": "3", "step": "4", "lang": "en"}


def start(**address):
    page = AppTest.from_string(SCRIPT, default_timeout=30)
    page.query_params.update(address)
    return page.run()


def address(page):
    return {name: value[-1] if isinstance(value, list) else value for name, value in page.query_params.items()}


def view(page):
    return page.session_state["unrolled"].view


@pytest.mark.slow
def test_nothing_chosen_is_filled_in_and_mirrored():
    page = start()
    assert not page.exception and not page.warning
    assert address(page) == OPENING


@pytest.mark.slow
def test_a_link_opens_exactly_its_view():
    link = OPENING | {"net": "counter", "text": "a a\n+b&c=한", "step": "7", "quantity": "cell", "edits": "x:1"}
    page = start(**link)
    assert address(page) == link
    assert view(page).step == 7 and view(page).text == "a a\n+b&c=한"


@pytest.mark.slow
def test_a_bad_piece_is_named_once_and_the_rest_is_shown():
    page = start(net="counter", step="2", unit="-1", lang="ko")
    assert len(page.warning) == 1 and view(page).net == "counter" and view(page).unit is None
    page.number_input(key="step").set_value(5).run()
    page.run()
    assert not page.warning


@pytest.mark.slow
def test_what_cannot_be_shown_leaves_the_last_good_view():
    page = start(**OPENING)
    page.query_params["step"] = "100"
    page.run()
    assert [warning.value for warning in page.warning] == ["The text ends before that step."]
    assert view(page).step == 4 and address(page) == OPENING


@pytest.mark.slow
def test_an_edited_address_is_followed_in_the_same_session():
    page = start(**OPENING)
    before = page.session_state["unrolled"].revisions.last
    page.query_params["unit"] = "12"
    page.run()
    assert view(page).unit == 12 and page.session_state["unrolled"].revisions.last > before


@pytest.mark.slow
def test_an_address_that_comes_late_does_not_undo_the_view():
    page = start(**OPENING)
    page.number_input(key="step").set_value(6).run()
    assert address(page)["step"] == "6"
    page.query_params["step"] = "4"  # as the browser had it when it asked for this run
    page.run()
    assert view(page).step == 6 and address(page)["step"] == "6"


@pytest.mark.slow
def test_a_change_of_page_empties_the_address_and_the_view_is_written_again():
    page = start(**OPENING)
    page.query_params.clear()
    page.run()
    assert address(page) == OPENING


@pytest.mark.slow
def test_the_player_raises_no_revision():
    page = start(**OPENING)
    session = page.session_state["unrolled"]
    revision = session.revisions.last
    page.number_input(key="step").set_value(6).run()
    assert session.revisions.last == revision


def test_a_report_about_an_older_revision_changes_only_what_has_not_been_set_since():
    session = Session(View(net="python-lm", layer="rnn.l0", unit=3, step=4), _running=True)
    session.navigate(layer="rnn.l1")
    assert session.apply_report(0, step=5, unit=7) and (session.view.step, session.view.unit) == (5, 3)
    session.navigate(lang="ko")
    assert session.apply_report(1, step=6, unit=8) and (session.view.step, session.view.unit) == (6, 8)
    session.navigate(text="x", step=0)
    assert session.apply_report(2, step=7, unit=9) is False and (session.view.step, session.view.unit) == (0, 8)


@pytest.mark.slow
def test_the_switch_changes_the_language_and_nothing_else():
    page = start(**OPENING)
    assert page.text[0].value == "Copy link"
    page.segmented_control(key="language").set_value("ko").run()
    assert address(page) == OPENING | {"lang": "ko"}
    assert page.text[0].value == "링크 복사"


@pytest.mark.slow
def test_the_language_of_the_address_is_that_of_fragments_too():
    page = start(**OPENING | {"lang": "ko"})
    page.button(key="again").click().run()
    assert page.text[0].value == "링크 복사"


@pytest.mark.slow
def test_the_browser_tells_the_language_where_the_address_does_not():
    page = AppTest.from_string(SCRIPT, default_timeout=30)
    page.context["locale"] = "ko-KR"
    page.run()
    assert address(page)["lang"] == "ko"


@pytest.mark.slow
def test_a_link_cannot_put_markup_into_the_page():
    page = start(step="[x](http://example.org) $a$")
    assert page.warning[0].value.count("\\[x\\](") == 1 and "\\$a\\$" in page.warning[0].value


DRAGS = """
from models.edits.edit_syntax import read_edits
from viz.session import get_session

session = get_session()
told = []
with session.page_run(opened=None):
    session.fill_defaults(net="counter")
    for value, drag, rested in ((1, "a:1", False), (2, "a:1", True), (3, "b:1", False), (4, "b:1", True), (5, "b:2", False)):
        session.drag_edits(read_edits(f"rnn.l0.forget_bias={value}"), drag, rested=rested)
    for _ in range(4):
        told.append(session.view.edits)
        session.undo()
    told.append(session.view.edits)
    session.redo()
    told.append(session.view.edits)
import streamlit as st
st.session_state.told = told
"""


@pytest.mark.slow
def test_one_drag_is_one_undo_step_whichever_slider():
    page = AppTest.from_string(DRAGS, default_timeout=30).run()
    assert not page.exception
    assert page.session_state.told == [
        *(f"rnn.l0.forget_bias={value}" for value in (5, 4, 2)), "", "", "rnn.l0.forget_bias=2"
    ]  # fmt: skip
