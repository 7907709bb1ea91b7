"""Tokenization: a text as characters, or as words with their particles and punctuation as separate tokens."""

import re
from collections.abc import Callable, Collection
from functools import lru_cache

UNKNOWN = "\ufffd"
"""The token of every symbol outside a network's vocabulary."""

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
    tabs = "\t" in vocabulary
    return _symbols(tuple(vocabulary)).findall(text if tabs else normalize_whitespace(text))


@lru_cache(maxsize=16)
def _symbols(vocabulary: tuple[str, ...]) -> re.Pattern[str]:
    long = sorted((symbol for symbol in vocabulary if len(symbol) > 1), key=len, reverse=True)
    return re.compile("|".join([*map(re.escape, long), "."]), re.DOTALL)
