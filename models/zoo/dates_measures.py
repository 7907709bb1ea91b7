"""Accuracy of a dates network on held-out dates: by the length of the text, for a date and for a date range."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from models.zoo.dates_alignment import measure_alignment
from models.zoo.written_dates import END, TARGETS, DateText, sample_date_text, vocabulary

TRAINING_LENGTHS = (8, 70)
"""The range of requested text lengths, as in training."""
LENGTH_BUCKETS = ((8, 19), (20, 29), (30, 39), (40, 49), (50, 59), (60, 69), (70, 79), (80, 99), (100, 139), (140, 200))
"""Ranges of text length in characters; training has hardly any texts of 100 and more."""
TEXTS_PER_BUCKET = 200
"""The number of texts measured per range."""


def encode_date_text(text: str) -> Tensor:
    """Return the ids (1, Ts) of a text of the grammar."""
    known = {symbol: index for index, symbol in enumerate(vocabulary())}
    return torch.tensor([[known[character] for character in text]])


def generate_answers(module: nn.Module, texts: Iterable[DateText]) -> list[str]:
    """Return the greedy outputs of ``module`` for ``texts``, in their order."""
    of = list(texts)
    found = [""] * len(of)
    by_length = sorted(range(len(of)), key=lambda at: len(of[at].text))
    for begin in range(0, len(of), 100):
        rows = by_length[begin : begin + 100]
        longest = max(len(of[row].text) for row in rows)
        ids = torch.zeros(len(rows), longest, dtype=torch.int64)  # 0 is the padding
        for at, row in enumerate(rows):
            ids[at, : len(of[row].text)] = encode_date_text(of[row].text)
        with torch.inference_mode():
            best = module(ids).argmax(-1).tolist()
        for row, symbols in zip(rows, best, strict=True):
            found[row] = "".join(TARGETS[symbol] for symbol in symbols).split(END)[0]
    return found


def exact_match(module: nn.Module, texts: list[DateText]) -> float:
    """Return the share of ``texts`` whose output is entirely correct."""
    return float(
        np.mean([answer == each.answer for answer, each in zip(generate_answers(module, texts), texts, strict=True)])
    )


def sample_texts_of_length(low: int, high: int, interval: bool, count: int, seed: int) -> list[DateText]:
    """Return ``count`` texts of held-out dates with ``low`` to ``high`` characters; fewer if the grammar rarely has any."""
    random = np.random.default_rng((seed, low, high, interval))
    found: list[DateText] = []
    for _ in range(40 * count):
        each = sample_date_text(random, int(random.integers(low, high + 1)), held_out=True, interval=interval)
        if low <= len(each.text) <= high:
            found.append(each)
        if len(found) == count:
            break
    return found


def sample_texts_like_training(count: int, seed: int, interval: bool) -> list[DateText]:
    """Return ``count`` texts of held-out dates, with the lengths of training."""
    random = np.random.default_rng((seed, interval))
    return [
        sample_date_text(random, int(random.integers(TRAINING_LENGTHS[0], TRAINING_LENGTHS[1] + 1)), True, interval)
        for _ in range(count)
    ]


def regex_answer(text: str) -> str:
    """Return the answer of a one-line baseline: the numbers of the text, if they come as year, month and day."""
    found = re.findall(r"(\d{4})\D+(\d{1,2})\D+(\d{1,2})", text)
    return "/".join(f"{year}-{int(month):02}-{int(day):02}" for year, month, day in found)


def regex_accuracy(texts: list[DateText]) -> float:
    """Return the share of ``texts`` in which ``regex_answer`` is correct."""
    return float(np.mean([regex_answer(each.text) == each.answer for each in texts]))


def measure(module: nn.Module) -> dict[str, Any]:
    """Measure exact matches on held-out dates, also by length, and those of a regular expression as the baseline."""
    by_length: dict[str, dict[str, float]] = {}
    for name, interval in (("date", False), ("interval", True)):
        by_length[name] = {}
        for low, high in LENGTH_BUCKETS:
            of = sample_texts_of_length(low, high, interval, TEXTS_PER_BUCKET, seed=1)
            if len(of) == TEXTS_PER_BUCKET:
                by_length[name][f"{low}-{high}"] = round(exact_match(module, of), 4)
    one, two = (sample_texts_like_training(1000, 2, interval) for interval in (False, True))
    return {
        "exact_date": round(exact_match(module, one), 4),
        "exact_interval": round(exact_match(module, two), 4),
        "exact_date_by_length": by_length["date"],
        "exact_interval_by_length": by_length["interval"],
        "regular_expression_date": round(regex_accuracy(one), 4),
        "regular_expression_interval": round(regex_accuracy(two), 4),
        "texts_per_length": TEXTS_PER_BUCKET,
    } | measure_alignment(module, one[:300] + two[:150])
