"""``dates-fixed``, ``dates-dot``, ``dates-general``, ``dates-additive``, ``dates-transformer``: dates to ISO 8601.

Character-level translation of dates in English and Korean text. The four recurrent networks have the same size, training
budget and texts; they differ only in their attention.
"""

from __future__ import annotations

from functools import cache, partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.architectures.translator import END, PADDING, START
from models.core.tokenize_text import UNKNOWN
from models.zoo.dates_measures import measure
from models.zoo.dates_start import dates_default_view
from models.zoo.recipe import Recipe
from models.zoo.training import fit
from models.zoo.written_dates import TARGETS, YEARS, DateText, sample_date_text, vocabulary

BATCH = 64
BATCHES_PER_POOL = 16
"""Batches that are sampled together and sorted by length, so that texts of similar length share a batch."""
LENGTHS = (8, 70)
"""The range of the requested text length in training, in characters; some forms of dates are longer."""
INTERVAL_SHARE = 0.35
"""Share of the texts with a date range instead of a date."""
UNKNOWN_SHARE = 0.03
"""Share of the characters around the dates that are replaced with the unknown symbol in training."""
SCRAMBLED_SHARE = 0.25
"""Share of the texts in which half of the characters around the dates are random letters, for robustness to new words."""
PROTECTED_MARGIN = 3
"""Characters next to a date that are never replaced: a Korean date ends in them, and another numeral would change it."""
MAX_TARGET_STEPS = 24
"""The maximum number of steps of a target: a date range has 21 symbols and the end symbol."""
EXAMPLES = (
    ("en", "4 Aug 2024"),
    ("ko", "2024년 8월 4일 일요일"),
    ("en", "the fourth of August, 2024"),
    ("ko", "이천이십사년 팔월 사일"),
    ("en", "Please remember: let us meet on Sunday, August 4th, 2024 at the station"),
    ("ko", "우리는 2024년 8월 4일 일요일에 만나요"),
    ("en", "The shop opens from 10 March 2030 to 20 April 2031"),
    ("ko", "박물관은 2030년 3월 10일부터 2031년 4월 20일까지 닫았어요"),
)
"""Example texts, with their language."""


@cache
def _ids() -> tuple[dict[str, int], dict[str, int]]:
    source, target = ({symbol: index for index, symbol in enumerate(each)} for each in (vocabulary(), TARGETS))
    return source, target


def encode_dates(texts: list[DateText]) -> tuple[Tensor, Tensor]:
    """Return padded ids of the texts (B, Ts), and of the answers with start and end (B, Tt + 1), padded with end symbols."""
    source, target = _ids()
    longest = max(len(each.text) for each in texts)
    sources = [[source[c] for c in each.text] + [PADDING] * (longest - len(each.text)) for each in texts]
    longest = max(len(each.answer) for each in texts)
    targets = [[START, *(target[c] for c in each.answer), *[END] * (longest + 1 - len(each.answer))] for each in texts]
    return torch.tensor(sources), torch.tensor(targets)


def corrupt_context(ids: Tensor, texts: list[DateText], random: np.random.Generator) -> Tensor:
    """Return ``ids`` (B, Ts) with some characters around the dates replaced at random; the dates stay unchanged."""
    letters = [at for at, symbol in enumerate(vocabulary()) if symbol.isalpha()]
    draw = random.random(ids.shape)
    scrambled = np.broadcast_to(random.random((len(texts), 1)) < SCRAMBLED_SHARE, ids.shape) & (draw > 0.5)
    around = np.zeros(ids.shape, dtype=bool)
    for row, each in enumerate(texts):
        first, last = min(first for first, _ in each.parts.values()), max(last for _, last in each.parts.values())
        around[row, : max(0, first - PROTECTED_MARGIN)] = True
        around[row, last + PROTECTED_MARGIN : len(each.text)] = True
    other = torch.from_numpy(random.choice(letters, ids.shape))
    ids = torch.where(torch.from_numpy(scrambled & around), other, ids)
    return ids.masked_fill(torch.from_numpy((draw < UNKNOWN_SHARE) & around), vocabulary().index(UNKNOWN))


def train(module: nn.Module, steps: int, seed: int, rate: float) -> float:
    """Train on new texts with teacher forcing (Williams and Zipser 1989). Returns seconds."""
    random = np.random.default_rng(seed)
    batches: list[list[DateText]] = []

    def sample() -> DateText:
        length = int(random.integers(LENGTHS[0], LENGTHS[1] + 1))
        return sample_date_text(random, length, interval=bool(random.random() < INTERVAL_SHARE))

    def loss_at(step: int) -> Tensor:
        if not batches:
            pool = sorted((sample() for _ in range(BATCHES_PER_POOL * BATCH)), key=lambda each: len(each.text))
            order = random.permutation(BATCHES_PER_POOL)
            batches.extend(pool[at * BATCH : (at + 1) * BATCH] for at in order)
        texts = batches.pop()
        ids, answers = encode_dates(texts)
        inputs, targets = answers[:, :-1], answers[:, 1:]
        logits = module(corrupt_context(ids, texts, random), inputs)
        return F.cross_entropy(logits[inputs != END], targets[inputs != END])

    return fit(module, loss_at, steps, rate=rate)


TASK = {
    "en": "Outputs the date or date range in an English or Korean text in ISO 8601 format, character by character. {how}",
    "ko": "영어나 한국어 텍스트에 나오는 날짜나 기간을 ISO 8601 형식으로 한 글자씩 출력해요. {how}",
}
VARIANTS: dict[str, dict[str, tuple[str, str]]] = {
    "fixed": {
        "en": (
            "fixed context",
            "The decoder receives the whole text as one context vector, the same at every time step.",
        ),
        "ko": ("고정 컨텍스트", "디코더는 텍스트 전체를 모든 시점에서 똑같은 컨텍스트 벡터 하나로만 받아요."),
    },
    "dot": {
        "en": (
            "dot attention, Luong",
            "At each time step the decoder attends to the input text. Attention score (Luong, dot): sᵀh.",
        ),
        "ko": ("내적 어텐션, 루옹", "디코더가 시점마다 입력 텍스트를 참조해요. 어텐션 점수(루옹, dot): sᵀh."),
    },
    "general": {
        "en": (
            "general attention, Luong",
            "At each time step the decoder attends to the input text. Attention score (Luong, general): sᵀWh.",
        ),
        "ko": ("general 어텐션, 루옹", "디코더가 시점마다 입력 텍스트를 참조해요. 어텐션 점수(루옹, general): sᵀWh."),
    },
    "additive": {
        "en": (
            "additive attention, Bahdanau",
            "At each time step the decoder attends to the input text. Attention score "
            "(Bahdanau): vᵀ tanh(W_q s + W_k h); the rest is as in Luong: the query s is the current "
            "decoder state, without input feeding.",
        ),
        "ko": (
            "덧셈 어텐션, 바다나우",
            "디코더가 시점마다 입력 텍스트를 참조해요. 어텐션 점수(바다나우): vᵀ tanh(W_q s + W_k h). "
            "나머지는 루옹 방식이에요. 쿼리 s가 현재 디코더 상태이고 입력 피딩이 없어요.",
        ),
    },
    "transformer": {
        "en": (
            "Transformer",
            "No recurrence: self-attention in the encoder, masked self-attention and cross-attention in the decoder.",
        ),
        "ko": (
            "트랜스포머",
            "순환이 없어요. 인코더는 셀프 어텐션을, 디코더는 마스크드 셀프 어텐션과 크로스 어텐션을 써요.",
        ),
    },
}


def _capitalized(text: str) -> str:
    return text[:1].upper() + text[1:]


def recipe(kind: str, architecture: dict[str, Any], steps: int, rate: float) -> Recipe:
    """Return the recipe of the network with one ``kind`` of attention."""
    return Recipe(
        title={
            "en": f"{_capitalized(VARIANTS[kind]['en'][0])}: dates",  # the distinguishing part first: a menu cuts off the end
            "ko": f"{_capitalized(VARIANTS[kind]['ko'][0])}: 날짜",
        },
        task={language: TASK[language].format(how=VARIANTS[kind][language][1]) for language in ("en", "ko")},
        kind="characters",
        scored="all",
        architecture=architecture
        | {"symbols": len(vocabulary()), "targets": len(TARGETS), "longest": MAX_TARGET_STEPS},
        data={
            "source": "made from the templates in models/zoo/written_dates.py",
            "licence": "the project's own",
            "split": f"by date: a tenth of the days of {YEARS[0]} to {YEARS[1]}, chosen by the CRC-32 of the ISO form, is "
            "never seen in training",
        },
        settings={
            "batch": BATCH,
            "optimizer": f"Adam, cosine, rate {rate}, clip 1.0",
            "lengths": f"{LENGTHS[0]} to {LENGTHS[1]} characters asked for",
            "intervals": INTERVAL_SHARE,
            "unknown_characters": UNKNOWN_SHARE,
            "scrambled": SCRAMBLED_SHARE,
        },
        examples=tuple({"text": text, "language": language} for language, text in EXAMPLES),
        steps=steps,
        train=partial(train, rate=rate),
        measure=measure,
        default_view=dates_default_view,
        predicts="sequence",
        vocabulary=vocabulary(),
        target_vocabulary=TARGETS,
        unknown=UNKNOWN,
    )


RECIPES = {
    f"dates-{kind}": recipe(
        kind,
        {"class": "Translator", "score": None if kind == "fixed" else kind, "hidden": 32, "embedding": 24},
        steps=5000,
        rate=5e-3,
    )
    for kind in ("fixed", "dot", "general", "additive")
} | {
    "dates-transformer": recipe(
        "transformer",
        {"class": "TransformerTranslator", "embedding": 64, "heads": 4, "layers": 2, "hidden": 128},
        steps=8000,
        rate=2e-3,
    )
}
