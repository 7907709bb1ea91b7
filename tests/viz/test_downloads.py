"""What a reader can save: names of files are names, and tables have no formula, wherever they are made."""

import ast
import csv
import io
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamlit.runtime.media_file_manager import MediaFileManager
from streamlit.runtime.media_file_storage import MediaFileStorageError
from streamlit.runtime.memory_media_file_storage import MemoryMediaFileStorage
from streamlit.testing.v1 import AppTest

from models import Problem
from models.edits.matrix_csv import read_csv, write_csv
from tests.support.browser import ROOT
from viz import download_links
from viz.download_links import KEPT_LINKS, keep_links
from viz.pages.edit.weight_table import typed_cells

PAGES = sorted((ROOT / "viz").rglob("*.py"))
FORMULAS = ("=1+1", "+1+1", "-1+cmd|' /C calc'!A0", "@SUM(1)", "\t=1", "\r=1", '=HYPERLINK("http://elsewhere.example")')


def calls(name):
    """Return (path, call) of every call of a function of this name in the pages."""
    for path in PAGES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) == name:
                yield path.relative_to(ROOT).as_posix(), node


def test_every_download_has_a_name_of_letters_and_numbers():
    found = list(calls("download_button"))
    for path, call in found:
        name = next(each.value for each in call.keywords if each.arg == "file_name")
        if isinstance(name, ast.Constant):
            assert re.fullmatch(r"[a-z-]+\.[a-z]+", name.value), path
            continue
        parts = [each.value for each in name.values if isinstance(each, ast.FormattedValue)]
        for part in parts:
            safe = isinstance(part, ast.Call) and getattr(part.func, "id", "") == "file_name"
            assert safe or ast.unparse(part) == "view.unit", f"{path}: {ast.unparse(part)}"
    assert len(found) >= 5


def test_every_table_that_can_be_saved_is_made_by_one_function():
    """Streamlit's tables have a button that saves them as CSV."""
    assert {path for path, _call in calls("dataframe")} == {"viz/pages/page_elements.py"}
    assert {path for path, _call in calls("data_editor")} == {"viz/pages/edit/weight_table.py"}


def test_the_link_of_a_download_works_until_its_session_ends(monkeypatch):
    def run_page() -> str:
        manager.clear_session_refs()
        link = manager.add_deferred(lambda: b"kept", None, "0.1", "a.bin")
        manager.remove_orphaned_files()
        return link

    monkeypatch.setattr(MediaFileManager, "_remove_orphaned_deferred_callables", None)
    keep_links()
    monkeypatch.setattr(download_links, "_is_open", lambda session: True)
    manager = MediaFileManager(MemoryMediaFileStorage("/media"))
    links = [run_page() for _ in range(KEPT_LINKS + 2)]
    for link in links[1:]:
        assert manager.execute_deferred(link)
    with pytest.raises(MediaFileStorageError, match="not found"):
        manager.execute_deferred(links[0])
    monkeypatch.setattr(download_links, "_is_open", lambda session: False)
    manager.clear_session_refs()
    manager.remove_orphaned_files()
    for link in links:
        with pytest.raises(MediaFileStorageError, match="not found"):
            manager.execute_deferred(link)


def tables():
    from tests.viz.test_downloads import FORMULAS
    from viz.pages.page_elements import scrolling_table

    scrolling_table([{text: text, "n": 1.5} for text in FORMULAS])


def test_no_cell_of_a_saved_table_is_a_formula():
    page = AppTest.from_function(tables, default_timeout=60).run()
    assert not page.exception
    shown = page.dataframe[0].value
    texts = [*shown.columns, *(each for each in shown.to_numpy().ravel() if isinstance(each, str))]
    assert len(texts) > len(FORMULAS)
    assert not [text for text in texts if re.match(r"[=+@\t\r-]", text)]


@given(st.lists(st.lists(st.floats(width=32), min_size=2, max_size=2), min_size=1, max_size=4))
def test_a_saved_matrix_has_nothing_but_numbers(rows):
    values = np.array(rows, dtype=np.float32)
    saved = list(csv.reader(io.StringIO(write_csv(values))))
    np.testing.assert_array_equal(np.array(saved, dtype=np.float32), values)


def test_a_csv_far_longer_than_its_matrix_is_refused_before_it_is_parsed():
    values = np.full((3, 2), -1.2345678e-38, dtype=np.float32)
    assert read_csv(write_csv(values), "w", (3, 2)).values.tolist() == values.tolist()
    with pytest.raises(Problem, match="but w needs at most 10,240"):
        read_csv("1,2\n" * 5000, "w", (3, 2))


CELLS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.just(10**400),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["edited_rows", "0", "1", "x"]), inner),
    max_leaves=8,
)


@given(CELLS)
def test_what_is_typed_into_the_table_of_weights_is_a_number_in_one_of_its_cells(state):
    for row, column, value in typed_cells(state, (2, 1)):
        assert row in (0, 1) and column == 0 and np.isfinite(value)


@pytest.mark.parametrize("state", [{"edited_rows": {0: {"0": 2, "1": 3.5}, 1: {"row": 1, "0": None}, "2": {"0": 1}}}])
def test_the_cells_that_are_typed_are_returned(state):
    assert typed_cells(state, (2, 2)) == [(0, 0, 2.0), (0, 1, 3.5)]
