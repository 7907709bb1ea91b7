"""How well a network reads dates: by the length of the text, for one date and for an interval, on dates held out."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from models.zoo.dates_alignment import alignment
from models.zoo.written_dates import END, TARGETS, Written, vocabulary, written

ASKED = (8, 70)
"""The lengths that the grammar is asked for, as in training."""
BUCKETS = ((8, 19), (20, 29), (30, 39), (40, 49), (50, 59), (60, 69), (70, 79), (80, 99), (100, 139), (140, 200))
"""Characters of a text, from and to; training has hardly any of 100 and more."""
PER_BUCKET = 200
"""Texts measured in each."""


def ids_of(text: str) -> Tensor:
    """Ids (1, Ts) of a text of the grammar."""
    known = {symbol: index for index, symbol in enumerate(vocabulary())}
    return torch.tensor([[known[character] for character in text]])


def answers(module: nn.Module, texts: Iterable[Written]) -> list[str]:
    """What ``module`` answers to each of ``texts``, in their order."""
    of = list(texts)
    found = [""] * len(of)
    by_length = sorted(range(len(of)), key=lambda at: len(of[at].text))
    for begin in range(0, len(of), 100):
        rows = by_length[begin : begin + 100]
        longest = max(len(of[row].text) for row in rows)
        ids = torch.zeros(len(rows), longest, dtype=torch.int64)  # 0 is the padding
        for at, row in enumerate(rows):
            ids[at, : len(of[row].text)] = ids_of(of[row].text)
        with torch.inference_mode():
            best = module(ids).argmax(-1).tolist()
        for row, symbols in zip(rows, best, strict=True):
            found[row] = "".join(TARGETS[symbol] for symbol in symbols).split(END)[0]
    return found


def exact(module: nn.Module, texts: list[Written]) -> float:
    """Share of ``texts`` that are answered without any mistake."""
    return float(np.mean([said == each.answer for said, each in zip(answers(module, texts), texts, strict=True)]))


def texts_of_length(low: int, high: int, interval: bool, count: int, seed: int) -> list[Written]:
    """``count`` texts of dates held out whose length is from ``low`` to ``high``; fewer where the grammar has hardly any."""
    random = np.random.default_rng((seed, low, high, interval))
    found: list[Written] = []
    for _ in range(40 * count):
        each = written(random, int(random.integers(low, high + 1)), held=True, interval=interval)
        if low <= len(each.text) <= high:
            found.append(each)
        if len(found) == count:
            break
    return found


def as_in_training(count: int, seed: int, interval: bool) -> list[Written]:
    """``count`` texts of the lengths of training, of dates held out."""
    random = np.random.default_rng((seed, interval))
    return [written(random, int(random.integers(ASKED[0], ASKED[1] + 1)), True, interval) for _ in range(count)]


def regular_expression(text: str) -> str:
    """What one line of code finds: the numbers of the text, if they come as year, month and day."""
    found = re.findall(r"(\d{4})\D+(\d{1,2})\D+(\d{1,2})", text)
    return "/".join(f"{year}-{int(month):02}-{int(day):02}" for year, month, day in found)


def found_by_expression(texts: list[Written]) -> float:
    """Share of ``texts`` in which ``regular_expression`` finds the answer."""
    return float(np.mean([regular_expression(each.text) == each.answer for each in texts]))


def measure(module: nn.Module) -> dict[str, Any]:
    """Exact matches on dates held out, by length, and beside them what a regular expression finds."""
    by_length: dict[str, dict[str, float]] = {}
    for name, interval in (("date", False), ("interval", True)):
        by_length[name] = {}
        for low, high in BUCKETS:
            of = texts_of_length(low, high, interval, PER_BUCKET, seed=1)
            if len(of) == PER_BUCKET:
                by_length[name][f"{low}-{high}"] = round(exact(module, of), 4)
    one, two = (as_in_training(1000, 2, interval) for interval in (False, True))
    return {
        "exact_date": round(exact(module, one), 4),
        "exact_interval": round(exact(module, two), 4),
        "exact_date_by_length": by_length["date"],
        "exact_interval_by_length": by_length["interval"],
        "regular_expression_date": round(found_by_expression(one), 4),
        "regular_expression_interval": round(found_by_expression(two), 4),
        "texts_per_length": PER_BUCKET,
    } | alignment(module, one[:300] + two[:150])
