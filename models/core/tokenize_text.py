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

    Korean joins particles and endings to the word before them. A word outside the vocabulary is split if it consists of a
    word of the vocabulary, the longest that fits, and one or more of ``particles``, so that each of them is one token:

    >>> split_words("모스크바에 왔어요.", {"모스크바", "에", "왔어요", "."}, {"에"})
    ['모스크바', '에', '왔어요', '.']
    >>> split_words("재미없었지만 didn't", {"재미없", "didn't"}, {"었", "지만"})
    ['재미없', '었', '지만', "didn't"]
    """
    return word_splitter(tuple(vocabulary), tuple(particles))(text)


@lru_cache(maxsize=16)
def word_splitter(vocabulary: tuple[str, ...], particles: tuple[str, ...]) -> Callable[[str], list[str]]:
    """Return ``split_words`` for one vocabulary, for many texts."""
    return _WordSplitter(vocabulary, particles).split


class _WordSplitter:
    """The words of a vocabulary and the endings that may follow them.

    Attributes:
        spelling: the vocabulary's spelling of each word, also by its lower case.
        endings: the particles.
        longest_word, longest_ending: in characters.
    """

    def __init__(self, vocabulary: tuple[str, ...], particles: tuple[str, ...]) -> None:
        self.spelling = {word.casefold(): word for word in vocabulary} | {word: word for word in vocabulary}
        self.endings = frozenset(particles) - {""}
        self.longest_word = max(map(len, self.spelling), default=0)
        self.longest_ending = max(map(len, self.endings), default=0)

    def split(self, text: str) -> list[str]:
        """Return the tokens of ``text``."""
        return [token for chunk in text.split() for part in self._parts(chunk) for token in self._pieces(part)]

    def _known(self, word: str) -> str | None:
        """Return the vocabulary's spelling of ``word``, or of its lower case; else None."""
        return self.spelling.get(word) or self.spelling.get(word.casefold())

    def _parts(self, chunk: str) -> list[str]:
        """Split a text without white space into words and marks; an entry of the vocabulary such as ``<unk>`` stays whole.

        A word with an apostrophe stays whole where the vocabulary has it, or the word before an ending such as "'s".
        """
        if self._known(chunk) is not None:
            return [chunk]
        parts: list[str] = []
        for part in re.findall(r"\w+(?:['’]\w+)+|\w+|[^\w\s]", chunk):
            straight = part.replace("’", "'")
            whole = "'" in straight and (self._known(straight) is not None or len(self._pieces(straight)) > 1)
            parts += [straight] if whole else re.findall(r"\w+|[^\w\s]", part)
        return parts

    def _pieces(self, word: str) -> list[str]:
        """Return the word as one token, or as a word of the vocabulary and its endings if it consists of them."""
        whole = self._known(word)
        if whole is not None or not self.endings:
            return [word if whole is None else whole]
        ending_at = self._endings_from(word)
        for length in range(min(len(word) - 1, self.longest_word), 0, -1):
            if length in ending_at and (stem := self._known(word[:length])) is not None:
                pieces, place = [stem], length
                while place < len(word):
                    pieces.append(word[place : ending_at[place]])
                    place = ending_at[place]
                return pieces
        return [word]

    def _endings_from(self, word: str) -> dict[int, int]:
        """Return the places from which ``word`` consists of endings only, each with the end of its first ending.

        Of the endings that fit at a place, the longest is taken.
        """
        end: dict[int, int] = {}
        for place in range(len(word) - 1, 0, -1):
            for stop in range(min(len(word), place + self.longest_ending), place, -1):
                if word[place:stop] in self.endings and (stop == len(word) or stop in end):
                    end[place] = stop
                    break
        return end


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
