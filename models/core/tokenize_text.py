"""Tokenization: a text as characters, or as words with their particles and punctuation as separate tokens."""

import re
from collections.abc import Callable, Collection
from functools import lru_cache

UNKNOWN = "\ufffd"
"""The token of every symbol outside a network's vocabulary."""

MAX_TEXT, MAX_COMPARED = 1_000_000, 20_000_000
"""Characters of a text that are split, and pieces of it that are compared with the symbols of a vocabulary."""

DISPLAY_SYMBOLS = {"\n": "⏎", " ": "␣", "\t": "⇥", UNKNOWN: "[?]"}


def normalize_whitespace(text: str) -> str:
    """Return ``text`` with one newline character for every kind of line end, and tabs expanded to four spaces."""
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", "    ")


def display(token: str) -> str:
    """Return a token in display form: white space is made visible (``'\\n'`` -> ``'⏎'``, ``' '`` -> ``'␣'``)."""
    return "".join(DISPLAY_SYMBOLS.get(character, character) for character in token)


def display_unknown(symbol: str) -> str:
    """Return a symbol that the vocabulary lacks in display form: itself, in brackets.

    >>> display_unknown("qwertz")
    '[qwertz]'
    """
    return f"[{display(symbol)}]"


def split_words(text: str, vocabulary: Collection[str], particles: Collection[str] = ()) -> list[str]:
    """Return the words and punctuation marks of ``text``, in the vocabulary's own spelling where it contains the word.

    Korean joins particles to the word before them. A word outside the vocabulary is split if it consists of a word of the
    vocabulary and one of ``particles``, so that the word is one token:

    >>> split_words("모스크바에 왔어요.", {"모스크바", "에", "왔어요", "."}, {"에"})
    ['모스크바', '에', '왔어요', '.']
    """
    spelling = _spelling(tuple(vocabulary))

    def known(word: str) -> str | None:
        return spelling.get(word) or spelling.get(word.casefold())

    tokens: list[str] = []
    for word in (part for chunk in text.split() for part in _parts(chunk, known)):
        whole = known(word)
        if whole is not None:
            tokens.append(whole)
            continue
        for particle in sorted(particles, key=len, reverse=True):
            stem = known(word[: -len(particle)]) if word.endswith(particle) else None
            if stem is not None:
                tokens += [stem, particle]
                break
        else:
            tokens.append(word)
    return tokens


def _parts(chunk: str, known: Callable[[str], str | None]) -> list[str]:
    """Split a text without white space into words and marks; a vocabulary entry such as ``<unk>`` stays whole."""
    return [chunk] if known(chunk) is not None else re.findall(r"\w+|[^\w\s]", chunk)


@lru_cache(maxsize=16)
def _spelling(vocabulary: tuple[str, ...]) -> dict[str, str]:
    """Return the vocabulary's spelling of each word, also by its lower case."""
    return {word.casefold(): word for word in vocabulary} | {word: word for word in vocabulary}


def split_characters(text: str, vocabulary: Collection[str] = ()) -> list[str]:
    """Return the characters of ``text``, whitespace normalized; a vocabulary entry such as ``<pad>`` is one token.

    >>> split_characters("ab</s>", {"a", "b", "</s>"})
    ['a', 'b', '</s>']
    """
    text = text if "\t" in vocabulary else normalize_whitespace(text)
    long = _long_symbols(tuple(vocabulary))
    if not long:
        return list(text)
    found, start = [], 0
    while start < len(text):
        sizes, symbols = long.get(text[start], _NONE)
        size = next((size for size in sizes if text[start : start + size] in symbols), 1)
        found.append(text[start : start + size])
        start += size
    return found


_NONE: tuple[tuple[int, ...], frozenset[str]] = ((), frozenset())


@lru_cache(maxsize=16)
def _long_symbols(vocabulary: tuple[str, ...]) -> dict[str, tuple[tuple[int, ...], frozenset[str]]]:
    """Return the symbols of several characters by their first one, with their lengths, the longest first."""
    found: dict[str, set[str]] = {}
    for symbol in vocabulary:
        if len(symbol) > 1:
            found.setdefault(symbol[0], set()).add(symbol)
    return {
        first: (tuple(sorted(set(map(len, symbols)), reverse=True)), frozenset(symbols))
        for first, symbols in found.items()
    }


def longest_text(vocabulary: Collection[str]) -> int:
    """Return how many characters of a text are split into symbols of ``vocabulary``: fewer for symbols of many lengths."""
    sizes = max((len(sizes) for sizes, _ in _long_symbols(tuple(vocabulary)).values()), default=0)
    return min(MAX_TEXT, MAX_COMPARED // max(1, sizes))
