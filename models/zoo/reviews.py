"""Short everyday reviews in English and Korean, made from templates, words and clauses: opinions among neutral sentences."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache
from random import Random
from typing import Literal

from models.core.tokenize_text import UNKNOWN, word_splitter
from models.zoo import english_reviews, korean_reviews
from models.zoo.english_reviews import English
from models.zoo.korean_reviews import SIGNS, Korean
from models.zoo.text_grammar import PIECES, sample_pair, sections

Language = Literal["en", "ko"]
LANGUAGES: tuple[Language, Language] = ("en", "ko")
PADDING = "∅"
"""The padding symbol; it can be typed."""

CLASSES: dict[str, tuple[str, ...]] = {"en": ("negative", "positive"), "ko": ("부정", "긍정")}
NO_APOSTROPHE_SHARE = 0.04
"""Share of the English reviews that are written without apostrophes."""

SIGN_SHARE = 0.06
"""Share of the Korean reviews with a sign such as ㅠㅠ after them."""

MORE_SHARE, ASIDE_BEFORE, ASIDE_AFTER = 0.28, 0.25, 0.15
"""Probability of one more opinion of the same class, and of a neutral sentence before and after the opinions."""

KINDS = ("plain", "clause", "cue", "contrast", "negated")
"""Kinds of an opinion, as in ``English.opinion``."""

WEIGHTS: dict[Language, tuple[float, ...]] = {"en": (30, 34, 6, 24, 20), "ko": (32, 36, 0, 20, 20)}


@dataclass(frozen=True)
class Review:
    """A review: its text and tokens, its label (1 positive, 0 negative), its language and whether the opinion is negated."""

    text: str
    tokens: tuple[str, ...]
    label: int
    language: Language
    negated: bool


@cache
def particles() -> tuple[str, ...]:
    """Return the particles and endings that follow a piece of a word, each a token of its own."""
    return sections(PIECES)["ending"]


@cache
def vocabulary() -> tuple[str, ...]:
    """Return the unknown symbol, the padding, and every piece of a word."""
    listed = sections(PIECES)
    return (UNKNOWN, PADDING, *dict.fromkeys((*listed["mark"], *listed["english"], *listed["korean"], *particles())))


@cache
def samplers() -> dict[Language, English | Korean]:
    """Return the sampler of each language."""
    listed = sections(PIECES)
    english = English(listed["english neutral"], (listed["english cue-"], listed["english cue+"]))
    return {"en": english, "ko": Korean(listed["korean neutral"], listed["korean verb"])}


def sample_review(
    random: Random,
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
    language = language or LANGUAGES[random.randrange(2)]
    label = random.randrange(2)
    kinds = [*WEIGHTS[language]]
    if negated is not None:
        kinds = [0, 0, 0, 0, 1] if negated else [*kinds[:3], 0, 0]
    kind = random.choices(KINDS, kinds)[0]
    sampler = samplers()[language]
    if kind == "negated":
        pair = sample_pair(random, sampler.lists["negated"], sampler.adjectives(1 - label), unseen)
        parts = [sampler.opinion(random, label, kind, pair)]
    else:
        parts = [sampler.opinion(random, label, kind)]
    if negated is None:
        while random.random() < MORE_SHARE and len(parts) < 4:
            more = sampler.opinion(random, label, random.choices(KINDS, WEIGHTS[language])[0])
            parts.insert(random.randrange(len(parts) + 1), more)
    parts[:0] = [sampler.aside(random)] if random.random() < ASIDE_BEFORE else []
    parts += [sampler.aside(random)] if random.random() < ASIDE_AFTER else []
    text = _join(random, parts, language, label)
    return Review(text, split_review(text), label, language, kind == "negated")


def _join(random: Random, parts: list[str], language: Language, label: int) -> str:
    """Return the sentences of a review as one text."""
    source = english_reviews if language == "en" else korean_reviews
    text = ""
    for place, part in enumerate(parts):
        last = place == len(parts) - 1
        text += (" " if text else "") + part + random.choice(source.ENDS if last else source.MARKS)
    if language == "ko" and random.random() < SIGN_SHARE:
        text += " " + random.choice(SIGNS[label])
    if language == "en" and random.random() < NO_APOSTROPHE_SHARE:
        text = text.replace("'", "")
    return readable(text)


def readable(text: str) -> str:
    """Return a text in normal spelling: no space before a mark, and capitals at the start of sentences."""
    text = re.sub(r"\s+([.,!?~])", r"\1", text)
    return re.sub(r"(^|[.!?] )([a-z])", lambda match: match[1] + match[2].upper(), text)


@cache
def _splitter() -> Callable[[str], list[str]]:
    split = word_splitter(vocabulary(), particles())
    return lru_cache(maxsize=400_000)(split)


def split_review(text: str) -> tuple[str, ...]:
    """Return the tokens of a text, as the network receives them."""
    split = _splitter()
    return tuple(token for chunk in text.split() for token in split(chunk))


def sample_reviews(seed: int, count: int, **which: bool | Language | None) -> list[Review]:
    """Sample ``count`` reviews with one seed; ``which`` as in ``sample_review``."""
    random = Random(seed)
    return [sample_review(random, **which) for _ in range(count)]  # type: ignore[arg-type]
