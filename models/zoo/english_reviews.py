"""Everyday English opinions and neutral sentences, sampled from the templates, words and clauses in everyday/english.txt."""

import re
from random import Random

from models.zoo.text_grammar import expand, sample_pair, sections

FILE = "english.txt"
ENDS = (".", ".", ".", ".", "!", "", "", " .", "!!", "..", "...")
"""Ends of a review."""

MARKS = (".", ".", ".", "!", ",", " and", "")
"""Marks between the sentences of a review."""

BE = ("was", "was", "is", "is", "were", "are", "has been")
BE_NOT = ("wasn't", "isn't", "weren't", "aren't", "was not", "is not", "were not", "ain't")
INNER_KINDS = ("plain", "plain", "clause", "negated")
"""Kinds of the two opinions in a contrast."""

FREQUENT_SHARE = 0.12
"""Share of the things that are any frequent word."""


class English:
    """The sampler of English sentences.

    Attributes:
        words: frequent neutral words that fill asides.
        cues: by class, negative and positive: further words of a sentiment lexicon.
        lists: the sections of the file.
    """

    def __init__(self, words: tuple[str, ...], cues: tuple[tuple[str, ...], tuple[str, ...]]) -> None:
        self.words, self.cues = words, cues
        self.lists = sections(FILE)

    def adjectives(self, label: int) -> tuple[str, ...]:
        """Return the adjectives of a class."""
        return self.lists["adjective+" if label else "adjective-"]

    def opinion(self, random: Random, label: int, kind: str, pair: tuple[int, str] | None = None) -> str:
        """Return a clause of class ``label``.

        Args:
            random: the random generator.
            label: 1 positive, 0 negative.
            kind: ``"plain"``, ``"negated"``, ``"clause"``, ``"cue"`` or ``"contrast"``.
            pair: of a negated clause, its template by index and its first adjective; None for a random one.
        """
        own, other = "-+"[label], "-+"[1 - label]
        inside = other if kind == "negated" else own
        if kind == "negated" and pair is None:
            pair = sample_pair(random, self.lists["negated"], self.adjectives(1 - label))
        template = self.lists["negated"][pair[0]] if pair else random.choice(self._templates(kind, own))
        first = [pair[1]] if pair else []

        def fill(name: str, mark: str) -> str:
            match name:
                case "A":
                    return first.pop() if first else random.choice(self.lists["adjective" + inside])
                case "B":
                    return random.choice(self.lists["adjective" + other])
                case "F":
                    return random.choice(self.lists["feeling" + inside])
                case "noun":
                    return random.choice(self.lists["noun" + inside])
                case "V" | "v":
                    return random.choice(self.lists["verb" + inside]).split("/")[name == "v"]
                case "cue":
                    return random.choice(self.cues[label])
                case "own" | "other":
                    return self.opinion(random, label if name == "own" else 1 - label, random.choice(INNER_KINDS))
            return self._fill(random, name)

        return _spelling(expand(template, random, fill))

    def aside(self, random: Random) -> str:
        """Return a neutral sentence."""
        template = random.choice(self.lists["words" if random.random() < 0.3 else "aside"])
        return _spelling(expand(template, random, lambda name, mark: self._fill(random, name)))

    def _templates(self, kind: str, sign: str) -> tuple[str, ...]:
        return self.lists[kind + sign if kind == "clause" else kind]

    def _fill(self, random: Random, name: str) -> str:
        """Return a word for a slot that has no class."""
        if name == "is":
            return random.choice(BE)
        if name == "isnt":
            return random.choice(BE_NOT)
        if name == "word" or (name == "thing" and random.random() < FREQUENT_SHARE):
            return random.choice(self.words)
        entries = self.lists["subject" if name == "S" else name]
        entry = random.choice(entries[:2] if name == "S" and random.random() < 0.6 else entries)
        return expand(entry, random, lambda inner, mark: self._fill(random, inner)) if {"(", "{"} & {*entry} else entry


def _spelling(text: str) -> str:
    """Return ``text`` with short forms joined to the word before, and "an" before a vowel."""
    text = re.sub(r"(\S+) '(ll|d|m|s)\b", r"\1'\2", text)
    return re.sub(r"\ba (?=[aeiou])", "an ", text)
