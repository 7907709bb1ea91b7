"""Numbers in text: parsing them, and naming in one sentence what is wrong with them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from models.core.messages import Problem

MAX_FLOAT32 = float(np.finfo(np.float32).max)
"""The largest float32: a larger number would reach a module as infinity."""

MISSING = ("", "nan", "na", "null", "none", "n/a", "-")
"""What a CSV has where a value is missing."""

MAX_QUOTED = 40
"""Characters of the user's text that an error message quotes."""


def parse_number(text: str) -> float:
    """Parse a finite float32 number.

    Raises:
        Problem: ``text`` is not such a number.
    """
    if not text.strip():
        raise Problem("A value is empty. Write a number, such as 0.25.")
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if abs(value) > MAX_FLOAT32 and "inf" not in text.lower():
        raise Problem(
            "“{text}” is too large for float32. Write numbers between −{most:.2g} and {most:.2g}.",
            text=shorten(text),
            most=MAX_FLOAT32,
        )
    if not math.isfinite(value):
        raise Problem("“{text}” is not a finite number. Write numbers as in 0.1, 0.25, 0.4.", text=shorten(text))
    return value


def parse_rows(rows: Sequence[Sequence[str]], numbers: Sequence[int] | None = None) -> np.ndarray:
    """Parse the values of a CSV whose rows have one length, and return them, (rows, columns) float32.

    Args:
        rows: of texts.
        numbers: of the rows, as a spreadsheet counts them; if None, they count from 1.

    Raises:
        Problem: a value is missing or not a finite number; the sentence names its row and column.
    """
    parsed = []
    for index, row in enumerate(rows):
        number = numbers[index] if numbers else index + 1
        for column, value in enumerate(row, start=1):
            if value.strip().lower() in MISSING:
                raise Problem(
                    "The value in row {row}, column {column} of the CSV is missing. Fill in all values.",
                    row=number,
                    column=column,
                )
            try:
                parsed.append(parse_number(value.strip()))
            except Problem as problem:
                raise Problem(
                    "In row {row}, column {column} of the CSV: {problem}", row=number, column=column, problem=problem
                ) from problem
    return np.array(parsed, dtype=np.float32).reshape(len(rows), -1)


def shorten(text: str) -> str:
    """Return at most ``MAX_QUOTED`` printable characters of ``text``, to quote in a sentence."""
    text = "".join(symbol if symbol.isprintable() else "\ufffd" for symbol in text[: MAX_QUOTED + 1])
    return text if len(text) <= MAX_QUOTED else text[: MAX_QUOTED - 1] + "…"


def check_row_lengths(rows: Sequence[Sequence[object]], numbers: Sequence[int] | None = None) -> None:
    """Check that all rows of a CSV are as long as the first.

    Args:
        rows: of values.
        numbers: of the rows, as a spreadsheet counts them; if None, they count from 1.

    Raises:
        Problem: one is longer or shorter.
    """
    for index, row in enumerate(rows):
        if len(row) != len(rows[0]):
            raise Problem(
                (
                    "The number of values is {count} in row {row} of the CSV, but {first} in the first row. "
                    "Make all rows the same length."
                ),
                row=numbers[index] if numbers else index + 1,
                count=len(row),
                first=len(rows[0]),
            )
