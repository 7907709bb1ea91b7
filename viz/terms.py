"""The field's vocabulary in English and Korean: the single source of the glossary and of the check for synonyms.

`terms.csv` has a row per term: its one name in each language, a one-line gloss, the other names that textbooks use, the
page on which it is explained, and what must not be used for it (regular expressions). Lists are separated by
semicolons. `notation.csv` has the symbols of textbooks beside those of the pages. `viz/glossary.py` shows both; a test goes
over both catalogues, the networks' cards and the components' words.
"""

import csv
import re
from dataclasses import dataclass
from pathlib import Path

LANGUAGE_COLUMNS = {"en": "english", "ko": "korean"}


@dataclass(frozen=True)
class Term:
    """A term of the field.

    Attributes:
        name: by language ("en", "ko").
        gloss: one line that says what it is, by language.
        also: other names in use, by language.
        page: the page (its name in the address) that shows what it is.
        forbidden: regular expressions of what must not be used for it, by language.
    """

    name: dict[str, str]
    gloss: dict[str, str]
    also: dict[str, tuple[str, ...]]
    page: str
    forbidden: dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class Notation:
    """One row of the bridge between a textbook's symbols and PyTorch's.

    Attributes:
        textbook: LaTeX, as lecture notes write it.
        pytorch: LaTeX, as it is drawn here and in PyTorch's documentation.
        meaning: by language.
    """

    textbook: str
    pytorch: str
    meaning: dict[str, str]


def _rows(file: str) -> list[dict[str, str]]:
    with (Path(__file__).parent / file).open(encoding="utf-8", newline="") as opened:
        return list(csv.DictReader(opened))


def _by_language(row: dict[str, str], prefix: str = "") -> dict[str, str]:
    return {lang: row[prefix + column] for lang, column in LANGUAGE_COLUMNS.items()}


def _lists(row: dict[str, str], prefix: str) -> dict[str, tuple[str, ...]]:
    return {lang: tuple(filter(None, text.split("; "))) for lang, text in _by_language(row, prefix).items()}


TERMS = tuple(
    Term(_by_language(row), _by_language(row, "gloss_"), _lists(row, "also_"), row["page"], _lists(row, "forbidden_"))
    for row in _rows("terms.csv")
)
"""Every term, in the order in which a beginner meets them."""

NOTATION = tuple(Notation(row["textbook"], row["pytorch"], _by_language(row)) for row in _rows("notation.csv"))
"""Symbols of textbooks and lecture notes beside those of the pages."""

FORBIDDEN = {
    "en": (
        r"\bshut\b", r"\bhands? on\b", r"\btint\w*", r"\bink\b", r"\bteach(?!ers?\b)\w*", r"\bgradients? by the\b",
        r"(?<!there )\bis no\b(?! longer)", r"\bholds? no\b", r"\bthe hand\b", r"\bpaid\b", r"\bpays\b",
        r"\bspeaks? (?:for|of)\b",
    ),
    "ko": (
        "잉크", "네트워크", "플레이어", "견주", "머리글", "머리 부분", "두리번", "붙잡", "놀람", "놀라움",
        r"은\(는\)", r"이\(가\)", r"을\(를\)", r"와\(과\)", r"과\(와\)", r"\(으\)로",
    ),
}  # fmt: skip
"""Words of no term in particular that are used on no page, by language, as regular expressions."""


def forbidden_in(text: str, lang: str) -> list[str]:
    """Return the forbidden words that occur in ``text``, a string of language ``lang``."""
    patterns = [*FORBIDDEN[lang], *(each for term in TERMS for each in term.forbidden[lang])]
    return [found[0] for pattern in patterns if (found := re.search(pattern, text, re.IGNORECASE))]
