"""The view of a dates network that is worth seeing first, found by looking at the trained units and heads."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from models.capturing.capture import capture
from models.zoo.dates_alignment import alignment
from models.zoo.dates_measures import as_in_training, ids_of
from models.zoo.written_dates import TARGETS

TEXT = "우리는 2024년 8월 4일 일요일에 만나요"
PARTS = np.array([0] * 5 + [1] * 3 + [2] * 3)
"""What each step of an answer of one date writes: the year and its hyphen, the month and its hyphen, the day and the end."""
DATES = 300


def start(module: nn.Module) -> dict[str, Any]:
    """What to see first: a unit of the decoder; of a Transformer, which has none, a head."""
    return unit_to_see(module) if hasattr(module.decoder, "hidden_size") else head_to_see(module)


def head_to_see(module: nn.Module) -> dict[str, Any]:
    """The head that looks most at the year while the year is written."""
    masses = alignment(module, as_in_training(DATES, 3, interval=False))["attention_on_year"]
    best = max(masses, key=masses.__getitem__)
    layer, head = (int(each.split()[1]) for each in best.split(", "))
    why = (
        f"While the year is output, {masses[best]:.1%} of the cross-attention weight of head {head} in decoder layer {layer} "
        f"falls on the characters of the year, the most of all heads (over {DATES} held-out dates).",
        f"연도를 출력하는 동안 디코더 {layer}번 층 {head}번 헤드의 크로스 어텐션 가중치는 {masses[best]:.1%}가 연도 글자에 "
        f"모여요. 모든 헤드 중 가장 큰 값이에요(테스트 날짜 {DATES}개로 측정).",
    )
    return {
        "text": TEXT,
        "layer": f"decoder.layers.{layer}.multihead_attn",
        "unit": head,
        "step": 0,
        "quantity": "attention_weight",
        "why": {"en": why[0], "ko": why[1]},
    }


def unit_to_see(module: nn.Module) -> dict[str, Any]:
    """The decoder's unit that tells best what is being written: eta squared of its hidden state, parts as groups."""
    values, parts = [], []
    for each in as_in_training(DATES, 3, interval=False):
        read = torch.tensor([[0, *(TARGETS.index(symbol) for symbol in each.answer)]])
        with torch.inference_mode(), capture(module) as trace:
            module(ids_of(each.text), read)
        values.append(trace.layers["decoder.l0"].hidden[0])
        parts.append(PARTS)
    states, group = np.concatenate(values), np.concatenate(parts)
    means = np.stack([states[group == part].mean(0) for part in group])
    told = means.var(0) / np.maximum(states.var(0), 1e-6)
    unit = int(told.argmax())
    with torch.inference_mode(), capture(module) as trace:
        module(ids_of(TEXT))
    moved = np.abs(np.diff(trace.layers["decoder.l0"].hidden[0, :, unit]))
    why = (
        f"Of all decoder units, unit {unit} best separates which part is being output: year, month or day. The part "
        f"explains {told[unit]:.1%} of the variance of its hidden state over {DATES} held-out dates. It changes most at this "
        "time step.",
        f"디코더의 유닛 중 유닛 {unit}의 은닉 상태가 지금 출력하는 부분(연도, 월, 일)을 가장 잘 구별해요. 테스트 날짜 "
        f"{DATES}개에서 은닉 상태의 분산 중 {told[unit]:.1%}가 어느 부분인지로 설명돼요. 이 시점에서 가장 크게 변해요.",
    )
    return {
        "text": TEXT,
        "layer": "decoder.l0",
        "unit": unit,
        "step": int(moved.argmax()) + 1,
        "quantity": "hidden",
        "why": {"en": why[0], "ko": why[1]},
    }
