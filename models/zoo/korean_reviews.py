"""Everyday Korean opinions and neutral sentences, sampled from everyday/korean.txt, with their inflection."""

import re
from random import Random

from models.zoo.korean_inflection import (
    AND,
    BUT,
    COPULA,
    COPULA_AND,
    COPULA_BUT,
    FUTURE,
    NOT_A,
    PAST,
    PRESENT,
    Kind,
    copula,
    forms,
    particle,
)
from models.zoo.text_grammar import expand, sample_pair, sections

FILE = "korean.txt"
ENDS = (".", ".", ".", "", "", "", "!", "!!", "..", "~", "...", " .")
"""Ends of a review."""

MARKS = (".", ".", ".", "!", ",", "", "..")
"""Marks between the sentences of a review."""

SIGNS = (("ㅠㅠ", "ㅜㅜ", "ㅠ", ";;", "ㅡㅡ", "..."), ("ㅎㅎ", "ㅋㅋ", "^^", "♥", "ㅋㅋㅋ", "♡", "👍", "ㅎ"))
"""Signs after a review, by class: negative, positive."""

INNER_KINDS = ("plain", "plain", "clause", "negated")
FREQUENT_SHARE = 0.12
PREDICATES = ("adj+", "adj-", "feel+", "feel-", "verb+", "verb-", "neutral")
"""Sections of words of the dictionary, in 다."""


class Korean:
    """The sampler of Korean sentences.

    Attributes:
        words: frequent neutral nouns that fill asides.
        verbs: frequent stems of verbs, for the same.
        lists: the sections of the file.
    """

    def __init__(self, words: tuple[str, ...], verbs: tuple[str, ...]) -> None:
        self.words, self.verbs = words, verbs
        self.lists = sections(FILE)

    def adjectives(self, label: int) -> tuple[str, ...]:
        """Return the adjectives of a class."""
        return self.lists["adj+" if label else "adj-"]

    def opinion(
        self, random: Random, label: int, kind: str, pair: tuple[int, str] | None = None, link: str = ""
    ) -> str:
        """Return a clause of class ``label``.

        Args:
            random: the random generator.
            label: 1 positive, 0 negative.
            kind: ``"plain"``, ``"negated"``, ``"clause"`` or ``"contrast"``.
            pair: of a negated clause, its template by index and its first adjective; None for a random one.
            link: ``"but"`` where another clause follows, else empty.
        """
        own, other = "-+"[label], "-+"[1 - label]
        inside = other if kind == "negated" else own
        if kind == "negated" and pair is None:
            pair = sample_pair(random, self.lists["negated"], self.adjectives(1 - label))
        templates = self.lists["clause" + own if kind == "clause" else kind]
        template = templates[pair[0]] if pair else random.choice(templates)
        first = [pair[1]] if pair else []
        names = {
            "A": "adj" + inside,
            "B": "adj" + other,
            "F": "feel" + inside,
            "V": "verb" + inside,
            "v": "verb" + inside,
        }

        def fill(name: str, mark: str) -> str:
            if name in ("own", "other"):
                inner_link = link if name == "own" else mark
                inner_label = label if name == "own" else 1 - label
                return self.opinion(random, inner_label, random.choice(INNER_KINDS), None, inner_link)
            if name == "noun":
                return _noun(random.choice(self.lists["noun" + inside]), mark)
            if name == "A" and first:
                return _marked(first.pop(), mark, random)
            section = names.get(name, name)
            if section in PREDICATES:
                return _marked(random.choice(self.lists[section]), mark, random, section.startswith("verb"))
            return self._fill(random, name, mark)

        return _inflect(expand(template, random, fill), random, link)

    def aside(self, random: Random) -> str:
        """Return a neutral sentence."""
        template = random.choice(self.lists["words" if random.random() < 0.3 else "aside"])
        return _inflect(expand(template, random, lambda name, mark: self._fill(random, name, mark)), random, "")

    def _fill(self, random: Random, name: str, mark: str) -> str:
        """Return a word for a slot that has no class."""
        if name == "S":
            template = random.choice(self.lists["subject"])
            return expand(template, random, lambda inner, inner_mark: self._fill(random, inner, inner_mark))
        if name == "stem":
            return random.choice(self.verbs)
        if name == "word" or (name == "thing" and random.random() < FREQUENT_SHARE):
            return _noun(random.choice(self.words), mark)
        return _noun(random.choice(self.lists[name]), mark)


def _noun(noun: str, mark: str) -> str:
    """Return a noun with the particle that ``mark`` names, or with 이다 to be inflected."""
    return noun + (mark if mark == "이다" else particle(noun, mark) if mark else "")


def _inflect(text: str, random: Random, link: str) -> str:
    """Return ``text`` with its stems inflected: the last one as ``link`` names, the others as before another clause."""
    text = re.sub(r"(\S)\+(은|이|을)(?= |$)", lambda found: found[1] + particle(found[1], found[2]), text)
    words = text.split()
    for place, word in enumerate(words):
        last = place == len(words) - 1 or words[place + 1] in (".", ",")
        how = link if last else "and"
        if found := re.fullmatch(r"(.+)([~^])([pnf]?)", word):
            stem, sign, tense = found.groups()
            words[place] = _predicate(stem, _kind(stem, sign), tense, how, random)
        elif word.endswith("이다") and len(word) > 2:
            pairs = {"but": COPULA_BUT, "and": COPULA_AND}.get(how, COPULA)
            words[place] = copula(word[:-2], random.choice(pairs))
        elif word == "아니다":
            words[place] = random.choice(NOT_A[how])
    return " ".join(words)


def _kind(stem: str, sign: str) -> Kind:
    """Return the part of speech of a stem by the sign after it."""
    if stem.endswith(("있", "없")):
        return "exists"
    return "verb" if sign == "~" else "adjective"


def _predicate(stem: str, kind: Kind, tense: str, link: str, random: Random) -> str:
    """Return an inflected predicate; ``tense`` is p, n or f (past, present, future), or empty for past or present."""
    of = forms(stem, kind)
    if link or tense == "f":
        name, ending = random.choice({"but": BUT, "and": AND}.get(link, FUTURE))
    elif tense == "p" or (not tense and random.random() < 0.5):
        name, ending = "past", random.choice(PAST)
    else:
        name, ending = random.choice(PRESENT[kind])
    return of[name] + ending


def _marked(word: str, mark: str, random: Random, verb: bool = False) -> str:
    """Return a word of the dictionary (좋다, 최고이다) as a stem to inflect, or in the form that ``mark`` names."""
    if word.endswith("이다"):
        return _marked_copula(word[:-2], mark, random)
    stem, sign = word[:-1], "~" if verb else "^"
    kind = _kind(stem, sign)
    of = forms(stem, kind)
    match mark:
        case "":
            return stem + sign
        case "but":
            return _predicate(stem, kind, "", "but", random)
        case "ㄴ":
            return of["base"] + "는" if kind == "exists" else of["n"]
        case "ㄹ":
            return of["l"]
        case "서" | "아지":
            return of["aeo"] + mark.removeprefix("아")
        case "다고":
            return of["plain" if verb else "base"] + mark
    return of["base"] + mark


def _marked_copula(noun: str, mark: str, random: Random) -> str:
    """Return a noun with 이다 in the form that ``mark`` names."""
    match mark:
        case "":
            return noun + "이다"
        case "but":
            return copula(noun, random.choice(COPULA_BUT))
        case "ㄴ" | "ㄹ":
            return noun + {"ㄴ": "인", "ㄹ": "일"}[mark]
        case "게":
            return noun + "으로"
        case "아지":
            return particle_noun(noun) + " 되"
        case "서" | "다고":
            ending = {"서": "라서", "다고": "라고"}[mark]
            return copula(noun, ("이" + ending, ending))
    return copula(noun, ("이" + mark, mark))


def particle_noun(noun: str) -> str:
    """Return ``noun`` with the particle of a subject."""
    return noun + particle(noun, "이")
