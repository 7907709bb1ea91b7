"""Sequences of numbers in files: one step a row, as CSV or as a ``.npy`` array."""

from __future__ import annotations

import csv
import io
import math

import numpy as np
from numpy.lib import format as npy

from models.core.messages import Problem
from models.core.parse_numbers import check_row_lengths, parse_rows
from models.networks.input_limit import MAX_INPUT_STEPS

MAX_NUMBERS = 20_000
"""Numbers of a sequence that a text box can show."""

MAX_TABLE_BYTES = 32 << 20
"""Bytes of a CSV: its numbers take some twenty times as much memory while they are parsed."""

MAGIC = b"\x93NUMPY"


def parse_sequence(data: bytes, columns: int, limit: int | None = None) -> np.ndarray:
    """Parse the sequence (T, D) in a file.

    Args:
        data: rows of D numbers separated by commas (or semicolons, tabs or spaces), with or without a heading; or a ``.npy``
            array (T, D), (1, T, D), or (T) if D = 1. Pickled objects are refused.
        columns: D, the network's inputs at each step.
        limit: the most steps; None for ``MAX_INPUT_STEPS``, and no more than ``MAX_NUMBERS`` numbers.

    Raises:
        Problem: the file has no such sequence; one sentence says what is wrong.
    """
    values = _array(data) if data.startswith(MAGIC) else _table(data)
    if values.ndim == 3 and len(values) == 1:
        values = values[0]
    if values.ndim == 1 and columns == 1:
        values = values[:, None]
    if values.ndim != 2 or values.shape[1] != columns:
        raise Problem(
            (
                "The array in this file has shape {shape}. The network takes {columns} values per time step as input; "
                "give an array of shape (time steps, {columns})."
            ),
            shape=values.shape,
            columns=columns,
        )
    most = min(MAX_INPUT_STEPS, MAX_NUMBERS // columns) if limit is None else limit
    if not 0 < len(values) <= most:
        raise Problem(
            "This file has {count} time steps. Use a file with 1 to {limit}.",
            count=f"{len(values):,}",
            limit=f"{most:,}",
        )
    values = values.astype(np.float32)
    if not np.isfinite(values).all():
        step, column = np.argwhere(~np.isfinite(values))[0]
        raise Problem(
            "Value {column} of time step {step} in this file is not finite. Use only finite values.",
            column=column + 1,
            step=step + 1,
        )
    return values


def format_numbers(values: np.ndarray) -> str:
    """Return numbers (T, D) as a user types them: ``"0.1, 0.5; 0.2, 1"``; of one column, ``"0.1, 0.2"``.

    ``parse_numbers`` restores every float32 exactly.
    """
    rows = [", ".join(str(value).removesuffix(".0") for value in step) for step in values.astype(np.float32)]
    return ("; " if values.shape[1] > 1 else ", ").join(rows)


def _array(data: bytes) -> np.ndarray:
    file = io.BytesIO(data)
    try:
        read = npy.read_array_header_1_0 if npy.read_magic(file) == (1, 0) else npy.read_array_header_2_0
        shape, _by_columns, dtype = read(file)
        # the header decides how much is allocated: the file must be that long
        complete = dtype.kind in "fiub" and math.prod(shape) * dtype.itemsize <= len(data) - file.tell()
        if complete:
            return np.load(io.BytesIO(data), allow_pickle=False)
    except Exception as error:
        raise Problem("This .npy file is damaged. Save it again with numpy.save.") from error
    raise Problem("This .npy file is truncated or contains no numeric array. Save a numeric array with numpy.save.")


def _table(data: bytes) -> np.ndarray:
    if len(data) > MAX_TABLE_BYTES:
        raise Problem(
            "This CSV has {size} bytes, but at most {most} are read. Save the numbers with numpy.save instead.",
            size=f"{len(data):,}",
            most=f"{MAX_TABLE_BYTES:,}",
        )
    try:
        text = data.decode("utf-8-sig").rstrip()
        mark = next((mark for mark in ",;\t" if mark in text), " ")
        read = list(enumerate(csv.reader(text.splitlines(), delimiter=mark, skipinitialspace=True), start=1))
    except (UnicodeDecodeError, csv.Error):
        raise Problem("This file is neither a CSV of numbers nor a .npy array. Choose a CSV or .npy file.") from None
    if mark == " ":
        read = [(number, [value for value in row if value]) for number, row in read]
    filled = [(number, row) for number, row in read if any(map(str.strip, row))]
    if all(not row[-1].strip() for _number, row in filled):  # a delimiter at the end of every line
        filled = [(number, row[:-1]) for number, row in filled]
    if len(filled) > 1 and not _is_number(filled[0][1][0]):
        del filled[0]  # a heading
    numbers, rows = [number for number, _row in filled], [row for _number, row in filled]
    if not rows:
        raise Problem("This file contains no numbers. Write one time step per line, with commas between the values.")
    check_row_lengths(rows, numbers)
    return parse_rows(rows, numbers)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
