"""Short reviews in English and Korean, made from templates: one opinion, often negated, among neutral sentences."""

from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Literal

import numpy as np

from models.core.tokenize_text import UNKNOWN

Language = Literal["en", "ko"]
PADDING = "∅"
"""The padding symbol; it can be typed."""

PARTICLES = ("은", "는", "이", "가", "을", "를", "와", "과", "에")
THINGS: dict[Language, tuple[str, ...]] = {
    "en": ("film", "book", "music", "food", "hotel", "story", "service", "play"),
    "ko": ("영화", "책", "음악", "음식", "호텔", "이야기", "서비스", "연극"),
}
PEOPLE: dict[Language, tuple[str, ...]] = {
    "en": ("brother", "sister", "friend", "teacher", "father", "mother"),
    "ko": ("동생", "누나", "친구", "선생님", "아버지", "어머니"),
}
DAYS: dict[Language, tuple[str, ...]] = {
    "en": ("Monday", "Tuesday", "Friday", "Saturday", "Sunday"),
    "ko": ("월요일", "화요일", "금요일", "토요일", "일요일"),
}
ENGLISH: tuple[tuple[str, ...], tuple[str, ...]] = (
    ("bad", "boring", "terrible", "dull", "weak", "awful", "poor", "slow", "noisy", "cold"),
    ("good", "great", "wonderful", "funny", "fresh", "exciting", "moving", "clever", "lovely", "warm"),
)
"""Adjectives by class: negative, positive."""

KOREAN: tuple[tuple[tuple[str, str, str, str], ...], ...] = (
    (
        ("나빴어요", "나빴지만", "나쁘지", "나쁘다고"),
        ("지루했어요", "지루했지만", "지루하지", "지루하다고"),
        ("시끄러웠어요", "시끄러웠지만", "시끄럽지", "시끄럽다고"),
        ("불편했어요", "불편했지만", "불편하지", "불편하다고"),
        ("답답했어요", "답답했지만", "답답하지", "답답하다고"),
        ("어색했어요", "어색했지만", "어색하지", "어색하다고"),
        ("형편없었어요", "형편없었지만", "형편없지", "형편없다고"),
        ("실망스러웠어요", "실망스러웠지만", "실망스럽지", "실망스럽다고"),
    ),
    (
        ("좋았어요", "좋았지만", "좋지", "좋다고"),
        ("재미있었어요", "재미있었지만", "재미있지", "재미있다고"),
        ("훌륭했어요", "훌륭했지만", "훌륭하지", "훌륭하다고"),
        ("멋졌어요", "멋졌지만", "멋지지", "멋지다고"),
        ("따뜻했어요", "따뜻했지만", "따뜻하지", "따뜻하다고"),
        ("신선했어요", "신선했지만", "신선하지", "신선하다고"),
        ("편안했어요", "편안했지만", "편안하지", "편안하다고"),
        ("완벽했어요", "완벽했지만", "완벽하지", "완벽하다고"),
    ),
)
"""Korean adjectives by class, each in four forms: at the end, before "but", before a negation, and before "say"."""

PLAIN: dict[Language, tuple[str, ...]] = {
    "en": ("the {thing} was {word}", "the {thing} was really {word}", "I found the {thing} {word}"),
    "ko": ("{thing} 은/는 {end}", "{thing} 이/가 정말 {end}", "제 생각에 {thing} 은/는 {end}"),
}
NEGATED: dict[Language, tuple[str, ...]] = {
    "en": (
        "the {thing} was not {word}",
        "the {thing} was never {word}",
        "the {thing} was not at all {word}",
        "I do not think the {thing} was {word}",
        "nobody found the {thing} {word}",
    ),
    "ko": (
        "{thing} 은/는 {negate} 않았어요",
        "{thing} 이/가 전혀 {negate} 않았어요",
        "제 생각에 {thing} 은/는 {negate} 않았어요",
        "{thing} 을/를 {say} 할 수 없었어요",
        "아무도 {thing} 을/를 {say} 하지 않았어요",
    ),
}
CONCEDED: dict[Language, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "en": (("although the {thing} was {word} ,",), ("although the {thing} was not {word} ,",)),
    "ko": (("{thing} 은/는 {but}",), ("{thing} 은/는 {negate} 않았지만",)),
}
"""Concessions before the opinion, which do not affect the label: plain, and negated."""

ASIDES: dict[Language, tuple[str, ...]] = {
    "en": ("I went there on {day} .", "my {person} came with me .", "it rained that {day} .", "we talked about it ."),
    "ko": ("{day} 에 갔어요 .", "{person} 와/과 함께 갔어요 .", "{day} 에 비가 왔어요 .", "{person} 을/를 만났어요 ."),
}
CLASSES: dict[str, tuple[str, ...]] = {"en": ("negative", "positive"), "ko": ("부정", "긍정")}


@dataclass(frozen=True)
class Review:
    """A review: its tokens, its label (1 positive, 0 negative), its language and whether the opinion is negated."""

    tokens: tuple[str, ...]
    label: int
    language: Language
    negated: bool


def is_held_out_pair(template: int, word: int) -> bool:
    """Return whether a pair of negation and adjective is excluded from training, by their indices: one pair in five."""
    return (template + word) % 5 == 0


def sample_review(
    random: np.random.Generator,
    language: Language | None = None,
    negated: bool | None = None,
    unseen: bool | None = False,
) -> Review:
    """Sample one review.

    Args:
        random: the random generator.
        language: the language; None for either.
        negated: whether the opinion is negated; None for either.
        unseen: for negated reviews, whether the pair of negation and adjective is excluded from training; None for any pair.
    """
    language = language or ("en" if random.random() < 0.5 else "ko")
    negated = bool(random.random() < 0.5) if negated is None else negated
    label = int(random.integers(2))
    polarity = 1 - label if negated else label
    while True:
        templates = (NEGATED if negated else PLAIN)[language]
        template, word = int(random.integers(len(templates))), int(random.integers(_adjective_count(language)))
        if not negated or unseen is None or is_held_out_pair(template, word) == unseen:
            break
    opinion = _fill_template(random, templates[template], language, polarity, word)
    if random.random() < 0.3:
        # a concession of the opposite polarity: only its grammar shows that it does not count
        negated_concession = int(random.integers(2))
        concession = _fill_template(
            random,
            CONCEDED[language][negated_concession][0],
            language,
            label if negated_concession else 1 - label,
            int(random.integers(8)),
        )
        opinion = concession + opinion
    before, after = ([_sample_aside(random, language) for _ in range(random.integers(0, 3))] for _ in range(2))
    tokens = [token for each in (*before, [*opinion, "."], *after) for token in each]
    return Review(tuple(tokens), label, language, negated)


def _adjective_count(language: Language) -> int:
    return len(ENGLISH[0]) if language == "en" else len(KOREAN[0])


def _sample_aside(random: np.random.Generator, language: Language) -> list[str]:
    return _fill_template(random, str(random.choice(ASIDES[language])), language, 0, 0)


def _fill_template(
    random: np.random.Generator, template: str, language: Language, polarity: int, word: int
) -> list[str]:
    """Return a template's tokens with placeholders filled; the adjective has index ``word`` among those of ``polarity``."""
    words = {"thing": THINGS, "person": PEOPLE, "day": DAYS}
    gaps = {name: str(random.choice(choices[language])) for name, choices in words.items()}
    if language == "en":
        gaps["word"] = ENGLISH[polarity][word]
    else:
        gaps |= dict(zip(("end", "but", "negate", "say"), KOREAN[polarity][word], strict=True))
    tokens: list[str] = []
    for token in template.split():
        if "/" in token:
            # Hangul syllables are encoded in blocks of 28 by their final consonant, 0 for none
            final = (ord(tokens[-1][-1]) - 0xAC00) % 28
            with_final, without = ("과", "와") if token == "와/과" else token.split("/")
            tokens.append(with_final if final else without)
        else:
            tokens.append(token.format(**gaps))
    return tokens


def sample_reviews(seed: int, count: int, **which: bool | Language | None) -> list[Review]:
    """Sample ``count`` reviews with one seed; ``which`` as in ``sample_review``."""
    random = np.random.default_rng(seed)
    return [sample_review(random, **which) for _ in range(count)]  # type: ignore[arg-type]


@cache
def vocabulary() -> tuple[str, ...]:
    """Return the unknown symbol, the padding, and every word of the templates."""
    words: dict[str, None] = {}
    for language in ("en", "ko"):
        groups = (PLAIN[language], NEGATED[language], *CONCEDED[language], ASIDES[language])
        templates = [template for group in groups for template in group]
        words |= dict.fromkeys(
            word for template in templates for word in template.split() if word[0] != "{" and "/" not in word
        )
        words |= dict.fromkeys((*THINGS[language], *PEOPLE[language], *DAYS[language]))
    words |= dict.fromkeys(word for group in ENGLISH for word in group)
    words |= dict.fromkeys(form for group in KOREAN for forms in group for form in forms)
    return (UNKNOWN, PADDING, *dict.fromkeys([*words, *PARTICLES, "."]))


def readable_review(tokens: tuple[str, ...]) -> str:
    """Return a review in normal spelling: particles and punctuation joined to the word before, capitals."""
    text = tokens[0][0].upper() + tokens[0][1:]
    for before, token in pairwise(tokens):
        joined = token in (".", ",") or (token in PARTICLES and before not in (".", ","))
        word = token[0].upper() + token[1:] if before == "." else token
        text += word if joined else f" {word}"
    return text
