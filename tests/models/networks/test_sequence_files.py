"""Sequences of numbers from files: what numpy and a spreadsheet wrote is read exactly, anything else is refused."""

import io

import numpy as np
import pytest

from models.core.messages import Problem
from models.networks import sequence_files
from models.networks.network import parse_numbers
from models.networks.sequence_files import format_numbers, parse_sequence

VALUES = np.random.default_rng(0).normal(size=(7, 3)).astype(np.float32)


def saved(values, **how):
    file = io.BytesIO()
    np.save(file, values, **how)
    return file.getvalue()


def refused(data, columns=3):
    with pytest.raises(Problem) as caught:
        parse_sequence(data, columns)
    return str(caught.value)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int64", "uint8", "bool"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_what_numpy_saved_comes_back(dtype, order):
    values = np.asarray(VALUES * 10, dtype=dtype, order=order)
    for given in (values, values[None]):
        np.testing.assert_array_equal(parse_sequence(saved(given), 3), values.astype(np.float32))


def test_one_column_may_be_a_row():
    np.testing.assert_array_equal(parse_sequence(saved(VALUES[:, 0]), 1), VALUES[:, :1])


@pytest.mark.parametrize("mark", [",", ";", "\t", " ", ", "])
@pytest.mark.parametrize("head", ["", "a{0}b{0}c\n"])
def test_what_a_spreadsheet_wrote_comes_back(mark, head):
    text = head.format(mark.strip() or mark) + "\r\n".join(mark.join(map(str, row)) for row in VALUES)
    np.testing.assert_array_equal(parse_sequence(text.encode("utf-8-sig"), 3), VALUES)


@pytest.mark.parametrize("columns", [1, 3])
def test_as_text_is_exact(columns):
    values = np.concatenate([VALUES, [[1e-38, 3.4e38, -0.0]]])[:, :columns].astype(np.float32)
    back = np.array(parse_numbers(format_numbers(values), columns, None), dtype=np.float32)
    np.testing.assert_array_equal(back, values)


def test_anything_else_is_told():
    assert "shape (7, 2)" in refused(saved(VALUES[:, :2])) and "takes 3 values per time step" in refused(
        saved(VALUES[:, :2])
    )
    assert "no numeric array" in refused(saved(np.array([{"a": 1}], dtype=object), allow_pickle=True))
    assert "no numeric array" in refused(saved(np.array(["a", "b"])))
    assert "not finite" in refused(saved(np.where(VALUES > 1, np.nan, VALUES)))
    assert "2,001 time steps" in refused(saved(np.zeros((2001, 3))))
    assert (
        "row 2" in refused(b"1,2,3\n1,2") and "no numbers" in refused(b" \n") and "neither" in refused(b"\xff\xfe\x00")
    )
    assert "“x”" in refused(b"1,2,3\n1,x,3")


def test_a_header_that_lies_allocates_nothing():
    whole = saved(VALUES)
    lying = whole.replace(b"'shape': (7, 3), }       ", b"'shape': (70000000, 3), }")
    assert len(lying) == len(whole) and lying != whole
    for damaged in (whole[:20], whole[:-20], lying):
        assert ".npy file" in refused(damaged)


def test_a_table_that_is_too_long_is_refused_before_it_is_parsed(monkeypatch):
    monkeypatch.setattr(sequence_files, "MAX_TABLE_BYTES", 20)
    assert "has 24 bytes, but at most 20" in refused(b"1,2,3\n" * 4)
    assert parse_sequence(b"1,2,3\n" * 3, 3).shape == (3, 3)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("1,,3\n4,5,\n", "row 1, column 2"),  # as many values in each row: the columns would be shifted
        ("1,,3\n4,,6\n", "row 1, column 2"),
        ("a,b,c\n1,2,3\n\n4, ,6\n", "row 4, column 2"),
        ("1;NaN;3\n", "row 1, column 2"),
        ("1\t2\tn/a\n1\t2\t3", "row 1, column 3"),
    ],
)
def test_a_missing_value_is_named_and_shifts_no_column(text, place):
    for columns in (2, 3):
        assert f"The value in {place} of the CSV is missing." in refused(text.encode(), columns)


def test_a_value_that_is_no_number_is_named_with_its_place():
    said = refused(b"a,b,c\n1,2,3\n4,x,6\n")
    assert said.startswith("In row 3, column 2 of the CSV: “x” is not a finite number.")


@pytest.mark.parametrize("text", ["1,2,3,\n4,5,6,\n", "1 2  3 \n 4 5 6\n"])
def test_marks_at_the_end_of_lines_are_no_values(text):
    np.testing.assert_array_equal(parse_sequence(text.encode(), 3), np.array([[1, 2, 3], [4, 5, 6]], np.float32))
