"""The tasks on data of one's own: a text as characters or words, and a CSV of a series."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
import torch

from models.core.messages import Problem
from models.core.parse_numbers import check_row_lengths, parse_rows
from models.core.tokenize_text import UNKNOWN, normalize_whitespace, split_words
from models.training.training_data import TaskData, next_step_sequences, validation_count
from models.training.training_options import TrainingOptions

MAX_CHARACTERS, MAX_WORDS = 1000, 5000
"""Symbols of a vocabulary: the most frequent ones; the others become the unknown symbol."""

MAX_COLUMNS = 64
"""Columns of a series."""


def text_task(options: TrainingOptions) -> TaskData:
    """Return the pieces of one's own text, ``sequence_length`` tokens each; the end of the text is for validation.

    Raises:
        Problem: the text is empty, has a single symbol, or is too short.
    """
    words = options.level == "words"
    text = normalize_whitespace(options.data).strip("\n")
    tokens = re.findall(r"\w+|[^\w\s]", text) if words else list(text)
    counts = Counter(tokens)
    if not counts:
        raise Problem("The text to train on is empty. Paste a text or upload a file.")
    if len(counts) == 1:
        raise Problem(
            "The text to train on has only one symbol, “{symbol}”, so there is nothing to predict. Use a text with more.",
            symbol=tokens[0][:20],
        )
    most = MAX_WORDS if words else MAX_CHARACTERS
    known = [symbol for symbol, _ in counts.most_common(most) if symbol != UNKNOWN]
    vocabulary = (UNKNOWN, *sorted(known))
    ids = {symbol: index for index, symbol in enumerate(vocabulary)}
    if words:
        tokens = split_words(text, vocabulary)  # as the trained network splits its inputs
    stream = torch.tensor([ids.get(token, 0) for token in tokens])
    training, validation = _pieces(stream, options)
    start = tokens[: min(len(tokens), options.sequence_length)]
    joint = " " if words else ""
    probe, prompt = joint.join(start), joint.join(start[:8])
    return TaskData(
        next_step_sequences(training),
        next_step_sequences(validation),
        vocabulary,
        outputs=len(vocabulary),
        predicts="next",
        kind="words" if words else "characters",
        scored="all",
        examples=((probe, None),),
        probe=probe,
        source="the reader's own text",
        prompt=prompt,
        sampled=20 if words else 80,
        unknown=UNKNOWN,
    )


def _pieces(stream: torch.Tensor, options: TrainingOptions) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the pieces of a sequence of steps (S, ...) for training and for validation, (N, T + 1, ...) each.

    A piece begins with the last step of the piece before it, so that every step but the first is a target once.

    Raises:
        Problem: there are fewer than two pieces.
    """
    length = options.sequence_length
    count = (len(stream) - 1) // length
    if count < 2:
        raise Problem(
            "The data have {count} time steps, but sequences of {length} need at least {least}: one to train on and one for "
            "validation. Use shorter sequences or more data.",
            count=len(stream),
            length=length,
            least=2 * length + 1,
        )
    if options.examples:
        count = max(2, min(count, options.examples))
    validated = validation_count(options.validation_share, count)
    pieces = torch.stack([stream[place * length : (place + 1) * length + 1] for place in range(count)])
    return pieces[: count - validated], pieces[count - validated :]


def series_task(options: TrainingOptions) -> TaskData:
    """Return the pieces of one's own series, to predict the values of the next row; the end is for validation.

    The network subtracts the mean of each column over the training rows, and divides by the standard deviation.

    Raises:
        Problem: the CSV has holes, values that are not numbers, too few rows, or the same values in every row to train on.
    """
    values = parse_series(options.data)
    training, validation = _pieces(torch.tensor(values), options)
    rows = training[:, 1:].flatten(0, 1)
    mean, scale = rows.mean(0), rows.std(0, correction=0)
    if not torch.isfinite(scale).all():
        raise Problem("The values of this series are too large for float32. Divide them by a constant.")
    varies = (rows != rows[0]).any(0)
    if not varies.any():
        raise Problem(
            "The values of this series are the same in all rows to train on, so there is nothing to predict. Use a series "
            "that varies."
        )
    scale = torch.where(varies & (scale > 0), scale, torch.ones_like(scale))  # rounding alone can make it > 0
    columns = values.shape[1]
    probe = format_rows(values[: options.sequence_length])
    return TaskData(
        next_step_sequences(training),
        next_step_sequences(validation),
        None,
        outputs=columns,
        predicts="next",
        kind="numbers",
        scored="all",
        examples=((probe, None),),
        probe=probe,
        source="the reader's own series",
        columns=columns,
        mean=tuple(mean.tolist()),
        scale=tuple(scale.tolist()),
    )


def parse_series(text: str) -> np.ndarray:
    """Return the values (S, D) float32 of a CSV, one time step a row, with or without a heading.

    Raises:
        Problem: it is not such a CSV; one sentence names the first row that is wrong, as a spreadsheet counts them.
    """
    lines = text.replace("\ufeff", "").rstrip().splitlines()
    first = next(filter(str.strip, lines), "").strip()
    mark = next((mark for mark in ",;\t" if mark in first), " ")
    try:
        read = list(enumerate(csv.reader(lines, delimiter=mark, skipinitialspace=True), start=1))
    except csv.Error:
        raise Problem(
            "This is not a CSV of numbers. Write one time step per line, with commas between the values."
        ) from None
    filled = [(number, row) for number, row in read if any(map(str.strip, row))]
    numbers, rows = [number for number, _ in filled], [row for _, row in filled]
    if rows and not _numeric(rows[0]):
        heading, rows, numbers = rows[0], rows[1:], numbers[1:]
        if rows and len(rows[0]) != len(heading):
            raise Problem(
                "The heading of the CSV has {count} columns, but the first row has {first}. Make all rows the same length.",
                count=len(heading),
                first=len(rows[0]),
            )
    if not rows:
        raise Problem("The CSV contains no numbers. Write one time step per line, with commas between the values.")
    check_row_lengths(rows, numbers)
    if len(rows[0]) > MAX_COLUMNS:
        raise Problem(
            "The CSV has {count} columns, but at most {most} can be trained on. Leave out some.",
            count=len(rows[0]),
            most=MAX_COLUMNS,
        )
    return parse_rows(rows, numbers)


def _numeric(row: Sequence[str]) -> bool:
    """Return whether a row has a number, so that it is not a heading."""
    for value in row:
        try:
            float(value)
        except ValueError:
            continue
        return True
    return False


def format_rows(values: np.ndarray) -> str:
    """Return values (S, D) as the text of an input of the network."""
    rows = [", ".join(f"{value:g}" for value in row) for row in values]
    return ("; " if values.shape[1] > 1 else ", ").join(rows)
