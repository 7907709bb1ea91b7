"""The file of a page's open panels without a browser: what it contains, what it leaves out, and that texts stay texts."""

import gzip
import json
import re
import struct
from base64 import b64decode, b64encode
from dataclasses import replace
from hashlib import sha256
from importlib.resources import files

import pytest
from streamlit.proto.Dataframe_pb2 import Dataframe
from streamlit.proto.Element_pb2 import Element
from streamlit.runtime.scriptrunner_utils.script_requests import ScriptRequests
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.local_script_runner import LocalScriptRunner

from models.training.training_loop import train
from models.training.training_options import TrainingOptions
from tests.support.lens_page import run, start, widget_at
from tests.support.lesson_progress import shown_answers
from viz.address import View
from viz.lessons.find_lessons import shipped_lessons
from viz.pages import keep_panels
from viz.pages.keep_panels import KeptPage, _place_sentences, bounded_panels_view, panels_view
from viz.pages.lessons.reader_progress import PROGRESS
from viz.pages.panels import PAGE_PANELS
from viz.pages.sent_elements import SENT
from viz.pages.sent_html import MAX_ROWS, markdown_html, sent_html
from viz.show.offline_file import offline_html
from viz.show.shown_view import ShownView

LENSES = {
    "step": {"net": "counter"},
    "states": {"net": "counter"},
    "gradients": {"net": "counter"},
    "edit": {"net": "counter", "edits": "rnn.l0.forget_bias=1"},
    "attention": {"net": "dates-dot"},
    "layer": {},
    "language": {},
    "checkpoint": {"net": "counter"},
    "search": {"net": "counter"},
    "train": {},
}
MOVING = ("step", "states", "gradients", "attention")
"""Lenses that also have a file which moves as the app."""

MEGABYTE = 1_000_000


def kept(page: AppTest, lens: str, lang: str = "en") -> ShownView:
    """Return the view that the page's button would keep."""
    state = page.session_state
    view = state["unrolled"].view if "unrolled" in state else View()
    return panels_view(KeptPage(state[SENT], state[PAGE_PANELS], lens, view, (), (), "light", lang))


def elements(view: ShownView, panel: str) -> list[dict]:
    (found,) = [each for each in view.content().panels if each.name == panel]
    return found.data["elements"]


def packed_content(html: str) -> dict:
    packed = gzip.decompress(b64decode(re.search(r'id="unrolled-numbers">([^<]*)<', html)[1]))
    length = struct.unpack_from("<I", packed)[0]
    return json.loads(packed[4 : 4 + length])


def column(table: str, name: str) -> list[str]:
    """Return the cells of a column of a table in HTML."""
    at = re.findall(r"<th>(.*?)</th>", table).index(name)
    rows = re.findall(r"<tr>(.*?)</tr>", table)[1:]
    return [re.findall(r"<td>(.*?)</td>", row)[at] for row in rows]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A folder with a short training run, which the Train lens shows."""
    folder = tmp_path_factory.mktemp("runs")
    train(TrainingOptions(task="counting", units=4, embedding=0, examples=24, steps=4, record_every=2), folder / "a")
    return folder


@pytest.mark.parametrize("lens", LENSES)
def test_the_default_view_of_a_lens_is_one_file_of_at_most_three_megabytes(lens, runs):
    page = start(lens, opened=runs if lens == "train" else None, panel="-none", **LENSES[lens])
    buttons = {each.proto.id.rpartition("-")[2]: each.proto.label for each in page.get("download_button")}
    shown = {name: label for name, label in buttons.items() if name.startswith("keep_")}
    whole = {"keep_page": "Keep this page (HTML)"}
    assert shown == (whole | {"keep_panels": "Keep the open panels (HTML)"} if lens in MOVING else whole)
    view = kept(page, lens)
    html = offline_html(view, app="https://example.org/")
    assert len(html.encode()) <= 3 * MEGABYTE
    content = packed_content(html)
    assert list(content["languages"]) == ["en"]
    assert content["theme"] == "light"
    assert content["contents"]["en"]["panels"]
    opened = [each.name for each in page.session_state[PAGE_PANELS].panels if each.is_open]
    assert {each["name"] for each in content["contents"]["en"]["panels"]} <= set(opened)
    assert not any("not computed yet" in each for each in content["contents"]["en"]["sentences"])
    assert content["link"]["page"] == f"https://example.org/{'' if lens == 'step' else lens}"


def test_a_file_leaves_out_the_largest_panels_and_names_them(monkeypatch):
    page = start("language", panel="unseen_ngrams,chain_rule,token_ids,-smoothing")

    def made(largest: int) -> tuple[str, set[str], str]:
        monkeypatch.setattr(keep_panels, "LARGEST", largest)
        state = page.session_state
        view = bounded_panels_view(KeptPage(state[SENT], state[PAGE_PANELS], "language", View(), (), (), "light", "en"))
        content = view.content()
        note = next((each for each in content.notes if "a file has at most" in each), "")
        return offline_html(view), {each.name for each in content.panels}, note

    whole, panels, note = made(3 * MEGABYTE)
    assert note == ""
    assert {"unseen_ngrams", "chain_rule", "token_ids"} <= panels
    without, fewer, note = made(len(whole.encode()) - 1)
    assert len(without.encode()) < len(whole.encode())
    (left_out,) = panels - fewer
    sizes = {
        each.name: len(gzip.compress(json.dumps(each.data).encode()))
        for each in kept(page, "language").content().panels
    }
    assert left_out == max(sizes, key=sizes.get)
    title = next(each.title for each in page.session_state[PAGE_PANELS].panels if each.name == left_out)
    assert note == f"Not contained, because a file has at most {(len(whole.encode()) - 1) / 1e6:g} MB: {title}."
    html, none, note = made(1)
    assert none == set()
    assert note.count(",") > len(panels) - 2
    assert 'id="unrolled-plotly"' not in html


def test_plotly_is_in_a_file_with_figures_alone_and_the_policy_names_its_hash():
    closed = offline_html(kept(start("language", panel="-unseen_ngrams"), "language"))
    opened = offline_html(kept(start("language", panel="unseen_ngrams"), "language"))
    script = (files("plotly") / "package_data" / "plotly.min.js").read_bytes()
    name = f"'sha256-{b64encode(sha256(script).digest()).decode()}'"
    assert name not in closed
    assert 'id="unrolled-plotly"' not in closed
    assert name in re.search(r'Content-Security-Policy" content="([^"]*)"', opened)[1]
    packed = re.search(r'id="unrolled-plotly">([^<]*)<', opened)[1]
    assert gzip.decompress(b64decode(packed)) == script


def test_texts_settings_and_folded_panels_are_named():
    page = start("layer", panel="-call_lines")
    content = kept(page, "layer").content()
    assert "call_lines" not in [each.name for each in content.panels]
    assert any("The same call in Keras and in PyTorch" in note for note in content.notes)
    assert any("Cell: LSTM" in note and "return_state: off" in note for note in content.notes)
    found = elements(kept(page, "layer"), "layer_parameters")
    table = next(each["html"] for each in found if "<table" in each.get("html", ""))
    # one bias for each sum, of which a GRU of Keras has two: 3 (15 + 9 + 2 x 3)
    assert column(table, "Keras, with biases") == ["27", "90", "108"]


def test_a_panel_of_controls_alone_is_left_out():
    page = start("edit", panel="add_edit", net="counter")
    assert "add_edit" in [each.name for each in page.session_state[PAGE_PANELS].panels if each.is_open]
    assert "add_edit" not in [each.name for each in kept(page, "edit").content().panels]


def texts(page: AppTest, name: str) -> str:
    return "\n".join(each.get("html", "") for each in elements(kept(page, "states"), name))


def kept_names(page: AppTest) -> set[str]:
    return {each.name for each in kept(page, "states").content().panels}


def run_fragment(page: AppTest, monkeypatch, fragment: str) -> None:
    """Run a fragment of the page alone, as a browser requests it."""
    before, request = page.session_state[SENT], LocalScriptRunner.request_rerun

    def request_fragment(runner, data):
        runner._requests = ScriptRequests()  # without that for a run of the page, with which `AppTest` begins
        return request(runner, replace(data, fragment_id_queue=[fragment]))

    with monkeypatch.context() as patched:
        patched.setattr(LocalScriptRunner, "request_rerun", request_fragment)
        run(page)
    assert page.session_state[SENT] is before  # the page itself did not run


def sender(page: AppTest, text: str) -> str:
    """Return the id of the fragment that sent the one Markdown text with these words."""
    (found,) = [
        each.fragment_id
        for each in page.session_state[SENT].content.values()
        if each.HasField("new_element") and text in each.new_element.markdown.body
    ]
    return found


def test_what_a_fragment_no_longer_sends_is_no_longer_recorded(monkeypatch):
    page = start("states", net="counter", panel="span")
    assert "Best match" in texts(page, "span")
    names = kept_names(page)
    fragment = sender(page, "Best match")
    assert fragment
    widget_at(page.number_input, "brush_threshold").set_value(9.0)
    run_fragment(page, monkeypatch, fragment)
    assert "Best match" not in texts(page, "span")
    assert "No unit has its" in texts(page, "span")
    assert kept_names(page) == names
    widget_at(page.number_input, "brush_threshold").set_value(0.5)
    run_fragment(page, monkeypatch, fragment)
    assert "Best match" in texts(page, "span")
    assert "No unit has its" not in texts(page, "span")


def outside_page():
    """Show a fragment that draws into a container of the page, as many lines as the session state says."""
    import streamlit as st

    from viz.pages.sent_elements import SENT, recorded_fragment, recorded_page

    with recorded_page():
        st.session_state[SENT].is_kept = True
        place = st.container(key="place")

        @recorded_fragment
        def draw():
            with place:
                for line in range(st.session_state["lines"]):
                    st.markdown(f"line {line}")
            st.session_state["meanwhile"] = st.session_state[SENT].copy()

        draw()
        st.markdown("after")


def test_what_a_fragment_no_longer_sends_into_a_container_outside_of_it_is_no_longer_recorded(monkeypatch):
    page = AppTest.from_function(outside_page)

    def lines(name: str = SENT) -> list[str]:
        return [each.markdown.body for each in page.session_state[name].inside("place") if isinstance(each, Element)]

    page.session_state["lines"] = 3
    run(page)
    assert lines() == ["line 0", "line 1", "line 2"]
    fragment = sender(page, "line 2")
    for count in (1, 2, 0):
        page.session_state["lines"], before = count, lines()
        run_fragment(page, monkeypatch, fragment)
        assert lines("meanwhile") == before  # what a download has while the fragment runs
        assert lines() == [f"line {line}" for line in range(count)]
    assert sender(page, "after") == ""


def test_an_open_panel_that_is_not_computed_is_named():
    page = start("layer", panel="*")
    (awaited,) = [each for each in page.session_state[PAGE_PANELS].panels if each.name == "call_lines"]
    assert awaited.is_complete
    awaited.is_complete = False  # as while the page runs, and where it was stopped
    content = kept(page, "layer").content()
    assert "call_lines" not in [each.name for each in content.panels]
    (note,) = [each for each in content.notes if each.startswith("Not contained")]
    assert note == f"Not contained, because they were not computed yet: {awaited.title.replace('`', '')}."


def stopped_page():
    import streamlit as st

    from viz.pages.panels import page_panels, panel
    from viz.pages.sent_elements import recorded_page

    with recorded_page(), page_panels():
        st.session_state["sent_elements"].is_kept = True

        @panel("first", "First", "")
        def first() -> None:
            st.markdown("the first text")

        @panel("second", "Second", "")
        def second() -> None:
            st.markdown("half of the second")
            st.stop()

        @panel("third", "Third", "")
        def third() -> None:
            st.markdown("never")


def test_a_panel_without_a_line_on_what_to_look_for_is_kept_and_stopped_ones_are_named():
    page = AppTest.from_function(stopped_page)
    run(page)
    content = kept(page, "layer").content()
    assert [each.name for each in content.panels] == ["first"]
    assert "the first text" in content.panels[0].data["elements"][1]["html"]
    assert content.notes[-1] == "Not contained, because they were not computed yet: Second, Third."


def test_a_file_of_a_lesson_names_no_panel_that_the_lesson_lacks():
    lesson, number, view = next(
        (lesson, number, section.view)
        for lesson in shipped_lessons()
        for number, section in enumerate(lesson.in_language("en").sections, 1)
        if section.view is not None and section.view.lens == "step"
    )
    page = start("lessons", state={PROGRESS: shown_answers(lesson)}, lesson=lesson.name, section=str(number))
    declared = {each.name for each in page.session_state[PAGE_PANELS].panels}
    assert set(view.panels) < declared
    content = kept(page, view.lens).content()
    assert {each.name for each in content.panels} <= set(view.panels)
    assert not any("Not contained" in each for each in content.notes)


def test_edits_are_named_on_a_page_without_a_time_step():
    edits = {"net": "counter", "edits": "rnn.l0.forget_bias=1"}
    session = start("edit", panel="-none", step="2", unit="1", **edits).session_state["unrolled"]
    assert _place_sentences(session, "edit")[0] == "Time step 3, unit 1 of layer rnn.l0."
    session.view = replace(session.view, step=None)
    (sentence,) = filter(None, _place_sentences(session, "edit"))
    assert sentence.startswith("The network was edited (1 edit)")
    assert _place_sentences(session, "search")[-1] == "The corpus is read by the network without your edits."


def test_nothing_stays_recorded_of_a_page_without_the_button():
    assert SENT in start("layer").session_state
    assert SENT not in start("train").session_state  # without a run
    assert SENT not in start("lessons").session_state


HOSTILE = '<img src=x onerror=alert(1)></script><a href="https://example.org">x</a> [y](javascript:alert(1)) ![z](https://a.b/c)'


def hostile_page(text):
    import streamlit as st

    st.markdown(text, unsafe_allow_html=True)
    st.caption(text)
    st.info(text)
    st.code(text)
    st.text(text)
    st.table([{text: text}])
    st.dataframe([{text: text}])
    st.latex(text)


def test_nothing_that_a_text_contains_becomes_an_element():
    page = AppTest.from_function(hostile_page, kwargs={"text": HOSTILE}).run()
    assert not page.exception
    shown = list(page.main.children.values())
    assert len(shown) == 8
    for each in shown:
        html = sent_html(element_of(each))
        assert "alert" in re.sub(r"<[^>]*>", "", html)
        assert not re.search(r"<(?:img|a|script)\b", html), each.type
        assert "javascript:" not in re.sub(r">[^<]*<", "><", html)


def element_of(node):
    """Return the message of an element on an `AppTest` page."""
    kinds = {"caption": "markdown", "latex": "markdown", "info": "alert"}
    kind = "dataframe" if isinstance(node.proto, Dataframe) else kinds.get(node.type, node.type)
    element = Element()
    getattr(element, kind).CopyFrom(node.proto)
    return element


def test_a_formula_with_aligned_lines_is_a_table_of_mathml():
    html = markdown_html(r"$$\begin{aligned}a &= b\\[4pt] &= \frac{1}{2}\end{aligned}$$")
    assert html.count("<mtr>") == 2
    assert "&amp;" not in html
    assert "4pt" not in html


def test_of_a_long_table_the_file_says_how_much_it_contains():
    def long_page(count):
        import streamlit as st

        st.dataframe([{"n": number} for number in range(count)], hide_index=True)

    page = AppTest.from_function(long_page, kwargs={"count": MAX_ROWS + 5}).run()
    html = sent_html(element_of(page.main.children[0]))
    assert f"The first {MAX_ROWS} of {MAX_ROWS + 5} rows." in html
    assert column(html, "n") == list(map(str, range(MAX_ROWS)))
