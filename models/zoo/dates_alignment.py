"""How much attention a dates network gives to the year, the month and the day while it outputs each of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from models.capturing.capture import capture
from models.zoo.written_dates import TARGETS, DateText, vocabulary

PART_STEPS = {"year": (0, 4), "month": (5, 7), "day": (8, 10)}
"""The range of decoder steps at which each part of a date is output; a second date begins eleven steps later."""
SECOND_DATE_OFFSET = 11
SHARP_THRESHOLD = 0.8


def attention_on_parts(module: nn.Module, each: DateText) -> dict[str, dict[str, np.ndarray]]:
    """Return the attention weight on the characters of the part that is being output, with the right answer as input.

    Returns:
        By attention (``"attention"``, or ``"layer 1, head 2"`` counted from 0) and part: (digits), the summed weight at each
        digit of that part, those of a second date after those of the first. Empty for a network without attention.
    """
    ids = torch.tensor([[vocabulary().index(character) for character in each.text]])
    target = torch.tensor([[0, *(TARGETS.index(symbol) for symbol in each.answer)]])  # 0 is the start
    with torch.inference_mode(), capture(module) as trace:
        module(ids, target)
    weights_of = {}
    for name, attention in trace.attention.items():
        if name == "attention":
            weights_of[name] = attention.weights[0, 0]
        elif name.endswith("multihead_attn"):
            layer = name.split(".")[2]
            weights_of |= {f"layer {layer}, head {head}": rows for head, rows in enumerate(attention.weights[0])}
    found: dict[str, dict[str, np.ndarray]] = {name: {} for name in weights_of}
    for (part, which), (first, last) in each.parts.items():
        begin, end = (SECOND_DATE_OFFSET * which + step for step in PART_STEPS[part])
        for name, weights in weights_of.items():
            mass = weights[begin:end, first:last].sum(axis=-1)
            found[name][part] = np.append(found[name].get(part, []), mass)
    return found


def measure_alignment(module: nn.Module, texts: list[DateText]) -> dict[str, Any]:
    """Return the mean of ``attention_on_parts`` over ``texts``, and the share of texts whose year gets more than 0.8."""
    every = [attention_on_parts(module, each) for each in texts]
    found: dict[str, Any] = {}
    for part in PART_STEPS:
        found[f"attention_on_{part}"] = {
            name: round(float(np.mean([mean[name][part].mean() for mean in every])), 4) for name in every[0]
        }
    found["sharp_years"] = {
        name: round(float(np.mean([mean[name]["year"].mean() > SHARP_THRESHOLD for mean in every])), 4)
        for name in every[0]
    }
    return {name: values for name, values in found.items() if values}
