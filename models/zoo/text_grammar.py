"""A grammar of alternatives: sections of words and clauses in a text file, and the random expansion of a template.

``(a|b|)`` is one of its alternatives, also nested; ``{name}`` is a random entry of the section ``[name]``, and
``{name:mark}`` leaves a mark on it, which the language's inflection reads.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random

FOLDER = Path(__file__).parent / "everyday"

GROUPED = ("english.txt", "korean.txt")
"""Files in which words in parentheses are one entry."""

PIECES = "pieces.txt"
"""Made by ``models.zoo.everyday_words``: the pieces of the vocabulary, and the frequent words that fill neutral sentences."""

TEMPLATES = ("subject", "plain", "negated", "contrast", "cue", "words", "clause", "aside")
"""Sections, without the sign of their class, in which a line is one entry."""

COMMON = 10
"""Words at the start of a list of adjectives that no negation is held out with."""

GROUPS = re.compile(r"\([^()]*\|[^()]*\)(?:\s\S+)*|\([^()]*\)|\S+")


@dataclass(frozen=True)
class Choice:
    """Alternatives, each a tuple of parts."""

    options: tuple["Parts", ...]


@dataclass(frozen=True)
class Slot:
    """The name of a section, and the mark on its word."""

    name: str
    mark: str


Part = str | Choice | Slot
Parts = tuple[Part, ...]


@cache
def sections(file: str) -> Mapping[str, tuple[str, ...]]:
    """Return the entries of each section of a file in ``models/zoo/everyday``.

    In the sections ``TEMPLATES`` each line is an entry; elsewhere each word is one, or several words in parentheses.
    """
    found: dict[str, list[str]] = {}
    name = ""
    for line in (FOLDER / file).read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            name = line.strip("[]")
            found[name] = []
        elif line and not line.startswith("#"):
            whole = name.strip("+-") in TEMPLATES
            grouped = "(" in line and file in GROUPED
            found[name] += [line] if whole else GROUPS.findall(line) if grouped else line.split()
    return {
        name: tuple(
            entries
            if name in TEMPLATES
            else dict.fromkeys(map(_without_parentheses, entries) if file in GROUPED else entries)
        )
        for name, entries in found.items()
    }


def _without_parentheses(entry: str) -> str:
    return entry[1:-1] if re.fullmatch(r"\([^()|]+\)", entry) else entry


@cache
def parse(template: str) -> Parts:
    """Return the parts of ``template``."""
    parts, rest = _parse(template)
    if rest:
        raise ValueError(f"Unbalanced parentheses in “{template}”.")
    return parts


def _parse(text: str) -> tuple[Parts, str]:
    parts: list[Part] = []
    while text and text[0] not in "|)":
        if text[0] == "(":
            options, text = [], "|" + text[1:]
            while text.startswith("|"):
                option, text = _parse(text[1:])
                options.append(option)
            parts.append(Choice(tuple(options)))
            text = text[1:]
        elif text[0] == "{":
            inside, text = text[1:].split("}", 1)
            name, _, mark = inside.partition(":")
            parts.append(Slot(name, mark))
        else:
            literal = re.match(r"[^(){|]+", text)
            assert literal
            parts.append(literal.group())
            text = text[literal.end() :]
    return tuple(parts), text


def expand(template: str, random: Random, fill: Callable[[str, str], str]) -> str:
    """Return a random expansion; ``fill(name, mark)`` gives the text of a slot."""
    return re.sub(r"\s+", " ", _expand(parse(template), random, fill)).strip()


def _expand(parts: Parts, random: Random, fill: Callable[[str, str], str]) -> str:
    text = ""
    for part in parts:
        if isinstance(part, Choice):
            text += _expand(random.choice(part.options), random, fill)
        elif isinstance(part, Slot):
            text += fill(part.name, part.mark)
        else:
            text += part
    return text


def is_held_out_pair(template: int, word: int) -> bool:
    """Return whether a pair of negation and adjective is excluded from training, by their indices: one pair in five.

    The first ``COMMON`` words of a list, as in "not bad", are always part of it.
    """
    return word >= COMMON and (template + word) % 5 == 0


def sample_pair(
    random: Random, templates: tuple[str, ...], words: tuple[str, ...], held_out: bool | None = False
) -> tuple[int, str]:
    """Return a random template, by its index, and a word for its slot ``{A}``; ``held_out`` as in ``is_held_out_pair``."""
    while True:
        template, word = random.randrange(len(templates)), random.randrange(len(words))
        has_slot = "{A" in templates[template]
        if (not has_slot and not held_out) or (has_slot and held_out in (None, is_held_out_pair(template, word))):
            return template, words[word]
