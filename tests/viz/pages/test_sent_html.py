"""Numbers of a page in a file: each digit of cells and of what is chosen, and what is shown where a value is missing."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamlit.dataframe_util import convert_pandas_df_to_arrow_bytes
from streamlit.proto.Dataframe_pb2 import Dataframe
from streamlit.proto.Element_pb2 import Element
from streamlit.proto.Table_pb2 import Table
from streamlit.proto.WidgetStates_pb2 import WidgetState

from viz.pages.sent_html import all_digits, setting_of, table_html

ABOVE_DOUBLES = 2**53 + 1
"""The first integer that no double is."""


def column(values, kind=Dataframe, form=None, dtype=None, **settings):
    """Return the cells that a file has of a table with one column of ``values``."""
    sent = kind(**settings)
    sent.arrow_data.data = convert_pandas_df_to_arrow_bytes(pd.DataFrame({"n": pd.Series(values, dtype=dtype)}))
    if kind is Dataframe:
        sent.columns = json.dumps({"_index": {"hidden": True}, "n": {"type_config": {"format": form}}})
    else:
        sent.hide_index = True
    return re.findall(r"<td>(.*?)</td>", table_html(sent))


def chosen(**value):
    """Return the line of a number input with a value."""
    element = Element()
    element.number_input.id, element.number_input.label = "a", "Seed"
    return setting_of(element, {"a": WidgetState(id="a", **value)})


def test_what_is_chosen_has_all_its_digits():
    assert chosen(double_value=123456789.0) == "Seed: 123456789"
    assert chosen(int_value=ABOVE_DOUBLES) == f"Seed: {ABOVE_DOUBLES}"
    assert chosen(double_value=0.12345678901) == "Seed: 0.12345678901"
    assert chosen(double_value=0.0) == "Seed: 0"


@given(st.floats(allow_nan=False))
def test_digits_are_those_of_the_number(value):
    text = all_digits(value)
    assert float(text) == value
    assert not text.endswith(".0")


@pytest.mark.parametrize("kind", [Dataframe, Table])
def test_cells_have_all_their_digits(kind):
    assert column([123456789.0, 0.1234567891, 1e-9], kind) == ["123456789", "0.1234567891", "1e-09"]
    assert column([ABOVE_DOUBLES, 7], kind) == [str(ABOVE_DOUBLES), "7"]
    assert column([0.1, 16777216, 1 / 3], kind, dtype=np.float32) == ["0.1", "16777216", "0.33333334"]


@pytest.mark.parametrize(("kind", "missing"), [(Dataframe, "None"), (Table, "")])
def test_integers_with_a_gap_have_all_their_digits(kind, missing):
    assert column([ABOVE_DOUBLES, None], kind, dtype="Int64") == [str(ABOVE_DOUBLES), missing]
    assert column([ABOVE_DOUBLES, None], kind, dtype=object) == [str(ABOVE_DOUBLES), missing]
    assert column([123456789, None], kind) == ["123456789", missing]


def test_a_missing_value_is_shown_as_on_the_page():
    # as the bundle of Streamlit 1.67 has it: "None" in a dataframe, nothing in a table
    assert column([0.5, None], form="%.2f") == ["0.50", "None"]
    assert column(["a", None]) == ["a", "None"]
    assert column([None, 2.0], placeholder="–") == ["–", "2"]
    assert column([None, 2.0], placeholder="") == ["", "2"]
    assert column(["a", None], Table) == ["a", ""]
    assert column(pd.to_datetime(["2024-04-03", None])) == ["2024-04-03 00:00:00", "None"]


def test_cells_with_several_numbers_have_all_of_them():
    assert column([[1, 2], [0.5, 123456789.0]]) == ["1, 2", "0.5, 123456789"]


def test_a_format_is_applied():
    assert column([0.125, 2.0], form="%.2f") == ["0.12", "2.00"]
    assert column([3, 40], form="%d steps") == ["3 steps", "40 steps"]


@pytest.mark.parametrize("form", ["%b", "%t", "%%", "%(a)s", "%", "%d %d", "%*d", "%,d", "compact"])
def test_a_format_that_python_does_not_know_leaves_the_number(form):
    assert column([5, 123456789], form=form) == ["5", "123456789"]


def test_shares_and_large_numbers_are_written_as_on_the_page():
    # as Intl.NumberFormat of Chromium writes them in English and in Korean
    shares = [0.5, 0.123456, 0.00005, 1.0, -0.25, 12.345678, 0.0]
    assert column(shares, form="percent") == ["50%", "12.35%", "0.01%", "100%", "-25%", "1,234.57%", "0%"]
    assert column([1234567.0, 0.5, 1e21, 0.0625], form="localized") == [
        "1,234,567",
        "0.5",
        "1,000,000,000,000,000,000,000",
        "0.063",
    ]
    assert column([float("nan"), 0.5], form="percent") == ["None", "50%"]


def test_infinity_has_no_whole_number():
    assert column([float("inf"), 1.5], form="%d") == ["inf", "1"]
