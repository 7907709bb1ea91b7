"""Weight matrices as CSV files, to edit in a spreadsheet."""

from __future__ import annotations

import csv
import io
import math

import numpy as np

from models.core.messages import Problem
from models.core.parse_numbers import check_row_lengths, parse_rows
from models.edits.edit import ReplaceMatrix
from models.edits.weight_edits import check_shape

MAX_NUMBER_LENGTH, SPARE = 40, 10_000
"""Characters that a number and its delimiter may have on average, and further ones that a file may have."""


def read_csv(text: str, name: str, shape: tuple[int, ...]) -> ReplaceMatrix:
    """Return the edit that replaces ``name`` by the matrix in a CSV file.

    Args:
        text: rows of numbers with commas (or semicolons or tabs) between; no heading.
        name: as in ``Place``.
        shape: the required shape, (rows, columns); of a bias (rows,), which may also be given as one row.

    Raises:
        Problem: a value is not a number, the shape is different, or the text is far longer than the matrix.
    """
    most = MAX_NUMBER_LENGTH * math.prod(shape) + SPARE
    if len(text) > most:
        raise Problem(
            "This CSV has {count} characters, but {name} needs at most {most}. Choose the CSV file of this matrix.",
            count=f"{len(text):,}",
            name=name,
            most=f"{most:,}",
        )
    delimiter = next((mark for mark in ",;\t" if mark in text), ",")
    lines = csv.reader(io.StringIO(text.removeprefix("\ufeff").strip()), delimiter=delimiter)
    rows = [line for line in lines if line]
    check_row_lengths(rows)
    values = parse_rows(rows) if rows else np.zeros((0, 0), np.float32)
    if len(shape) == 1 and 1 in values.shape:
        values = values.reshape(-1)
    check_shape(name, values.shape, shape)
    return ReplaceMatrix.of(name, values)


def write_csv(values: np.ndarray) -> str:
    """Return a matrix (rows, columns), or a bias (rows), as a CSV file for ``read_csv``, every float32 exactly."""
    rows = values.reshape(len(values), -1)
    return "".join(",".join(str(value) for value in row) + "\n" for row in rows)
