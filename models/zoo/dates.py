"""``dates-fixed``, ``dates-dot``, ``dates-general``, ``dates-additive``, ``dates-transformer``: a date to ISO 8601.

Character by character, from what people write in English and Korean. The four recurrent ones have one size, one budget and
the same texts; they differ in nothing but how the decoder gets at what the encoder read.
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
from models.zoo.dates_start import start
from models.zoo.recipe import Recipe
from models.zoo.training import fit
from models.zoo.written_dates import TARGETS, YEARS, Written, vocabulary, written

BATCH = 64
POOL = 16
"""Batches that are made together, so that texts of similar length meet in one."""
LENGTHS = (8, 70)
"""Characters that training asks the grammar for; some forms are longer by themselves."""
INTERVALS = 0.35
"""Share of the texts that say an interval."""
UNKNOWN_CHARACTERS = 0.03
"""Share of the characters around the dates that training shows as the unknown symbol."""
SCRAMBLED = 0.25
"""Share of the texts in which half of the characters around the dates are any letters, so that no new word does harm."""
BESIDE = 3
"""So many characters beside a date are never disturbed: a Korean day ends in them, and another numeral would change it."""
LONGEST = 24
"""The most steps of an answer: an interval has 21 and its end."""
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
"""Texts to pick."""


@cache
def _ids() -> tuple[dict[str, int], dict[str, int]]:
    source, target = ({symbol: index for index, symbol in enumerate(each)} for each in (vocabulary(), TARGETS))
    return source, target


def batch(of: list[Written]) -> tuple[Tensor, Tensor]:
    """Ids of the texts (B, Ts), filled up, and of the answers with their start and end (B, Tt + 1), filled up with ends."""
    source, target = _ids()
    longest = max(len(each.text) for each in of)
    texts = [[source[c] for c in each.text] + [PADDING] * (longest - len(each.text)) for each in of]
    most = max(len(each.answer) for each in of)
    answers = [[START, *(target[c] for c in each.answer), *[END] * (most + 1 - len(each.answer))] for each in of]
    return torch.tensor(texts), torch.tensor(answers)


def disturbed(ids: Tensor, of: list[Written], random: np.random.Generator) -> Tensor:
    """``ids`` (B, Ts) of texts with characters around the dates that no template has; the dates stay as they are."""
    letters = [at for at, symbol in enumerate(vocabulary()) if symbol.isalpha()]
    draw = random.random(ids.shape)
    scrambled = np.broadcast_to(random.random((len(of), 1)) < SCRAMBLED, ids.shape) & (draw > 0.5)
    around = np.zeros(ids.shape, dtype=bool)
    for row, each in enumerate(of):
        first, last = min(first for first, _ in each.parts.values()), max(last for _, last in each.parts.values())
        around[row, : max(0, first - BESIDE)] = True
        around[row, last + BESIDE : len(each.text)] = True
    other = torch.from_numpy(random.choice(letters, ids.shape))
    ids = torch.where(torch.from_numpy(scrambled & around), other, ids)
    return ids.masked_fill(torch.from_numpy((draw < UNKNOWN_CHARACTERS) & around), vocabulary().index(UNKNOWN))


def train(module: nn.Module, steps: int, seed: int, rate: float) -> float:
    """Train on fresh texts with the right symbols so far to read (teacher forcing, Williams and Zipser 1989)."""
    random = np.random.default_rng(seed)
    waiting: list[list[Written]] = []

    def fresh() -> Written:
        length = int(random.integers(LENGTHS[0], LENGTHS[1] + 1))
        return written(random, length, interval=bool(random.random() < INTERVALS))

    def loss_at(step: int) -> Tensor:
        if not waiting:
            pool = sorted((fresh() for _ in range(POOL * BATCH)), key=lambda each: len(each.text))
            order = random.permutation(POOL)
            waiting.extend(pool[at * BATCH : (at + 1) * BATCH] for at in order)
        of = waiting.pop()
        ids, answers = batch(of)
        read, asked = answers[:, :-1], answers[:, 1:]
        logits = module(disturbed(ids, of, random), read)
        return F.cross_entropy(logits[read != END], asked[read != END])

    return fit(module, loss_at, steps, rate=rate)


TASK = {
    "en": "Outputs the date or date range in an English or Korean text in ISO 8601 format, character by character. {how}",
    "ko": "영어나 한국어 텍스트에 나오는 날짜나 기간을 ISO 8601 형식으로 한 글자씩 출력해요. {how}",
}
HOW: dict[str, dict[str, tuple[str, str]]] = {
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
            "(Bahdanau): vᵀ tanh(Ws + Uh); the rest is as in Luong: the query s is the current "
            "decoder state, without input feeding.",
        ),
        "ko": (
            "덧셈 어텐션, 바다나우",
            "디코더가 시점마다 입력 텍스트를 참조해요. 어텐션 점수(바다나우): vᵀ tanh(Ws + Uh). "
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


def recipe(kind: str, architecture: dict[str, Any], steps: int, rate: float) -> Recipe:
    """The network of one ``kind``."""
    return Recipe(
        title={
            "en": f"Dates ({HOW[kind]['en'][0]})",
            "ko": f"날짜 ({HOW[kind]['ko'][0]})",
        },
        task={language: TASK[language].format(how=HOW[kind][language][1]) for language in ("en", "ko")},
        kind="characters",
        scored="all",
        architecture=architecture | {"symbols": len(vocabulary()), "targets": len(TARGETS), "longest": LONGEST},
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
            "intervals": INTERVALS,
            "unknown_characters": UNKNOWN_CHARACTERS,
            "scrambled": SCRAMBLED,
        },
        examples=tuple({"text": text, "language": language} for language, text in EXAMPLES),
        steps=steps,
        train=partial(train, rate=rate),
        measure=measure,
        start=start,
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
