"""``recall-rnn``, ``recall-lstm``, ``recall-gru``: predict at the end of a text the city that it began with.

"Moscow greets me . the train was late and ... in ___": the same size, training budget and texts for
three cells, in English and Korean. Some of the clauses in between name another city as a distractor.
"""

from functools import cache
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.architectures.language_model import LanguageModel, init_forget_bias
from models.capturing.capture import capture
from models.core.tokenize_text import UNKNOWN
from models.zoo.recipe import Recipe
from models.zoo.training import fit

Language = Literal["en", "ko"]

CITIES: dict[Language, tuple[str, ...]] = {
    "en": (
        "Moscow", "Seoul", "Paris", "London", "Tokyo", "Berlin", "Rome", "Madrid",
        "Cairo", "Lima", "Busan", "Vienna", "Oslo", "Delhi", "Athens", "Prague",
    ),
    "ko": (
        "모스크바", "서울", "파리", "런던", "도쿄", "베를린", "로마", "마드리드",
        "카이로", "리마", "부산", "빈", "오슬로", "델리", "아테네", "프라하",
    ),
}  # fmt: skip
"""The words to remember, in the same order in both languages."""

OPENINGS: dict[Language, tuple[str, ...]] = {
    "en": ("{city} greets me .", "{city} is new to me .", "{city} was my plan .", "{city} again .", "{city} ,"),
    "ko": ("{city} 에 왔어요 .", "{city} 은/는 처음이에요 .", "{city} 이/가 좋아요 .", "{city} 도착 .", "{city} ,"),
}
"""Openings of a text: the city is the first word."""

CLOSINGS: dict[Language, str] = {"en": "I am travelling in", "ko": "제가 여행하는 도시 는"}
"""The end of a text: the city is the next word."""

PARTICLES = ("에서", "에", "은", "는", "이", "가", "을", "를")
"""Korean particles, which are separate tokens. ``은/는`` in a template becomes the form that the word before takes."""

CLAUSES: dict[Language, tuple[str, ...]] = {
    "en": (
        "it rained .",
        "I was {mood} .",
        "the {thing} was {state} .",
        "we looked for the {thing} .",
        "my {person} was {mood} that {time} .",
        "the {thing} was {state} and we waited .",
        "in the {time} I saw the {thing} .",
        "my {person} read a book about the {thing} .",
        "the {thing} near the station was {state} .",
        "my {person} called me from {city} .",
        "a letter from {city} was on the table .",
    ),
    "ko": (
        "비가 왔어요 .",
        "저는 {mood} .",
        "{thing} 이/가 {state} .",
        "우리는 {thing} 을/를 찾았어요 .",
        "그 날 {time} 에 {person} 은/는 {mood} .",
        "{thing} 이/가 {state} . 그래서 우리는 기다렸어요 .",
        "{time} 에 저는 {thing} 을/를 보았어요 .",
        "{person} 은/는 {thing} 을/를 아주 오래 보았어요 .",
        "역 앞에 있는 {thing} 이/가 {state} .",
        "{person} 이/가 {city} 에서 전화했어요 .",
        "{city} 에서 온 편지를 {time} 에 읽었어요 .",
    ),
}
"""Clauses in between, in tokens separated by single spaces; the last two name a city that is not the answer."""

SLOTS: dict[Language, dict[str, tuple[str, ...]]] = {
    "en": {
        "thing": ("train", "coffee", "museum", "bridge", "ticket", "market", "umbrella", "map", "soup", "camera"),
        "state": ("late", "old", "small", "closed", "beautiful", "cold", "far", "empty"),
        "mood": ("tired", "happy", "hungry", "quiet", "busy", "sick"),
        "person": ("brother", "sister", "friend", "teacher", "father", "mother"),
        "time": ("morning", "evening", "night", "afternoon"),
    },
    "ko": {
        "thing": ("기차", "커피", "다리", "지도", "카메라", "열쇠", "버스", "모자", "시계", "의자"),
        "state": (
            "늦었어요",
            "오래되었어요",
            "작았어요",
            "멋졌어요",
            "차가웠어요",
            "멀었어요",
            "조용했어요",
            "비쌌어요",
        ),
        "mood": ("피곤했어요", "행복했어요", "배고팠어요", "바빴어요", "아팠어요", "졸렸어요"),
        "person": ("언니", "누나", "친구", "어머니", "아버지", "할머니"),
        "time": ("아침", "저녁", "밤", "오후"),
    },
}

HIDDEN = 64
EMBEDDING = 32
BATCH = 64
LEARNING_RATE = 2e-3
MAX_DISTANCE = 64
DISTANCE_BUCKETS = ((5, 10), (11, 20), (21, 30), (31, 40), (41, 50), (51, 60))
NEXT_WORD_WEIGHT = 0.1
EXAMPLES: tuple[tuple[int, Language, int], ...] = (
    (24, "en", 49),
    (24, "ko", 94),
    (12, "en", 34),
    (12, "ko", 44),
    (40, "en", 69),
    (40, "ko", 42),
)
"""Distance, language and seed of the example texts."""


@cache
def vocabulary() -> tuple[str, ...]:
    """Return the unknown symbol, the cities, the particles and every word of the templates."""
    words: dict[str, None] = {}
    for language in ("en", "ko"):
        templates = (*OPENINGS[language], *CLAUSES[language], CLOSINGS[language])
        words |= dict.fromkeys(CITIES[language])
        words |= dict.fromkeys(
            word for each in templates for word in each.split() if word[0] != "{" and "/" not in word
        )
        words |= dict.fromkeys(word for each in SLOTS[language].values() for word in each)
    return (UNKNOWN, *dict.fromkeys([*words, *PARTICLES]))


def sample_text(random: np.random.Generator, distance: int, language: Language) -> tuple[list[str], str]:
    """Sample a text of ``distance`` tokens after its first one, and return it with the city to predict.

    Raises:
        ValueError: the distance is too short (the shortest texts have 5 tokens after the city).
    """
    closing = CLOSINGS[language].split()
    city = str(random.choice(CITIES[language]))
    openings = [each.split() for each in OPENINGS[language]]
    clauses = [each.split() for each in CLAUSES[language]]
    room = distance + 1 - len(closing)
    fits = _fillable(tuple(sorted({len(clause) for clause in clauses})), MAX_DISTANCE + 100)
    openings = [each for each in openings if len(each) <= room and fits[room - len(each)]]
    if not openings:
        raise ValueError(f"No text has {distance} tokens after its first.")
    tokens = list(openings[random.integers(len(openings))])
    while len(tokens) < room:
        left = room - len(tokens)
        choice = [clause for clause in clauses if len(clause) <= left and fits[left - len(clause)]]
        tokens += choice[random.integers(len(choice))]
    words = [city]
    for token in tokens[1:]:
        words.append(_fill_token(random, token, language, city, words[-1]))
    return words + closing, city


def _fill_token(random: np.random.Generator, token: str, language: Language, city: str, before: str) -> str:
    """Return the word for ``token`` of a template after the word ``before``; ``{city}`` never becomes ``city``."""
    if token.startswith("{"):
        words = SLOTS[language].get(token[1:-1]) or tuple(c for c in CITIES[language] if c != city)
        return words[random.integers(len(words))]
    if "/" in token:
        # Hangul syllables are encoded in blocks of 28 by their final consonant, 0 for none
        return token.split("/")[0 if (ord(before[-1]) - 0xAC00) % 28 else 1]
    return token


@cache
def _fillable(lengths: tuple[int, ...], most: int) -> tuple[bool, ...]:
    """Return whether pieces of ``lengths`` can fill exactly 0, 1 .. ``most`` positions."""
    fits = [True]
    for room in range(1, most + 1):
        fits.append(any(length <= room and fits[room - length] for length in lengths))
    return tuple(fits)


@cache
def _ids() -> dict[str, int]:
    return {word: index for index, word in enumerate(vocabulary())}


def sample_recall_batch(
    random: np.random.Generator, distance: int, size: int = BATCH, language: Language | None = None
) -> Tensor:
    """Sample ids (size, distance + 2) of texts of one distance, in one language or both, with the answer as last token."""
    rows = []
    for _ in range(size):
        tokens, city = sample_text(random, distance, language or ("en" if random.random() < 0.5 else "ko"))
        rows.append([_ids()[token] for token in (*tokens, city)])
    return torch.tensor(rows)


def train(module: LanguageModel, steps: int, seed: int) -> float:
    """Train on new texts, mostly short ones. Returns seconds.

    The maximum distance is 10 for half of the steps, grows to ``MAX_DISTANCE`` over a quarter and then stays there. With
    long texts from the start the RNN does not learn: it stays at chance level even at distance 5.
    """
    init_forget_bias(module)
    random = np.random.default_rng(seed)

    def loss_at(step: int) -> Tensor:
        longest = round(10 + (MAX_DISTANCE - 10) * min(1.0, max(0.0, 4 * step / steps - 2)))
        ids = sample_recall_batch(random, 5 + int((longest - 4) * random.random() ** 3))
        logits = module(ids[:, :-1])
        answer = F.cross_entropy(logits[:, -1], ids[:, -1])
        return answer + NEXT_WORD_WEIGHT * F.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:-1].flatten())

    return fit(module, loss_at, steps, rate=LEARNING_RATE)


def recall_accuracy(module: nn.Module, distance: int, count: int, seed: int) -> float:
    """Return the share of ``count`` new texts for which the most probable last word is the city that they began with."""
    ids = sample_recall_batch(np.random.default_rng((seed, distance)), distance, count)
    with torch.no_grad():
        best = module(ids[:, :-1])[:, -1].argmax(-1)
    return float((best == ids[:, -1]).float().mean())


def measure(module: nn.Module) -> dict[str, Any]:
    """Measure accuracy by the number of tokens after the city, on texts with seeds not used in training."""
    at = {distance: recall_accuracy(module, distance, 200, seed=1) for distance in range(5, 101)}
    buckets = {f"{low}-{high}": float(np.mean([at[d] for d in range(low, high + 1)])) for low, high in DISTANCE_BUCKETS}
    return {
        "guessing": 1 / len(CITIES["en"]),
        "accuracy_by_distance": {key: round(value, 4) for key, value in buckets.items()},
        "accuracy_beyond_training": {"65-100": round(float(np.mean([at[d] for d in range(65, 101)])), 4)},
        "accuracy_at_40": round(recall_accuracy(module, 40, 1000, seed=2), 4),
        "texts_per_distance": 200,
    }


def readable_recall_text(distance: int, language: Language, seed: int) -> str:
    """Return a text of the grammar in normal spelling: particles and punctuation joined to the word before, capitals."""
    tokens, _ = sample_text(np.random.default_rng(seed), distance, language)
    text = tokens[0]
    for before, token in pairwise(tokens):
        joined = token in (".", ",") or (token in PARTICLES and before not in (".", ","))
        word = token[0].upper() + token[1:] if before == "." else token
        text += word if joined else f" {word}"
    return text


def recall_default_view(module: LanguageModel) -> dict[str, Any]:
    """Return a view of the unit that keeps the city best, by eta squared of its value after 40 tokens, grouped by city."""
    ids = sample_recall_batch(np.random.default_rng(3), 40, 1000)
    with torch.no_grad(), capture(module) as trace:
        module(ids[:, :-1])
    quantity = "cell" if isinstance(module.rnn, nn.LSTM) else "hidden"
    values = trace.layers["rnn.l0"][quantity][:, -1].copy()
    city = ids[:, 0].numpy()
    korean = city > len(CITIES["en"])
    for language in (korean, ~korean):
        # the last words reveal the language: subtract its mean so that only the city within a language counts
        values[language] -= values[language].mean(0)
    means = np.stack([values[city == each].mean(0) for each in city])
    # a unit that is saturated in every text has no variance to explain
    eta_squared = means.var(0) / np.maximum(values.var(0), 1e-6)
    unit = int(eta_squared.argmax())
    text = readable_recall_text(*EXAMPLES[0])
    name = {"cell": ("cell state", "셀 상태"), "hidden": ("hidden state", "은닉 상태")}[quantity]
    share = f"{eta_squared[unit]:.1%}"
    share_text = ("more than 99.9%", "99.9% 넘게") if share == "100.0%" else (share, f"{share}가")
    why = (
        f"Of all units, unit {unit} keeps the most information about the first word 40 words later: there the city explains "
        f"{share_text[0]} of the variance of its {name[0]} within a language, over 1000 texts. "
        "How much of it remains from the first word to here?",
        f"모든 유닛 중 유닛 {unit}의 {name[1]}에 40단어 뒤까지 첫 단어의 정보가 가장 많이 남아요. "
        f"텍스트 1000개에서 언어별로 잰 분산 중 {share_text[1]} 도시로 설명돼요. "
        "첫 단어부터 여기까지 얼마나 남는지 보세요.",
    )
    return {
        "text": text,
        "layer": "rnn.l0",
        "unit": unit,
        "step": 24,
        "quantity": quantity,
        "why": {"en": why[0], "ko": why[1]},
    }


def recipe(cell: Literal["RNN", "LSTM", "GRU"]) -> Recipe:
    """Return the recipe of the network with ``cell``; the three differ only in the cell."""
    return Recipe(
        title={"en": f"{cell}: recall the city", "ko": f"{cell}: 도시 기억하기"},
        task={
            "en": "Predicts, at the end of an English or Korean text, the city that was its first word: a long-term "
            f"dependency. Its vocabulary has only the {len(vocabulary())} words and marks of such texts: a wider one would "
            "need an output for every word.",
            "ko": "영어나 한국어 텍스트의 끝에서 첫 단어였던 도시를 예측해요. 장기 의존성이 필요한 과제예요. "
            f"어휘에는 이런 텍스트의 단어와 기호 {len(vocabulary())}개만 있어요. "
            "어휘가 더 크면 단어마다 출력이 하나씩 더 필요해요.",
        },
        kind="words",
        scored="last",
        architecture={
            "class": "LanguageModel",
            "symbols": len(vocabulary()),
            "cell": cell,
            "hidden": HIDDEN,
            "embedding": EMBEDDING,
        },
        data={
            "source": "made from the templates in models/zoo/recall.py",
            "licence": "the project's own",
            "split": f"trained on texts with 5 to {MAX_DISTANCE} tokens after the city; tested on texts from other seeds",
        },
        settings={
            "batch": BATCH,
            "optimizer": f"Adam, cosine, rate {LEARNING_RATE}, clip 1.0",
            "loss": f"answer + {NEXT_WORD_WEIGHT} x mean over the other next words",
            "curriculum": f"distances 5 to 10 for half of the steps, then up to {MAX_DISTANCE}; short ones most often",
            "initial_forget_gate_bias": 1.0 if cell == "LSTM" else None,
        },
        examples=tuple(
            {"text": readable_recall_text(distance, language, seed), "language": language}
            for distance, language, seed in EXAMPLES
        ),
        steps=5000,
        train=train,
        measure=measure,
        default_view=recall_default_view,
        vocabulary=vocabulary(),
        unknown=UNKNOWN,
        particles=PARTICLES,
        answer_step=0,
    )


RECIPES = {f"recall-{cell.lower()}": recipe(cell) for cell in ("RNN", "LSTM", "GRU")}
