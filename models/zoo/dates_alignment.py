"""Where the attention of a dates network looks while it writes the year, the month and the day."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from models.capturing.capture import capture
from models.zoo.written_dates import TARGETS, Written, vocabulary

STEPS = {"year": (0, 4), "month": (5, 7), "day": (8, 10)}
"""The steps of a date at which each part is written, from and to; a second date begins eleven steps later."""
SECOND = 11
SHARP = 0.8


def masses(module: nn.Module, each: Written) -> dict[str, dict[str, np.ndarray]]:
    """How much of the attention goes to the characters of the part that is being written, if the answer is the right one.

    Returns:
        By attention (``"attention"``, or ``"layer 1, head 2"`` counted from 0) and part: (digits), the mass at each digit of
        that part, those of a second date after those of the first. Nothing of a network without attention.
    """
    ids = torch.tensor([[vocabulary().index(character) for character in each.text]])
    read = torch.tensor([[0, *(TARGETS.index(symbol) for symbol in each.answer)]])  # 0 is the start
    with torch.inference_mode(), capture(module) as trace:
        module(ids, read)
    between = {}
    for name, attention in trace.attention.items():
        if name == "attention":
            between[name] = attention.weights[0, 0]
        elif name.endswith("multihead_attn"):
            layer = name.split(".")[2]
            between |= {f"layer {layer}, head {head}": rows for head, rows in enumerate(attention.weights[0])}
    found: dict[str, dict[str, np.ndarray]] = {name: {} for name in between}
    for (part, which), (first, last) in each.parts.items():
        begin, end = (SECOND * which + step for step in STEPS[part])
        for name, weights in between.items():
            mass = weights[begin:end, first:last].sum(axis=-1)
            found[name][part] = np.append(found[name].get(part, []), mass)
    return found


def alignment(module: nn.Module, texts: list[Written]) -> dict[str, Any]:
    """The mean of ``masses`` over ``texts``, and the share of texts whose year has more than 0.8 on average of its digits."""
    every = [masses(module, each) for each in texts]
    found: dict[str, Any] = {}
    for part in STEPS:
        found[f"attention_on_{part}"] = {
            name: round(float(np.mean([mean[name][part].mean() for mean in every])), 4) for name in every[0]
        }
    found["sharp_years"] = {
        name: round(float(np.mean([mean[name]["year"].mean() > SHARP for mean in every])), 4) for name in every[0]
    }
    return {name: values for name, values in found.items() if values}
