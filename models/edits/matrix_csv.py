"""Weight matrices as CSV files: what a spreadsheet can change."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

import numpy as np

from models.core.messages import Problem
from models.edits.edit import Matrix
from models.edits.edit_syntax import number
from models.edits.weight_edits import check_shape


def read_csv(text: str, name: str, shape: tuple[int, ...]) -> Matrix:
    """The edit that puts the matrix in a CSV file in the place of ``name``.

    Args:
        text: rows of numbers with commas (or semicolons or tabs) between; no heading.
        name: as in ``Place``.
        shape: what is needed, (rows, columns); of a bias (rows,), which may also stand in one row.

    Raises:
        Problem: a value is no number, or the shape is another.
    """
    delimiter = next((mark for mark in ",;\t" if mark in text), ",")
    lines = csv.reader(io.StringIO(text.removeprefix("\ufeff").strip()), delimiter=delimiter)
    rows = [[number(value.strip()) for value in line] for line in lines if line]
    check_lengths(rows)
    values = np.array(rows, dtype=np.float32) if rows else np.zeros((0, 0), np.float32)
    if len(shape) == 1 and 1 in values.shape:
        values = values.reshape(-1)
    check_shape(name, values.shape, shape)
    return Matrix.of(name, values)


def check_lengths(rows: Sequence[Sequence[object]]) -> None:
    """Raise Problem where one of the rows of a CSV is longer or shorter than the first."""
    for index, row in enumerate(rows):
        if len(row) != len(rows[0]):
            raise Problem(
                "Row {row} of the CSV has {count} numbers, the first has {first}.",
                row=index + 1, count=len(row), first=len(rows[0]),
            )  # fmt: skip


def write_csv(values: np.ndarray) -> str:
    """A matrix (rows, columns), or a bias (rows), as ``read_csv`` reads it, every float32 exactly."""
    rows = values.reshape(len(values), -1)
    return "".join(",".join(str(value) for value in row) + "\n" for row in rows)
