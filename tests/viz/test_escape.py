"""Text from outside comes out of each escape as it went in, and as nothing else."""

import re
from html import unescape
from pathlib import PurePath

import plotly.graph_objects as go
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.hostile_text import HOSTILE, live_markup
from viz import escape
from viz.figures.style import apply_style

texts = st.text(max_size=60) | st.lists(st.sampled_from([*HOSTILE, " ", "a"]), max_size=4).map("".join)


def shown(markdown):
    """Return what Markdown of one paragraph without markup shows."""
    return re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", markdown).replace(escape.JOINER, "")


@given(texts)
def test_markdown_shows_the_text_in_one_line_and_has_nothing_live(text):
    marked = escape.escape_markdown(text)
    assert shown(marked) == escape.printable(text).replace(escape.JOINER, "")
    assert "\n" not in marked and not live_markup(marked)
    marked.encode()


@pytest.mark.parametrize("text", HOSTILE)
def test_what_is_to_be_escaped_is_live_before(text):
    assert live_markup(text)


@given(texts)
def test_a_code_span_ends_where_it_is_meant_to(text):
    span = escape.code_span(text)
    fence = re.match("`+", span)[0]
    inner = span[len(fence) : -len(fence)]
    assert span.endswith(fence) and fence not in re.findall("`+", inner)
    assert inner.removeprefix(" ").removesuffix(" ").strip() == escape.printable(text).strip()


@given(texts)
def test_html_has_no_tag_and_ends_no_attribute(text):
    marked = escape.escape_html(text)
    assert not set("<>\"'\0") & set(marked)
    assert unescape(marked) == text.replace("\0", escape.REPLACEMENT)


@given(texts)
def test_latex_has_no_command_but_its_own(text):
    inner = escape.latex_text(text).removeprefix(r"\text{").removesuffix("}")
    rest = re.sub(r"\\text(?:backslash|asciicircum|asciitilde|less|greater|quoteleft) |\\[{}$&#%_]", "", inner)
    assert not set("\\{}$&#%_^~<>`") & set(rest)
    assert escape.latex_text_content(inner) == escape.printable(text)


@given(texts)
def test_a_file_name_is_one_name_in_no_folder(text):
    name = escape.file_name(text)
    assert name and len(name) <= escape.MAX_FILE_NAME and PurePath(name).name == name
    assert re.fullmatch(r"[\w.-]+", name) and not name.startswith(".") and name.strip("._")


@given(texts)
def test_a_cell_of_a_table_is_no_formula(text):
    cell = escape.csv_cell(text)
    formula = re.match(r" *[=+@\t\r-]", cell) and not re.fullmatch(r"[-+]?[0-9.]+(?:e[-+]?[0-9]+)?", cell, re.I)
    assert not formula and cell in (text, "'" + text)


@given(st.lists(st.text(max_size=20), max_size=3), st.lists(st.text(max_size=20), max_size=3))
def test_a_key_is_equal_for_equal_parts_alone_and_shows_none(parts, others):
    key = escape.widget_key(*parts)
    assert re.fullmatch("[0-9a-f]{16}", key)
    assert (key == escape.widget_key(*others)) == (parts == others)


@settings(max_examples=30)
@given(texts)
def test_a_figure_draws_names_and_tokens_as_they_are(text):
    figure = go.Figure()
    place = "%{customdata[1]}<br>"
    figure.add_scatter(x=[0], y=[1.0], name=text, text=[text], customdata=[[1, text]], hovertemplate=place + text)
    figure.add_annotation(text=text)
    figure.update_xaxes(tickvals=[0], ticktext=[text], title_text=text)
    apply_style(figure, "light", height=300)
    trace, axis = figure.data[0], figure.layout.xaxis
    name = trace.name.replace("<br>", " ")  # a long name has several lines
    for drawn in (name, trace.text[0], trace.customdata[0][1], axis.ticktext[0]):
        assert "<" not in drawn
        assert unescape(drawn).replace(escape.JOINER, "") == escape.printable(text).replace(escape.JOINER, "")
    assert not re.search(r"<(?!br>|/?b>|/?extra>)", trace.hovertemplate + (axis.title.text or ""))
    assert "<" not in (figure.layout.annotations[0].text or "")
