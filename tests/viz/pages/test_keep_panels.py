"""The file of a page's open panels without a browser: what it contains, what it leaves out, and that texts stay texts."""

import gzip
import json
import re
import struct
from base64 import b64decode, b64encode
from hashlib import sha256
from importlib.resources import files

import pytest
from streamlit.proto.Dataframe_pb2 import Dataframe
from streamlit.proto.Element_pb2 import Element
from streamlit.testing.v1 import AppTest

from tests.support.lens_page import start
from viz.pages.keep_panels import KeptPage, panels_view
from viz.pages.panels import PAGE_PANELS
from viz.pages.sent_elements import SENT
from viz.pages.sent_html import MAX_ROWS, markdown_html, sent_html
from viz.session import get_session
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
}
MEGABYTE = 1_000_000


def kept(page: AppTest, lens: str, lang: str = "en") -> ShownView:
    """Return the view that the page's button would keep."""
    state = page.session_state
    view = state["session"].view if "session" in state else get_session().view
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


@pytest.mark.parametrize("lens", LENSES)
def test_the_default_view_of_a_lens_is_one_file_of_at_most_three_megabytes(lens):
    page = start(lens, panel="-none", **LENSES[lens])
    labels = [each.proto.label for each in page.get("download_button")]
    assert any(label in ("Keep this page (HTML)", "Keep the open panels (HTML)") for label in labels)
    view = kept(page, lens)
    html = offline_html(view, app="https://example.org/")
    assert len(html.encode()) <= 3 * MEGABYTE
    content = packed_content(html)
    assert list(content["languages"]) == ["en"]
    assert content["theme"] == "light"
    assert content["contents"]["en"]["panels"]
    opened = [each.name for each in page.session_state[PAGE_PANELS].panels if each.is_open]
    assert {each["name"] for each in content["contents"]["en"]["panels"]} <= set(opened)
    assert content["link"]["page"] == f"https://example.org/{'' if lens == 'step' else lens}"


def test_plotly_is_in_a_file_with_figures_alone_and_the_policy_names_its_hash():
    closed = offline_html(kept(start("language", panel="-unseen_ngrams"), "language"))
    opened = offline_html(kept(start("language", panel="unseen_ngrams"), "language"))
    script = (files("plotly") / "package_data" / "plotly.min.js").read_bytes()
    name = f"'sha256-{b64encode(sha256(script).digest()).decode()}'"
    assert name not in closed
    assert "unrolled-plotly" not in closed.split("<script")[1]
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
    view = kept(start("edit", panel="-none", net="counter"), "edit")
    assert "add_edit" not in [each.name for each in view.content().panels]


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
