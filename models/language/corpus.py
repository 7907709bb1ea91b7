"""A corpus of sentences as arrays of word ids: the shipped ones, a typed text, or the bytes of a file."""

from __future__ import annotations

import re
import unicodedata
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from models.core.messages import Problem

SHIPPED = {"en": "english", "ko": "korean"}
"""The corpora of 100 sentences that come with the app, by language; each is a text file of this folder."""

START, END, UNKNOWN = 0, 1, 2
"""Ids of the symbols before the first and after the last word of a sentence, and of every word outside the vocabulary."""

SYMBOLS = ("⊢", "⊣", "<UNK>")
"""What these three are called on the pages."""

MAX_ORDER = 5
"""The longest n-grams that are counted."""

PADDING = MAX_ORDER - 1
"""Start symbols before each sentence, so that its first word has a full context."""

MAX_BYTES, MAX_POSITIONS = 10_000_000, 5_000_000
"""Bytes of a text, and words with symbols of the sentences, that are counted at most: they bound the memory."""

_WORD = re.compile(r"\w+(?:['’-]\w+)*|[^\w\s]")
_SENTENCE_END = re.compile(r"(?<=[.!?。！？…])\s+")
_FINAL_MARKS = frozenset(".!?。！？…")
_REPORT_EVERY = 2000


def split_sentence(text: str) -> list[str]:
    """Return the words and marks of a sentence, without the marks that end it: ``⊣`` takes their place.

    >>> split_sentence("He isn't here, is he?")
    ['He', "isn't", 'here', ',', 'is', 'he']
    """
    words = _WORD.findall(unicodedata.normalize("NFC", text))
    while words and words[-1] in _FINAL_MARKS:
        words.pop()
    return words


@dataclass(frozen=True, eq=False)
class Corpus:
    """Sentences as ids: each has ``PADDING`` start symbols, its words, and the end symbol.

    Attributes:
        words: V symbols by id; the first three are ``SYMBOLS``.
        tokens: (P) int32, ids of all sentences, one after the other.
        starts: (S) int64, the position of the first word of each sentence.
        sentences: S texts.
    """

    words: tuple[str, ...]
    tokens: np.ndarray
    starts: np.ndarray
    sentences: tuple[str, ...]

    @cached_property
    def ids(self) -> dict[str, int]:
        """The id of each word."""
        return {word: place for place, word in enumerate(self.words) if place > UNKNOWN}

    @property
    def word_count(self) -> int:
        """Number of words, without the symbols of the sentences."""
        return len(self.tokens) - (PADDING + 1) * len(self.starts)

    @property
    def choices(self) -> int:
        """Number of symbols that may come next: the words, the end of the sentence and the unknown word."""
        return len(self.words) - 1

    @property
    def lengths(self) -> np.ndarray:
        """Number of words of each sentence, (S)."""
        return np.diff(np.append(self.starts, len(self.tokens) + PADDING)) - PADDING - 1

    def encode(self, words: Sequence[str]) -> list[int]:
        """Return the ids of words; those outside the vocabulary are ``UNKNOWN``."""
        return [self.ids.get(word, UNKNOWN) for word in words]

    def sentence_words(self, number: int) -> np.ndarray:
        """Return the ids of the words of a sentence, without its symbols."""
        end = self.starts[number + 1] - PADDING if number + 1 < len(self.starts) else len(self.tokens)
        return self.tokens[self.starts[number] : end - 1]

    def sentences_at(self, positions: np.ndarray) -> np.ndarray:
        """Return the numbers of the sentences that contain some positions, without repetition."""
        return np.unique(np.searchsorted(self.starts - PADDING, positions, side="right") - 1)

    def select(self, chosen: np.ndarray) -> Corpus:
        """Return the corpus of some of the sentences (S bools), with a vocabulary of their words alone."""
        number = np.zeros(len(self.tokens), dtype=np.int64)
        number[self.starts[1:] - PADDING] = 1
        kept = self.tokens[chosen[np.cumsum(number)]]
        is_used = np.zeros(len(self.words), dtype=bool)
        is_used[: UNKNOWN + 1] = True
        is_used[kept] = True
        new_id = (np.cumsum(is_used) - 1).astype(np.int32)
        words = tuple(word for word, used in zip(self.words, is_used, strict=True) if used)
        tokens = new_id[kept]
        sentences = tuple(text for text, keep in zip(self.sentences, chosen, strict=True) if keep)
        return Corpus(words, tokens, _starts(tokens), sentences)

    def recode(self, other: Corpus) -> Corpus:
        """Return the sentences of ``other`` in the ids of this vocabulary."""
        ids = np.array([0, 1, 2, *other_ids(self, other)], dtype=np.int32)
        return Corpus(self.words, ids[other.tokens], other.starts, other.sentences)


def other_ids(corpus: Corpus, other: Corpus) -> list[int]:
    """Return the ids in ``corpus`` of the words of ``other``, without the three symbols."""
    return corpus.encode(other.words[UNKNOWN + 1 :])


def _starts(tokens: np.ndarray) -> np.ndarray:
    """Return the position of the first word of each sentence."""
    ends = np.flatnonzero(tokens == END)
    return np.concatenate([[0], ends[:-1] + 1]).astype(np.int64) + PADDING


def read_corpus(text: str, progress: Callable[[float], None] | None = None) -> Corpus:
    """Return the corpus of a text: one sentence a line, and several where a mark that ends one is followed by a space.

    Args:
        text: the text.
        progress: is called with the share of the text that is done, from 0 to 1.

    Raises:
        Problem: it has no words, a single one, or too many.
    """
    if len(text) > MAX_BYTES or len(text.encode("utf-8", "replace")) > MAX_BYTES:
        raise Problem("The corpus is larger than {most:,} MB. Use a shorter text.", most=MAX_BYTES // 1_000_000)
    ids: dict[str, int] = {}
    tokens, sentences, done, next_report = array("i"), [], 0, 0
    for line in text.replace("\ufeff", "").splitlines():
        done += len(line) + 1
        for part in _SENTENCE_END.split(line):
            words = split_sentence(part)
            if not words:
                continue
            sentences.append(part.strip())
            tokens.extend([START] * PADDING)
            tokens.extend(ids.setdefault(word, len(ids) + UNKNOWN + 1) for word in words)
            tokens.append(END)
        if len(tokens) > MAX_POSITIONS:
            raise Problem(
                "The corpus has more than {most:,} words and sentence marks. Use a shorter text.", most=MAX_POSITIONS
            )
        if progress is not None and len(sentences) >= next_report:
            next_report = len(sentences) + _REPORT_EVERY
            progress(min(1.0, done / max(1, len(text))))
    if not sentences:
        raise Problem("The corpus has no words. Type sentences, one per line, or upload a text.")
    if len(ids) == 1:
        raise Problem(
            "The corpus has only one word, “{word}”, so there is nothing to predict. Use sentences with more words.",
            word=next(iter(ids))[:20],
        )
    found = np.array(tokens, dtype=np.int32)
    return Corpus((*SYMBOLS, *ids), found, _starts(found), tuple(sentences))


def corpus_text(content: bytes) -> str:
    """Return the text of a file.

    Raises:
        Problem: it is too large, or not UTF-8.
    """
    if len(content) > MAX_BYTES:
        raise Problem("The corpus is larger than {most:,} MB. Use a shorter text.", most=MAX_BYTES // 1_000_000)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Problem("This file is not text in UTF-8. Save it as UTF-8 and upload it again.") from None


def shipped_text(language: str) -> str:
    """Return the text of the corpus that comes with the app, in English ("en") or Korean ("ko")."""
    return (Path(__file__).parent / f"{SHIPPED[language]}.txt").read_text(encoding="utf-8")
