"""The default view of a dates network, chosen by measuring its trained units and heads."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from models.capturing.capture import capture
from models.zoo.dates_alignment import measure_alignment
from models.zoo.dates_measures import encode_date_text, sample_texts_like_training
from models.zoo.written_dates import TARGETS

TEXT = "우리는 2024년 8월 4일 일요일에 만나요"
PART_OF_STEP = np.array([0] * 5 + [1] * 3 + [2] * 3)
"""The part that each decoder step outputs: 0 the year and its hyphen, 1 the month and its hyphen, 2 the day and the end."""
DATE_COUNT = 300


def dates_default_view(module: nn.Module) -> dict[str, Any]:
    """Return the default view: a unit of the recurrent decoder, or a head of a Transformer."""
    return view_of_best_unit(module) if hasattr(module.decoder, "hidden_size") else view_of_best_head(module)


def view_of_best_head(module: nn.Module) -> dict[str, Any]:
    """Return a view of the head with the most attention on the year while the year is output."""
    masses = measure_alignment(module, sample_texts_like_training(DATE_COUNT, 3, interval=False))["attention_on_year"]
    best = max(masses, key=masses.__getitem__)
    layer, head = (int(each.split()[1]) for each in best.split(", "))
    why = (
        f"While the year is output, {masses[best]:.1%} of the cross-attention weight of head {head} in decoder layer {layer} "
        f"falls on the characters of the year, the most of all heads (over {DATE_COUNT} held-out dates).",
        f"연도를 출력하는 동안 디코더 {layer}번 층 {head}번 헤드의 크로스 어텐션 가중치는 {masses[best]:.1%}가 연도 글자에 "
        f"모여요. 모든 헤드 중 가장 큰 값이에요(테스트 날짜 {DATE_COUNT}개로 측정).",
    )
    return {
        "text": TEXT,
        "layer": f"decoder.layers.{layer}.multihead_attn",
        "unit": head,
        "step": 0,
        "quantity": "attention_weight",
        "why": {"en": why[0], "ko": why[1]},
    }


def view_of_best_unit(module: nn.Module) -> dict[str, Any]:
    """Return a view of the decoder unit that best separates the parts being output, by eta squared of its hidden state."""
    values, parts = [], []
    for each in sample_texts_like_training(DATE_COUNT, 3, interval=False):
        target = torch.tensor([[0, *(TARGETS.index(symbol) for symbol in each.answer)]])
        with torch.inference_mode(), capture(module) as trace:
            module(encode_date_text(each.text), target)
        values.append(trace.layers["decoder.l0"].hidden[0])
        parts.append(PART_OF_STEP)
    states, group = np.concatenate(values), np.concatenate(parts)
    means = np.stack([states[group == part].mean(0) for part in group])
    eta_squared = means.var(0) / np.maximum(states.var(0), 1e-6)
    unit = int(eta_squared.argmax())
    with torch.inference_mode(), capture(module) as trace:
        module(encode_date_text(TEXT))
    change = np.abs(np.diff(trace.layers["decoder.l0"].hidden[0, :, unit]))
    share = f"{eta_squared[unit]:.1%}"
    why = (
        f"Of all decoder units, unit {unit} best separates which part is being output: year, month or day. The part "
        f"explains {share} of the variance of its hidden state over {DATE_COUNT} held-out dates. It changes most at this "
        "time step.",
        f"디코더의 유닛 중 유닛 {unit}의 은닉 상태가 지금 출력하는 부분(연도, 월, 일)을 가장 잘 구별해요. 테스트 날짜 "
        f"{DATE_COUNT}개에서 은닉 상태의 분산 중 {share}가 어느 부분인지로 설명돼요. 이 시점에서 가장 크게 변해요.",
    )
    return {
        "text": TEXT,
        "layer": "decoder.l0",
        "unit": unit,
        "step": int(change.argmax()) + 1,
        "quantity": "hidden",
        "why": {"en": why[0], "ko": why[1]},
    }
